"""Which titles are the same without a model, which are doubtful, and which are apart."""

import itertools
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmill.embedding import LocalEmbedder
from graphmill.standard import same_entities
from graphmill.standard.decisions import Decision, Step
from graphmill.standard.entity_groups import group_titles
from graphmill.standard.same_entities import (
    NearPair,
    SeenTitle,
    find_pairs,
    to_ask,
    weigh,
)
from graphmill.standard.title_likeness import Likeness, Trust

EMBEDDER = LocalEmbedder()
NEAR = "It ships goods by sea from Hamburg to ports in Asia, and is owned by a family."
FAR = "A poem in which rain falls on tiles."


def outcome(pair: Sequence[SeenTitle], *descriptions: str | Sequence[str]) -> str:
    """The step that makes the two the same, or "doubtful", or "apart"."""
    found = find_pairs(pair)
    told = {
        one.title: (said,) if isinstance(said, str) else said
        for one, said in zip(pair, descriptions, strict=False)
    }
    decided, doubtful = weigh(found.near, told, EMBEDDER.embed)
    if doubtful:
        return "doubtful"
    same = [decision.step for decision in (*found.decided, *decided) if decision.same]
    return str(same[0]) if same else "apart"


def of_type(type: str, *titles: str) -> list[SeenTitle]:
    return [SeenTitle(title, type, 1) for title in titles]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KIM JONG-UN", "KIM JONG UN"),
        ("U.S. CONGRESS", "US CONGRESS"),
        ("U.S.", "US"),
        ("THE UNITED STATES", "UNITED STATES"),
        ("ACME & SONS", "ACME AND SONS"),
        ("O’BRIEN", "O'BRIEN"),
        ("ＡＣＭＥ株式会社", "ACME株式会社"),
        ("ジョン・スミス", "ジョンスミス"),
        ("محمـــد علي", "محمد علي"),
        ("САНКТ-ПЕТЕРБУРГ", "САНКТ ПЕТЕРБУРГ"),
        ("हिन्दी भाषा", "हिन्दी-भाषा"),
        ("BOEING B-52", "BOEING B52"),
        ("1,000 ISLANDS", "1000 ISLANDS"),
    ],
)
def test_titles_that_are_equal_when_normalised_are_the_same(one: str, other: str) -> None:
    assert outcome(of_type("organization", one, other)) == "title"
    assert outcome(of_type("organization", other, one), NEAR, FAR) == "title"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("JOSÉ GARCÍA", "JOSE GARCIA"),
        ("WORLD WAR II", "WORLD WAR 2"),
        ("WORLD WAR TWO", "WORLD WAR II"),
        ("14TH AMENDMENT", "FOURTEENTH AMENDMENT"),
        ("ACME SHIPPING CORP.", "ACME SHIPPING CORPORATION"),
        ("ŁÓDŹ STADIUM", "LODZ STADIUM"),
        ("ФЁДОР ДОСТОЕВСКИЙ", "ФЕДОР ДОСТОЕВСКИЙ"),
    ],
)
def test_accents_numbers_and_legal_forms_may_be_spelt_otherwise(one: str, other: str) -> None:
    assert outcome(of_type("organization", one, other)) == "similar"
    missing = [SeenTitle(one, "", 1), SeenTitle(other, "organization", 1)]
    assert outcome(missing) == "doubtful"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HAMBURG HARBOUR", "HAMBURG HARBOURS"),
        ("UNIVERSITY OF HAMBURG SHIPPING", "UNIVERSITIES OF HAMBURG SHIPPING"),
        ("INTERNATIONAL SHIPPING", "INTERNATIONNAL SHIPPING"),
        ("INTERNATIONAL SHIPPING", "INTERANTIONAL SHIPPING"),
        ("SHIPPING ORGANISATION", "SHIPPING ORGANIZATION"),
        ("QUÉBEC", "QUEBEC"),
    ],
)
def test_slips_are_the_same_where_the_descriptions_agree(one: str, other: str) -> None:
    pair = of_type("organization", one, other)
    longer = f"{NEAR} It is old."
    assert outcome(pair, NEAR, longer) == "similar"
    assert outcome(pair) == "doubtful"
    assert outcome(pair, NEAR, "") == "doubtful"
    assert outcome(pair, NEAR, FAR) in ("doubtful", "apart")
    assert outcome(of_type("person", one, other), NEAR, longer) == "doubtful"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ACME", "ACME GMBH"),
        ("THE BEATLES", "BEATLES"),
        ("J. SMITH", "JOHN SMITH"),
        ("JOHN F. KENNEDY", "JOHN KENNEDY"),
        ("SMITH, JOHN", "JOHN SMITH"),
        ("JOHN FITZGERALD KENNEDY", "JOHN KENNEDY"),
        ("ANDREW JOHNSON", "ANDREW JOHNSTON"),
        ("FRANCESCO ROSSI", "FRANCESCA ROSSI"),
        ("SODIUM PHOSPHATE", "SODIUM PHOSPHITE"),
        ("MAIN ST", "MAIN STREET"),
        (".NET", "NET"),
        ("BLACK BIRD SONG", "BLACKBIRDS SONG"),
        ("ДОСТОЕВСКИЙ ФЁДОР", "ФЕДОР ДОСТОЕВСКИЙ"),
        ("中华人民共和国外交部发言人", "中华人民共和国外交部发言"),
    ],
)
def test_what_may_be_one_or_two_is_doubtful(one: str, other: str) -> None:
    for titles in ((one, other), (other, one)):
        assert outcome(of_type("person", *titles)) == "doubtful"
        assert outcome(of_type("person", *titles), NEAR, f"{NEAR} It is old.") == "doubtful"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HENRY IV", "HENRY V"),
        ("II CORPS", "III CORPS"),
        ("Q3 2021", "Q3 2022"),
        ("BOEING 737", "BOEING 747"),
        ("BOEING 737", "BOEING"),
        ("WORLD WAR ONE", "WORLD WAR TWO"),
        ("WORLD WAR I", "SECOND WORLD WAR"),
        ("第一次世界大戦", "第二次世界大戦"),
        ("الحرب ١٩١٤", "الحرب ١٩١٥"),
        ("VERSION 1.12", "VERSION 11.2"),
        ("5/11 REPORT", "51/1 REPORT"),
        ("-9", "9"),
        ("JOHN SMITH", "JANE SMITH"),
        ("J. SMITH", "K. SMITH"),
        ("JOHN A. SMITH", "JOHN B. SMITH"),
        ("NORTH KOREA", "SOUTH KOREA"),
        ("MEN'S FOOTBALL TEAM", "WOMEN'S FOOTBALL TEAM"),
        ("JUNE 1960", "JULY 1960"),
        ("ACME LTD", "ACME GMBH"),
        ("C++", "C#"),
        ("C++", "C"),
        ("HAMBURG UNIVERSITY", "HAMBURG UNIVERSITY PRESS"),
        ("BATTLE OF LEIPZIG", "BATTLE OF LÜTZEN"),
        ("东京大学", "北京大学"),
        ("KENNEDY", "JOHN KENNEDY"),
        ("...", "---"),
    ],
)
def test_what_cannot_be_one_is_apart(one: str, other: str) -> None:
    for titles in ((one, other), (other, one)):
        assert outcome(of_type("person", *titles)) == "apart"
        assert outcome(of_type("", *titles), NEAR, NEAR) == "apart"


def test_types_keep_near_titles_apart_and_equal_ones_in_doubt() -> None:
    def of(one: tuple[str, str], other: tuple[str, str]) -> str:
        return outcome([SeenTitle(*one, 1), SeenTitle(*other, 1)])

    assert of(("WILLIAM PENNE", "person"), ("WILLIAM PENN", "geo")) == "apart"
    assert of(("WILLIAM PENNE", "person"), ("WILLIAM PENN", "Person")) == "doubtful"
    assert of(("SAINT-DENIS", "geo"), ("SAINT DENIS", "person")) == "doubtful"
    assert of(("SAINT-DENIS", "geo"), ("SAINT DENIS", "")) == "title"
    # As short as that it may be an abbreviation of something else.
    assert of(("U.S.", "geo"), ("US", "geo")) == "title"
    assert of(("U.S.", "geo"), ("US", "")) == "doubtful"
    assert of(("U.S.", ""), ("US", "")) == "doubtful"


NAMES = ("ACME", "ACME INC", "ACME CORP", "ACME-CORP", "THE ACME CORP", "ACMES CORP", "J. ACME")
PEOPLE = ("JOHN SMITH", "JON SMITH", "JANE SMITH", "J. SMITH", "SMITH, JOHN", "JOHN A. SMITH")
TITLES = st.one_of(
    st.sampled_from((*NAMES, *PEOPLE)),
    st.builds(
        "{} {}".format,
        st.sampled_from(("HENRY", "FALCON", "BOEING MAX", "第", "حرب")),
        st.sampled_from(("I", "II", "IV", "V", "2", "4", "14", "1,4", "四", "٤", "4TH", "FOUR")),
    ),
    st.text("ABCÉ. -'4IV中й&", max_size=8),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
ENTITIES = st.lists(
    st.builds(SeenTitle, TITLES, st.sampled_from(("", "person", "org")), st.integers(1, 3)),
    unique_by=lambda one: one.title,
    max_size=25,
)


@pytest.mark.parametrize(
    "said",
    [
        [("It surveys tides.", "It has a tower."), ("It trains nurses.", "It owns vineyards.")],
        [("It surveys tides.",), ("It trains nurses.",)],
    ],
)
def test_a_long_word_on_two_titles_outweighs_no_shorter_ones(
    said: Sequence[Sequence[str]],
) -> None:
    pair = of_type("organization", "MERIDIAN INSTITUTE", "MERIDIAN INSTITUTES")
    word = "Both names stand for one and the same body, as everybody in town knows. " * 7
    assert outcome(pair, word, word) == "similar"
    assert outcome(pair, *((word, *words) for words in said)) == "doubtful"


def resolve(entities: Sequence[SeenTitle], same: bool) -> tuple[object, ...]:
    """All there is to see, with a model that always says the same."""
    found = find_pairs(entities)
    seen = {one.title: one for one in entities}
    decided, doubtful = weigh(found.near, {}, EMBEDDER.embed)
    before = group_titles(seen, (*found.decided, *decided))
    asked = to_ask(doubtful, lambda title: before.leaders().get(title, title), ())
    told = [Decision(*pair, same, Step.MODEL, "so it says") for pair in asked]
    return before, asked, group_titles(seen, (*told, *found.decided, *decided))


@given(ENTITIES, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_is_nowhere_to_be_seen(
    entities: list[SeenTitle], same: bool, shuffle: random.Random
) -> None:
    first = resolve(entities, same)
    shuffle.shuffle(entities)
    assert resolve(entities, same) == first


VALUES = {"I": 1, "II": 2, "IV": 4, "V": 5, "2": 2, "4": 4, "14": 14, "٤": 4, "FOUR": 4}


@given(
    st.lists(st.tuples(st.sampled_from(("HENRY", "FALCON MAX")), st.sampled_from(sorted(VALUES)))),
    st.booleans(),
)
def test_what_has_other_numbers_never_joins(found: list[tuple[str, str]], same: bool) -> None:
    numbered = {f"{name} {number}": VALUES[number] for name, number in found}
    bare = {name: None for name, _ in found}
    entities = [SeenTitle(title, "org", 1) for title in (*numbered, *bare)]
    seen = {one.title: one for one in entities}
    everything = [
        Decision(a, b, True, Step.MODEL, "") for a, b in itertools.combinations(sorted(seen), 2)
    ]
    grouped = group_titles(seen, [*find_pairs(entities).decided, *(everything if same else ())])
    values = {**numbered, **bare}
    assert all(values[one.title] == values[one.canonical] for one in grouped.resolved)


def test_a_model_is_asked_once_for_two_groups_and_about_the_most_alike_of_an_entity() -> None:
    def near(title: str, other: str, score: float) -> NearPair:
        return NearPair(title, other, Likeness(Trust.OPEN, score, ""))

    doubtful = [near("A", "B", 90), near("A", "BB", 95), *(near("A", f"C{n}", n) for n in range(9))]
    expected = (("A", "BB"), ("A", "C4"), ("A", "C5"), ("A", "C6"), ("A", "C7"))
    for pairs in (doubtful, doubtful[::-1]):
        assert to_ask(pairs, lambda title: title.replace("BB", "B"), {("A", "C8")}) == expected


def test_titles_that_share_a_word_are_not_compared_with_all_that_share_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """5,000 SMITHs: all pairs would be 12 million."""
    looks = itertools.count()

    def count(*_: object, **__: object) -> float:
        next(looks)
        return 0.0

    monkeypatch.setattr(same_entities, "ratio", count)
    names = ["".join(name) for name in itertools.product("ABCDEFGHIJ", repeat=4)][::2]
    find_pairs([SeenTitle(f"{name} SMITH", "person", 1) for name in names])
    assert next(looks) < 50 * len(names)


def test_a_title_that_everything_is_alike_has_so_many_near_ones_and_no_more() -> None:
    """Eight long words, each with ten slips: all are near the title without any."""
    words = [f"{letter}bcdefghi" for letter in "JKLMNOPQ"]
    slips = [
        [*words[:place], f"{words[place]}{letter}", *words[place + 1 :]]
        for place in range(len(words))
        for letter in "TUVWXYZABC"
    ]
    entities = of_type("person", " ".join(words), *map(" ".join, slips))
    found = find_pairs(entities)
    near = Counter(title for pair in found.near for title in (pair.title, pair.other))
    assert near[" ".join(words)] == max(near.values()) == 32
    random.Random(1).shuffle(entities)
    assert find_pairs(entities) == found


def test_near_titles_meet_however_many_share_a_word() -> None:
    names = ["".join(name) for name in itertools.product("ABCDEFGHIJ", repeat=4)][::2]
    smiths = of_type("person", *(f"{name} SMITH" for name in names))
    near = of_type("person", "KATHARINE SMITH", "KATHERINE SMITH", "XAVIERA SMITH", "XAVIER SMITH")
    met = [(one.title, one.other) for one in find_pairs([*smiths, *near]).near]
    assert met == [("KATHARINE SMITH", "KATHERINE SMITH"), ("XAVIER SMITH", "XAVIERA SMITH")]
