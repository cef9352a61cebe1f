"""Markdown tables, the header given again every so often.

A row far down in a long table means nothing without its header. "column: value" lines would say it
in every row, at twice the tokens and with the cells no longer side by side; so a long table becomes
several of about PIECE characters, a blank line between, each with the header. The chunker likes
best to cut at blank lines, and a chunk (1,200 tokens) holds several pieces: each row has its header
in its own chunk.
"""

import re
from collections.abc import Iterable, Sequence

PIECE = 1500

_PIPE = re.compile(r"(?<!\\)\|")


def table(rows: Iterable[Sequence[str]]) -> str:
    """Rows to markdown, the first being the header; shorter rows are filled up."""
    kept = [[_cell(value) for value in row] for row in rows]
    width = max(map(len, kept), default=0)
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in kept]
    if not lines:
        return ""
    rule = "|" + " --- |" * width
    return "\n".join(_pieces(lines[0], rule, lines[1:]))


def repeat_headers(markdown: str, trim: bool = False) -> str:
    """Cut the long tables of a markdown text into pieces with the header each.

    trim: leave out rows and columns without a word first; sheets have them by the thousand, where
    a cell far off was once formatted.
    """
    lines = markdown.split("\n")
    written: list[str] = []
    index = 0
    while index < len(lines):
        end = index
        while end < len(lines) and lines[end].startswith("|"):
            end += 1
        block = lines[index:end]
        if trim and len(block) > 1 and _is_rule(block[1]):
            block = _trimmed(block)
        if len(block) > 3 and _is_rule(block[1]) and sum(map(len, block)) > PIECE:
            written.extend(_pieces(block[0], block[1], block[2:]))
        else:
            written.extend(block)
        if end < len(lines):
            written.append(lines[end])
        index = end + 1
    return "\n".join(written)


def without_empty_columns(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    used = _used_columns(rows)
    return [_kept(row, used) for row in rows]


def _trimmed(block: Sequence[str]) -> list[str]:
    """What is left of a table's lines; its first row that is not empty becomes the header."""
    lines = [line for line in (block[0], *block[2:]) if line.strip("| ")]
    if not lines:
        return []
    # Split twice rather than kept: cells of a wide sheet are many times the size of its lines.
    used = _used_columns(map(_cells, lines))
    if not all(used):
        lines = ["|" + "|".join(_kept(_cells(line), used)) + "|" for line in lines]
    return [lines[0], "|" + " --- |" * sum(used), *lines[1:]]


def _cells(line: str) -> list[str]:
    inner = line.removeprefix("|").removesuffix("|")
    return _PIPE.split(inner) if "\\" in inner else inner.split("|")


def _used_columns(rows: Iterable[Sequence[str]]) -> list[bool]:
    used: list[bool] = []
    for row in rows:
        used.extend([False] * (len(row) - len(used)))
        for column, value in enumerate(row):
            if not used[column] and value and not value.isspace():
                used[column] = True
    return used


def _kept(row: Sequence[str], used: Sequence[bool]) -> list[str]:
    return [value for value, wanted in zip(row, used, strict=False) if wanted]


def _pieces(header: str, rule: str, rows: Sequence[str]) -> Iterable[str]:
    yield header
    yield rule
    # A header as long as a piece would double the text; then the pieces grow with it.
    size, limit = 0, max(PIECE, 4 * len(header))
    for row in rows:
        if size and size + len(row) > limit:
            yield ""
            yield header
            yield rule
            size = 0
        yield row
        size += len(row)


def _is_rule(line: str) -> bool:
    return "---" in line and not line.strip("|-: ")


def _cell(value: str) -> str:
    return " ".join(value.split()).replace("|", "\\|")
