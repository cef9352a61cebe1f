"""References in reports: only to what is known, by the ids that are stored."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmill.references import KnownIds, rewrite_references

KNOWN = KnownIds(
    reports=(70,), entities=(901, 902, 903, 904, 905, 906), relationships=(55, 56), claims=(8,)
)


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("So [Data: Entities (2, 1)].", "So [Data: Entities (902, 901)]."),
        (
            "So [Data: Relationships (1); entities (1,1, 9)].",
            "So [Data: Entities (901); Relationships (55)].",
        ),
        ("So [Data: Entities (7, 8); Claims (2)].", "So."),
        ("So [Data: Entities (1, 2, +more)].", "So [Data: Entities (901, 902, +more)]."),
        (
            "[Data: Entities (1, 2, 3, 4, 5, 6)]",
            "[Data: Entities (901, 902, 903, 904, 905, +more)]",
        ),
        ("So [Data: Reports (1), Sources (1)] it is.", "So [Data: Reports (70)] it is."),
        ("So [data:Claims(1)", "So [Data: Claims (8)]"),
        ("So [Entities (1); Claims (1)].", "So [Data: Entities (901); Claims (8)]."),
        ("So [Data: see table], yes.", "So, yes."),
        ("So [Data: Entities (1.5, 0, 12345678901, x1, 1)].", "So [Data: Entities (901)]."),
        ("[Data: Entities (1) and more of it.", "[Data: Entities (901)] and more of it."),
        ("A [note], a [link](x), (1, 2), Entities (1).",) * 2,
    ],
)
def test_a_reference_keeps_what_is_known(text: str, rewritten: str) -> None:
    assert rewrite_references(text, KNOWN.of) == rewritten


FRAGMENTS = [
    "[",
    "]",
    "(",
    ")",
    "Data",
    ":",
    " ",
    "Da",
    "ta",
    "Entities",
    "Ent",
    "ities",
    "1",
    ", ",
]


@given(
    st.lists(st.sampled_from([*FRAGMENTS, "[Data: Entities (1)]", "[Data: Claims (2)"])).map(
        "".join
    )
)
def test_unknown_records_are_never_referred_to(text: str) -> None:
    rewritten = rewrite_references(text, lambda table, number: None)
    assert not re.search(r"\[Data: (Entities|Claims)", rewritten)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[Data:" * 50_000, "[Data: Entities (" * 20_000, "[ " * 100_000,
             "[Data:" + " ;Entities(1)" * 20_000, "[Data:" + " " * 200_000]
)  # fmt: skip
def test_hostile_text_takes_little_time(text: str) -> None:
    started = time.process_time()
    rewrite_references(text, KNOWN.of)
    assert time.process_time() - started < 2
