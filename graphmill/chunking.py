"""Chunking: a document's text becomes text units of bounded size that overlap, cut where text
breaks.

Boundaries are those of semantic-text-splitter's MarkdownSplitter: headings first, then blocks,
sentences, words and, where nothing else is left, characters. Tokens are those of o200k_base.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cache
from uuid import UUID

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from graphmill.errors import SettingsError
from graphmill.ids import text_unit_id
from graphmill.models import Page, ParsedDocument, TextUnit
from graphmill.settings import ChunkSettings
from graphmill.tokens import count_tokens

# Part of what stored text units were made by: raise it when the same text may be cut otherwise.
CHUNKER_VERSION = "1"

# o200k_base is the encoding of this model.
_MODEL = "gpt-4o"

# The splitter takes time quadratic in the longest run without a break (a megabyte of Chinese
# without punctuation, of random letters), and minutes for a megabyte of dashes. It sees at most
# this many characters at a time, which makes a document's time linear and bounds a text unit's
# characters.
_MIN_WINDOW = 40_000
_WINDOW_PER_TOKEN = 8

# A thousand empty lines take it 0.1 s, eight thousand 11 s: they are cut out before.
_BLANKS = re.compile(r"(?<!\s)\s{100,}|\A\s{100,}")
# Nor does it see text that is more markup than words ("<" 20,000 times: 3 s; lists 300 deep: 5
# s): that goes to the library's splitter of plain text, which such text costs little.
_MARKUP = "<>[](){}*_`~#|-+\\!&$=^:\"'.\n"
_INDENTATION = " " * 8
_MAX_MARKUP = 0.5

_WORD = re.compile(r"\w")


def chunk(
    document_id: UUID, parsed: ParsedDocument, settings: ChunkSettings
) -> tuple[TextUnit, ...]:
    """Text units of at most settings.size tokens, each beginning with up to settings.overlap
    tokens of the one before; positions count from 0. Text units without a word are left out.

    Raises:
        SettingsError: the overlap is not smaller than the size.
    """
    if settings.overlap >= settings.size:
        raise SettingsError(
            f"chunk.overlap is {settings.overlap}; it must be smaller than chunk.size, which is"
            f" {settings.size}"
        )
    starts = [page.start for page in parsed.pages]
    units: list[TextUnit] = []
    for start, text in _split(parsed.text, settings):
        if not _WORD.search(text):
            continue
        first_page, last_page = _pages(parsed.pages, starts, start, start + len(text))
        position = len(units)
        units.append(
            TextUnit(
                id=text_unit_id(document_id, position, text),
                document_id=document_id,
                position=position,
                text=text,
                n_tokens=count_tokens(text),
                first_page=first_page,
                last_page=last_page,
            )
        )
    return tuple(units)


def warm_up(settings: ChunkSettings) -> None:
    """Load the tokenizers (0.4 s), so that the first document of a process does not wait for
    them."""
    _markdown_splitter(settings.size, settings.overlap)
    count_tokens("warm")


@cache
def _markdown_splitter(size: int, overlap: int) -> MarkdownSplitter:
    return MarkdownSplitter.from_tiktoken_model(_MODEL, size, overlap)


@cache
def _text_splitter(size: int, overlap: int) -> TextSplitter:
    return TextSplitter.from_tiktoken_model(_MODEL, size, overlap)


def _split(text: str, settings: ChunkSettings) -> Iterator[tuple[int, str]]:
    """(offset, text) of chunks, in order."""
    start = 0
    for blanks in _BLANKS.finditer(text):
        yield from _split_windows(text, start, blanks.start(), settings)
        start = blanks.end()
    yield from _split_windows(text, start, len(text), settings)


def _split_windows(
    text: str, start: int, end: int, settings: ChunkSettings
) -> Iterator[tuple[int, str]]:
    """The last chunk of a window is cut short by the window's end, so the next window begins where
    it began and makes it again."""
    size = max(_MIN_WINDOW, settings.size * _WINDOW_PER_TOKEN)
    while start < end:
        window = text[start : min(start + size, end)]
        chunks = _splitter(window, settings).chunk_indices(window)
        next_start = start + len(window)
        if next_start < end and len(chunks) > 1:
            next_start = start + chunks.pop()[0]
        for offset, chunk_text in chunks:
            yield start + offset, chunk_text
        start = next_start


def _splitter(window: str, settings: ChunkSettings) -> MarkdownSplitter | TextSplitter:
    markup = sum(map(window.count, _MARKUP)) + 8 * window.count(_INDENTATION)
    if markup > len(window) * _MAX_MARKUP:
        return _text_splitter(settings.size, settings.overlap)
    return _markdown_splitter(settings.size, settings.overlap)


def _pages(
    pages: tuple[Page, ...], starts: list[int], start: int, end: int
) -> tuple[int | None, int | None]:
    """The numbers of the first and last page that text[start:end] lies on."""
    if not pages:
        return None, None
    first = max(0, bisect_right(starts, start) - 1)
    if pages[first].end <= start and first + 1 < len(pages):
        first += 1  # it begins in the gap between two pages
    last = max(first, bisect_left(starts, end) - 1)
    return pages[first].number, pages[last].number
