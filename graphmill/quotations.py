"""A fragment of a document becomes one line that can stand in a report.

Documents are hostile and their text carries markup: a quotation must not open a heading, a table or
a tag of its own, load a picture, or pass for one of the report's references.
"""

import re

MAX_CHARACTERS = 500
MAX_WORDS = 100

# Line ends and other control characters; directions that turn the text after them; lone surrogates.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_REFERENCE = re.compile(r"\[\s*(data\s*:[^\[\]]*)\]?", re.IGNORECASE)
_BLOCK_MARK = re.compile(r"(?:[#>*+=~•‣▪·-]+(?:\s+|$))+")
_RULE = re.compile(r"[\s:|=_*~-]+")
_CELL_END = re.compile(r"(?<!\\)\|")
_EMPHASIS = re.compile(r"\*\*|__|`+")
_TAG = re.compile(r"\\*<(?=[A-Za-z/!?])")


def quote(text: str) -> str:
    """One line of at most 500 characters and 100 words; "" if only markup was there.

    Links and pictures become their words, a table row its cells ("a; b; c"), marks of headings,
    lists and emphasis go, and what looks like a tag or a reference is written so that it is none.
    """
    line = _INVISIBLE.sub("", _CONTROLS.sub(" ", text)).strip()
    if "[" in line:  # most lines have none, and replacing costs even where nothing matches
        line = _LINK.sub(r"\1", line)
    if _RULE.fullmatch(line):
        return ""
    if line.startswith("|") or line.endswith("|") or " | " in line:
        cells = (cell.strip() for cell in _CELL_END.split(line))
        line = "; ".join(cell for cell in cells if cell and not _RULE.fullmatch(cell))
    line = _EMPHASIS.sub("", line)
    if mark := _BLOCK_MARK.match(line):
        line = line[mark.end() :]
    # After emphasis, which may stand between the two; and though nothing is opened here, since a
    # fragment before this one in the report may do so.
    line = line.replace("](", "] (")
    if "[" in line:
        line = _REFERENCE.sub(r"(\1)", line)
    if "<" in line:
        line = _TAG.sub(r"\\<", line)
    return clip(line, MAX_CHARACTERS, MAX_WORDS)


def clip(text: str, characters: int, words: int) -> str:
    """Text with single spaces, at most so long; what is cut ends with "…"."""
    parts = text.split()
    line = " ".join(parts[:words])
    if len(parts) <= words and len(line) <= characters:
        return line
    line = line[: characters - 1]
    if len(line) == characters - 1 and " " in line[-40:]:
        line = line[: line.rindex(" ")]
    return line.rstrip(" ,;:-\u2013\u2014") + "…"
