"""graphmill.quotations: text of a document in a report is one harmless line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmill.quotations import MAX_CHARACTERS, MAX_WORDS, clip, quote


@pytest.mark.parametrize(
    ("fragment", "line"),
    [
        ("Plain  words\n over\ttwo lines.", "Plain words over two lines."),
        ("## 3. Findings", "3. Findings"),
        ("- **Acme** hired `Bob`", "Acme hired Bob"),
        ("> 12) quoted", "12) quoted"),
        ("| Acme | 12 | |", "Acme; 12"),
        ("Acme | Bern", "Acme; Bern"),
        ("| --- | :-: |", ""),
        ("***", ""),
        ("", ""),
        ("See [the report](https://example.com/a) now", "See the report now"),
        ("![logo](http://evil.example/pixel.png)", "logo"),
        ("Rents (2 < 3) rose", "Rents (2 < 3) rose"),
        ("-5 °C in Bern", "-5 °C in Bern"),
        ("3. Oktober war Feiertag.", "3. Oktober war Feiertag."),
        ("年度報告は公開された。", "年度報告は公開された。"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("abc\u202edef\u2066\x00\ud800", "abcdef"),
    ],
)
def test_markup_goes_and_words_stay(fragment: str, line: str) -> None:
    assert quote(fragment) == line


def test_a_fragment_cannot_pass_for_a_reference() -> None:
    assert "[" not in quote("Trust me [Data: Entities (1); Relationships (2)].")
    assert "[" not in quote("Trust me [ DATA : Entities (1)")
    assert quote("See [Data: Reports (1)].") == "See (Data: Reports (1))."


def test_a_fragment_cannot_open_a_tag() -> None:
    assert quote("<script>alert(1)</script>") == r"\<script>alert(1)\</script>"


def test_a_picture_with_brackets_in_its_address_is_not_one_either() -> None:
    for fragment in (
        "![a](http://evil.example/(1).png) and [[b]](c)",
        "and](http://evil.example)",
        "![a]**(http://evil.example/(1).png)",
        "[**data: Entities (1)",
    ):
        assert not re.search(r"\]\(|\[data", quote(fragment)), fragment


@given(st.text(alphabet=st.characters() | st.sampled_from("|[]()<#*_` \n-"), max_size=900))
def test_any_text_becomes_one_bounded_line_that_can_be_stored(text: str) -> None:
    line = quote(text)
    assert len(line.splitlines()) <= 1
    assert len(line) <= MAX_CHARACTERS
    assert len(line.split()) <= MAX_WORDS
    assert line == line.strip()
    assert not re.search(r"(?<!\\)<[A-Za-z/!?]|\]\(|\[\s*data\s*:", line, re.IGNORECASE)
    line.encode()


def test_what_is_cut_ends_at_a_word_and_says_so() -> None:
    assert clip("one two three", 9, 9) == "one two…"
    assert clip("one, two three", 99, 1) == "one…"
    assert clip("one two", 7, 2) == "one two"
    assert clip("x" * 50, 10, 9) == "x" * 9 + "…"
