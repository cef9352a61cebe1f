"""What is stored can be stored, shown and compared."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmill.standard.cleaning import MAX_TITLE, one_line, paragraphs, storable, to_title


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("  Acme\n\t Corp. ", "ACME CORP."),
        ('"Acme"', "ACME"),
        ("„Straße“", "STRASSE"),
        ("'s-Hertogenbosch", "'S-HERTOGENBOSCH"),
        (".NET", ".NET"),
        ("Müller & Söhne", "MÜLLER & SÖHNE"),
        ("Mu\u0308ller", "MÜLLER"),
        ("北京大学", "北京大学"),
        ("「三体」", "三体"),
        ("جامعة القاهرة", "جامعة القاهرة"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("A\u200bC\u202eM\u2066E\U000e0041", "ACME"),
        ("\0\x07\ud800", "\ufffd"),
        ('""', ""),
        ("\u200b", ""),
    ],
)
def test_titles_are_of_one_form(name: str, title: str) -> None:
    assert to_title(name) == title


def test_a_line_of_characters_that_can_be_printed_is_as_it_would_be_in_the_long_way() -> None:
    characters = "".join(filter(str.isprintable, map(chr, range(0x110000))))
    assert len(characters) > 100_000
    # An end of line cannot be printed, and goes.
    assert one_line(characters, len(characters)) == one_line(f"{characters}\n", len(characters))


@given(st.text(st.sampled_from("\0\ud800\udc00\udfff\U00010000é") | st.characters()))
def test_nuls_go_and_half_characters_are_replaced(text: str) -> None:
    kept = (
        "\ufffd" if unicodedata.category(sign) == "Cs" else sign for sign in text if sign != "\0"
    )
    assert storable(text) == "".join(kept)


@given(st.text())
def test_a_title_stays_what_it_is(name: str) -> None:
    title = to_title(name)
    assert to_title(title) == title
    assert len(title) <= MAX_TITLE
    assert not any(unicodedata.category(sign) in ("Cc", "Cs") for sign in title)
    assert to_title(f"\n {name}\t") == title


@given(st.text(), st.integers(1, 50))
def test_lines_and_paragraphs_stay_what_they_are(text: str, most: int) -> None:
    line, several = one_line(text, most), paragraphs(text, most)
    assert one_line(line, most) == line
    assert paragraphs(several, most) == several
    assert "\n" not in line
    assert "\n\n\n" not in several
    assert max(len(line), len(several)) <= most
    (line + several).encode()


def test_paragraphs_keep_their_lines() -> None:
    text = "One \r\n two\r\n\r\n \n\nthree\u2029four\x07  five \n"
    assert paragraphs(text, 100) == "One\ntwo\n\nthree\nfour five"
