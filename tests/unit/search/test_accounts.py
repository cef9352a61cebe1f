from uuid import UUID

import pytest

from graphmill.search.accounts import Difference, find_differences
from graphmill.search.question import count_terms

A, B = UUID(int=1), UUID(int=2)


def _differences(*told: tuple[UUID, str], quoted: tuple[int, ...] = (0,)) -> list[Difference]:
    return find_differences([(id, text, frozenset(count_terms(text))) for id, text in told], quoted)


@pytest.mark.parametrize(
    ("one", "other", "values"),
    [
        (
            "The distress call of the Marrowind was heard at 22:17 by the station.",
            "The station heard the distress call of the Marrowind at 22:40.",
            ("22:17", "22:40"),
        ),
        (
            "The yard fitted the cylinder to the hatch on 2 November 2018.",
            "The cylinder was fitted to the hatch by the yard on 5 November 2018.",
            ("2 November 2018", "5 November 2018"),
        ),
        (
            "The ship carried 212 crates of turbine parts to Grauhafen.",
            "To Grauhafen the ship carried 210 crates of turbine parts.",
            ("212 crates", "210 crates"),
        ),
        (
            "The insurer paid $6.4 million for the lost hull.",
            "For the lost hull the insurer paid $7 million.",
            ("$6.4 million", "$7 million"),
        ),
        # the same number of a thing, however it is written
        (
            "Report number 3 says that the ship carried 212 crates.",
            "The third report says that the ship carried 210 crates.",
            ("212 crates", "210 crates"),
        ),
        (
            "The crew of hatch no. 2 loaded 40 crates on 3 May.",
            "The crew of hatch number two loaded 45 crates on 3 May.",
            ("40 crates", "45 crates"),
        ),
        # a thing is numbered in one of them only
        (
            "As page 12 has it, the ship left the harbour at 21:40.",
            "The ship left the harbour, as the log has it, at 22:10.",
            ("21:40", "22:10"),
        ),
        # words that number things are also verbs, and begin sentences
        (
            "The hospitals report 40 cases of the fever in town.",
            "The hospitals report 50 cases of the fever in town.",
            ("40 cases", "50 cases"),
        ),
        (
            "The ministry reports 40 cases of the fever in town.",
            "The ministry reports 50 cases of the fever in town.",
            ("40 cases", "50 cases"),
        ),
        (
            "No one of the second watch left the harbour at 21:40.",
            "No one of the second watch left the harbour at 22:10.",
            ("21:40", "22:10"),
        ),
        (
            "Exactly 212 crates of turbine parts were on board.",
            "Some 210 crates of turbine parts were on board.",
            ("212 crates", "210 crates"),
        ),
        (
            "On Tuesday 40 sailors left the harbour town.",
            "On Tuesday 50 sailors left the harbour town.",
            ("40 sailors", "50 sailors"),
        ),
    ],
)
def test_the_same_told_with_another_figure_is_a_difference(
    one: str, other: str, values: tuple[str, str]
) -> None:
    (found,) = _differences((A, one), (B, other))
    assert (found.one, found.other, found.values) == (0, 1, values)


def test_the_same_told_with_a_not_is_a_difference() -> None:
    one = "Hatch number two of the Marrowind was closed when she left Port Ellisand."
    other = "Hatch number two of the Marrowind was not closed when she left Port Ellisand."
    (found,) = _differences((A, one), (B, other))
    assert found.values is None


# The same sentence about two things, each with a name that a number is part of.
_NUMBERED = [
    (sentence.format(one), sentence.format(other))
    for sentence, one, other in (
        ("Report number {} describes the harbour walls and the crane.", 1, 3),
        ("This is report no. {} about the harbour walls and the crane.", 4, 5),
        ("The file Nr. {} about the harbour walls was closed.", "07", 8),
        ("Survey #{} describes the harbour walls and the crane.", 1, 2),
        ("The walls and the crane are described in chapter {} below.", 3, 12),
        ("On page {} the log has the harbour walls and the crane.", 12, 14),
        ("Section {} covers the harbour walls and the crane.", "4.1", "4.2"),
        ("Under § {} the owner pays for the harbour walls.", 12, 13),
        ("Volume {} shows the harbour walls and the crane.", 1912, 1913),
        ("Figure {} shows the harbour walls and the crane.", "2a", "2b"),
        ("People with type {} diabetes were asked about their diet.", 1, 2),
        ("The ship that Apollo {} landed in had two windows.", 11, 12),
        ("Route {} runs along the harbour walls to town.", 127, 102),
        ("Six F-{} jets flew over the harbour walls.", 15, 16),
    )
] + [
    # What else is said of them may differ.
    (
        "The 1st report has a view of the harbour walls at 10:00.",
        "The 3rd report has a view of the harbour walls at 12:00.",
    ),
    (
        "The first ship carried 40 crates of turbine parts.",
        "The second ship carried 50 crates of turbine parts.",
    ),
    (
        "Hatch number two was not closed when the ship left.",
        "Hatch number three was closed when the ship left.",
    ),
]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # a date without its year
        ("The ship left the harbour on 3 May.", "The ship left the harbour on 3rd May 2018."),
        # other names
        (
            "British citizens had visa-free access to 186 countries in 2018.",
            "Then Canadian citizens had visa-free access to 172 countries in 2018.",
        ),
        # numbers that are names
        ("It lies on the old coast Route 127.", "It lies on the old coast Route 102."),
        *_NUMBERED,
        # of other things
        ("The museum opened to visitors in 1912.", "The ferry carries 40 cars and 200 people."),
        # a "not" about something else
        (
            "The hatch of the ship was closed when she left.",
            "It does not follow from the sea bed's state that a hatch was open.",
        ),
        # nothing differs
        ("The ship left the harbour at 21:40.", "At 21:40 the ship left the harbour."),
    ],
)
def test_what_only_looks_alike_is_no_difference(one: str, other: str) -> None:
    assert _differences((A, one), (B, other)) == []


def test_a_document_does_not_contradict_itself() -> None:
    one, other = "The ship left the harbour at 21:40.", "The ship left the harbour at 22:10."
    assert _differences((A, one), (A, other)) == []


def test_a_pair_is_told_once() -> None:
    one, other = "The ship left the harbour at 21:40.", "The ship left the harbour at 22:10."
    assert len(_differences((A, one), (B, other), quoted=(0, 1))) == 1
