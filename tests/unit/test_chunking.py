import time
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphmill.chunking import chunk
from graphmill.errors import SettingsError
from graphmill.ids import text_unit_id
from graphmill.models import Page, ParsedDocument, TextUnit
from graphmill.settings import ChunkSettings

DOCUMENT = UUID(int=7)
SMALL = ChunkSettings(size=50, overlap=10)
DEFAULT = ChunkSettings(size=1200, overlap=100)

TOKENS_OF_A_WORD = 3  # "w123."
SENTENCE = "The Board of Acme Corp. met in Paris on the first of May and spoke of the harvest. "


def chunked(text: str, settings: ChunkSettings = SMALL, *pages: Page) -> tuple[TextUnit, ...]:
    return chunk(DOCUMENT, ParsedDocument("txt", "t", text, pages), settings)


def test_short_text_is_one_text_unit_without_pages() -> None:
    (unit,) = chunked("A short text.")
    assert unit.text == "A short text."
    assert unit.id == text_unit_id(DOCUMENT, 0, "A short text.")
    assert (unit.position, unit.first_page, unit.last_page) == (0, None, None)
    assert unit.n_tokens == 4


def test_text_units_keep_within_size_and_overlap() -> None:
    units = chunked(SENTENCE * 40)
    assert len(units) > 10
    assert [unit.position for unit in units] == list(range(len(units)))
    assert all(unit.n_tokens <= SMALL.size for unit in units)
    words = [f"w{number}." for number in range(400)]
    text = " ".join(words)
    units = chunked(text)
    for before, after in pairwise(units):
        shared = [word for word in after.text.split() if word in before.text.split()]
        assert shared
        # Spaces between words aside, an overlap is counted as it stands.
        assert len(shared) * TOKENS_OF_A_WORD <= SMALL.overlap + TOKENS_OF_A_WORD


def test_no_overlap_loses_and_repeats_nothing() -> None:
    text = " ".join(f"w{number}." for number in range(30_000))  # several windows
    units = chunked(text, ChunkSettings(size=200, overlap=0))
    assert "".join(unit.text for unit in units).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("overlap", [50, 51])
def test_overlap_that_is_not_smaller_than_size_is_refused(overlap: int) -> None:
    with pytest.raises(SettingsError, match=r"chunk\.overlap"):
        chunked("text", ChunkSettings.model_construct(size=50, overlap=overlap))


def test_text_unit_names_the_pages_it_lies_on() -> None:
    first, second, third = SENTENCE * 5, SENTENCE * 5, "The end of it."
    text = f"{first}\n\n{second}\n\n{third}"
    at = len(first) + 2
    end = at + len(second)
    units = chunked(
        text, SMALL, Page(1, 0, len(first)), Page(2, at, end), Page(3, end + 2, len(text))
    )
    assert units[0].first_page == units[0].last_page == 1
    assert units[-1].last_page == 3
    pages = [(unit.first_page or 0, unit.last_page or 0) for unit in units]
    assert pages == sorted(pages)
    for unit, (low, high) in zip(units, pages, strict=True):
        assert 1 <= low <= high <= 3
        assert (high == 3) == ("The end of it." in unit.text)


def test_headings_begin_text_units_rather_than_end_them() -> None:
    section = "## Section\n\n" + SENTENCE * 2
    units = chunked("\n\n".join([section] * 8), ChunkSettings(size=60, overlap=0))
    assert len(units) == 8
    assert all(unit.text.startswith("## Section") for unit in units)


def test_text_without_words_makes_no_text_unit() -> None:
    assert chunked("") == chunked(" \n\n ") == chunked("--- *** ---") == ()


def test_equal_text_in_another_document_has_another_id() -> None:
    parsed = ParsedDocument("txt", "t", "Same text.")
    assert chunk(UUID(int=1), parsed, SMALL)[0].id != chunk(UUID(int=2), parsed, SMALL)[0].id


HOSTILE = {
    "one letter": "a",
    "Han without punctuation": "汉字",
    "dashes": "-",
    "zero width joiners": "a\u200d",
    "token bomb": "<|endoftext|>",
    "newlines": "\n",
    "spaced newlines": " \n",
    "angle brackets": "<",
    "quotations": "> ",
    "combining": "a\u0301",
    "table": "|",
}


@pytest.mark.parametrize("seed", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_takes_linear_time(seed: str) -> None:
    def seconds(characters: int) -> float:
        text = (seed * characters)[:characters]
        begin = time.process_time()
        units = chunked(text, DEFAULT)
        assert all(unit.n_tokens <= DEFAULT.size for unit in units)
        return time.process_time() - begin

    seconds(1000)
    once, four_times = seconds(50_000), seconds(200_000)
    # Quadratic would be 16; a fixed part keeps tiny times from deciding.
    assert four_times < 8 * (once + 0.05)
    assert four_times < 10


def test_a_megabyte_without_a_space_is_chunked() -> None:
    units = chunked("Ab1" * 333_333, DEFAULT)
    assert sum(len(unit.text) for unit in units) >= 999_999
    assert max(unit.n_tokens for unit in units) <= 1200


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=600))
def test_any_text_is_cut_into_stretches_of_itself(text: str) -> None:
    units = chunked(text)
    at = 0
    for unit in units:
        assert unit.text in text
        assert 0 < unit.n_tokens <= SMALL.size
        at = text.index(unit.text)
    assert at >= 0
    assert units == chunked(text)
