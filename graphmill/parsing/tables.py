"""Markdown tables, the header given again every so often.

A row far down in a long table means nothing without its header. "column: value" lines would say it
in every row, at twice the tokens and with the cells no longer side by side; so a long table becomes
several of about PIECE characters, a blank line between, each with the header. The chunker likes
best to cut at blank lines, and a chunk (1,200 tokens) holds several pieces: each row has its header
in its own chunk.
"""

from collections.abc import Iterable, Sequence

PIECE = 1500


def table(rows: Iterable[Sequence[str]]) -> str:
    """Rows to markdown, the first being the header; shorter rows are filled up."""
    kept = [[_cell(value) for value in row] for row in rows]
    width = max(map(len, kept), default=0)
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in kept]
    if not lines:
        return ""
    rule = "|" + " --- |" * width
    return "\n".join(_pieces(lines[0], rule, lines[1:]))


def repeat_headers(markdown: str) -> str:
    """Cut the long tables of a markdown text into pieces with the header each."""
    lines = markdown.split("\n")
    written: list[str] = []
    index = 0
    while index < len(lines):
        end = index
        while end < len(lines) and lines[end].startswith("|"):
            end += 1
        block = lines[index:end]
        if len(block) > 3 and _is_rule(block[1]) and sum(map(len, block)) > PIECE:
            written.extend(_pieces(block[0], block[1], block[2:]))
        else:
            written.extend(block)
        if end < len(lines):
            written.append(lines[end])
        index = end + 1
    return "\n".join(written)


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
