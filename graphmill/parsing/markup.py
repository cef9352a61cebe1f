"""Markdown as converters write it, less what says nothing to a reader of text units."""

import re

# Bounded and never across a line: linear on hostile input.
_EMPHASIS = re.compile(r"(?<![\w*\\])(\*{1,3})(?=[^\s*])([^*\n]{1,500}?)(?<![\s*\\])\1(?![\w*])")
_IMAGE = re.compile(r"!\[([^\[\]\n]{0,2000})\]\([^()\n]{0,2000}\)")
_LINK = re.compile(r"\[([^\[\]\n]{1,2000})\]\([^()\s]{0,2000}\)")
_ESCAPED = re.compile(r"\\([_*#~<>\[\]])")


def plain_inline(markdown: str) -> str:
    """Bold and italics, link targets and picture names off; headings, lists and tables stay.

    Names are found in sentences, and "**Estimator** Ellis Turner" is none to a reader of words.
    """
    text = markdown
    if "](" in text:
        text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", text))
    return _EMPHASIS.sub(r"\2", text) if "*" in text else text


def unescape(markdown: str) -> str:
    """Backslashes off that guard characters from being markup; those of pipes stay, for tables."""
    return _ESCAPED.sub(r"\1", markdown)
