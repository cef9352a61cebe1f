"""Groups of titles: what contradicts each other never joins, not even through a third."""

import pytest

from graphmill.standard.decisions import Decision, Step
from graphmill.standard.entity_groups import Groups, ResolvedTitle, group_titles
from graphmill.standard.same_entities import SeenTitle


def groups(frequencies: dict[str, int], *decisions: Decision, type: str = "org") -> Groups:
    seen = {title: SeenTitle(title, type, count) for title, count in frequencies.items()}
    found = group_titles(seen, decisions)
    assert group_titles(dict(reversed(seen.items())), reversed(decisions)) == found
    return found


def same(title: str, other: str, step: Step = Step.MODEL) -> Decision:
    return Decision(title, other, True, step, "alike")


def apart(title: str, other: str, step: Step = Step.MODEL) -> Decision:
    return Decision(title, other, False, step, "unlike")


def test_the_most_frequent_title_is_canonical_and_of_equals_the_smallest() -> None:
    found = groups(
        {"ALPHA": 1, "ALPHAB": 2, "ALPHAC": 2}, same("ALPHA", "ALPHAB"), same("ALPHA", "ALPHAC")
    )
    assert found.leaders() == {"ALPHA": "ALPHAB", "ALPHAC": "ALPHAB"}
    assert found.resolved == (
        ResolvedTitle("ALPHA", "ALPHAB", Step.MODEL, "alike"),
        ResolvedTitle("ALPHAC", "ALPHAB", Step.MODEL, "alike, with ALPHA"),
    )


def test_two_people_do_not_join_through_an_initial() -> None:
    """The title that is seen more often has it."""
    found = groups(
        {"J. SMITH": 2, "JANE SMITH": 1, "JOHN SMITH": 3},
        same("J. SMITH", "JANE SMITH"),
        same("J. SMITH", "JOHN SMITH"),
    )
    assert found.leaders() == {"J. SMITH": "JOHN SMITH"}
    (refused,) = [one for one in found.decisions if not one.same]
    assert refused == Decision(
        "J. SMITH",
        "JANE SMITH",
        False,
        Step.MODEL,
        "alike; but of JANE SMITH and JOHN SMITH a word differs",
    )


def test_types_and_legal_forms_do_not_join_through_a_third() -> None:
    seen = {
        "ACME": SeenTitle("ACME", "", 9),
        "ACME INC": SeenTitle("ACME INC", "org", 8),
        "ACME LTD": SeenTitle("ACME LTD", "org", 7),
        "ACMEE": SeenTitle("ACMEE", "person", 6),
    }
    decisions = [same("ACME", "ACME INC"), same("ACME", "ACME LTD"), same("ACME", "ACMEE")]
    assert group_titles(seen, decisions).leaders() == {"ACME INC": "ACME"}


@pytest.mark.parametrize("step", [Step.SIMILAR, Step.MODEL, Step.PERSON])
def test_what_was_told_apart_does_not_join_through_a_third(step: Step) -> None:
    found = groups(
        {"AA": 3, "AAB": 2, "AABB": 1},
        same("AA", "AAB"),
        same("AAB", "AABB"),
        apart("AA", "AABB", step),
    )
    assert found.leaders() == {"AAB": "AA"}
    assert found.decisions[-1].reason == f"alike; but AA and AABB were told apart ({step})"


def test_a_person_overrules_both_ways() -> None:
    frequencies = {"APOLLO 11": 3, "MOON LANDING": 2, "APOLLO-11": 1}
    found = groups(
        frequencies,
        same("APOLLO 11", "APOLLO-11", Step.TITLE),
        apart("APOLLO 11", "APOLLO-11", Step.PERSON),
        same("APOLLO 11", "MOON LANDING", Step.PERSON),
        apart("APOLLO 11", "MOON LANDING"),
    )
    assert found.leaders() == {"MOON LANDING": "APOLLO 11"}
    assert found.decisions == (
        apart("APOLLO 11", "APOLLO-11", Step.PERSON),
        same("APOLLO 11", "MOON LANDING", Step.PERSON),
    )


def test_what_a_person_joins_only_a_person_parts() -> None:
    joined = [same("AA", "BB", Step.PERSON), same("BB", "CC", Step.PERSON)]
    seen = {"AA": 3, "BB": 2, "CC": 1}
    assert groups(seen, *joined, apart("AA", "CC")).leaders() == {"BB": "AA", "CC": "AA"}
    assert groups(seen, *joined, apart("AA", "CC", Step.PERSON)).leaders() == {"BB": "AA"}


def test_equal_titles_that_a_person_told_apart_do_not_join_through_a_third() -> None:
    found = groups(
        {"A B": 3, "A-B": 2, "A.B": 1},
        same("A B", "A-B", Step.TITLE),
        same("A B", "A.B", Step.TITLE),
        apart("A-B", "A.B", Step.PERSON),
    )
    assert found.leaders() == {"A-B": "A B"}


def test_verdicts_on_titles_that_are_gone_change_nothing() -> None:
    assert groups({"A": 1}, same("A", "B", Step.PERSON)) == Groups((), ())


def test_a_group_has_an_end() -> None:
    titles = {f"A{'-' * n}B": n + 1 for n in range(300)}
    first = max(titles, key=lambda title: titles[title])
    others = sorted(titles.keys() - {first})
    pairs = [(min(first, other), max(first, other)) for other in others]
    found = groups(titles, *(same(one, other, Step.TITLE) for one, other in pairs))
    assert len(found.resolved) == 199
    assert sum(one.same for one in found.decisions) == 199
