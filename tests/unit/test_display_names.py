"""graphmill.display_names: names are written as the document writes them."""

import pytest

from graphmill.display_names import MAX_CHARACTERS, display_name


@pytest.mark.parametrize(
    ("title", "sentences", "name"),
    [
        ("JOHN SMITH", ["It was John Smith who wrote."], "John Smith"),
        ("NASA", ["In 1969 NASA landed."], "NASA"),
        ("IPHONE", ["The iPhone sold."], "iPhone"),
        ("PUMP", ["the pump failed"], "pump"),
        ("PUMP", ["The PUMP failed.", "The pump failed."], "pump"),
        ("JOHN SMITH", ["JOHN SMITH WINS", "so said john smith", "John Smith won."], "John Smith"),
        ("ART", ["An article on Art."], "Art"),
        ("ÉCOLE NORMALE", ["À l'École normale."], "École normale"),
        ("ΝΊΚΟΣ", ["Ο Νίκος ήρθε."], "Νίκος"),
        ("МОСКВА", ["Это Москва."], "Москва"),
        ("東京", ["東京は大きい。"], "東京"),
        ("BERN", ["Die Straße nach Bern."], "Bern"),
    ],
)
def test_a_name_is_written_as_its_sentences_write_it(
    title: str, sentences: list[str], name: str
) -> None:
    assert display_name(title, sentences) == name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("JOHN SMITH", "John Smith"),
        ("SCROOGE'S COUNTING-HOUSE", "Scrooge's Counting-House"),
        ("CONOR O'BRIEN", "Conor O'Brien"),
        ("UNIVERSITY OF BERN", "University of Bern"),
        ("THE HAGUE", "The Hague"),
        ("NASA", "NASA"),
        ("PARIS", "Paris"),
        ("BBC NEWS", "BBC News"),
        ("ST. PAUL", "St. Paul"),
        ("U.S. ARMY", "U.S. Army"),
        ("BOEING B-52", "Boeing B-52"),
        ("THE 8TH ARMY", "The 8th Army"),
        ("1963", "1963"),
        ("---", "---"),
    ],
)
def test_a_name_found_in_capitals_alone_is_title_cased(title: str, name: str) -> None:
    assert display_name(title, []) == name
    assert display_name(title, [f"{title} AND MORE IN CAPITALS"]) == name


def test_a_name_is_bounded_and_cannot_carry_markup() -> None:
    assert len(display_name("WORD " * 40, [])) <= MAX_CHARACTERS
    assert "<S" not in display_name("<SCRIPT>X", []).replace("\\<", "")
    assert "[" not in display_name("[DATA: ENTITIES (1)]", [])
