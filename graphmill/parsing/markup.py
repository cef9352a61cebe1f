"""Markdown as converters write it, less what says nothing to a reader of text units."""

import re

# What is markup in a converter's output is its own: the document's stars and brackets come
# escaped, but for those in code. All of these are bounded or linear on hostile input.
_CODE = r"^ *```.*?^ *```|`[^`\n]+`"
_LITERAL = rf"{_CODE}|\\."
_BULLET_OR_RULE = r"^[ >]*(?:(?:\* ?){3,}$|\*(?= ))"
_LABEL = r"(?:[^\[\]\\\n]|\\[^\n])"

_FLAGS = re.MULTILINE | re.DOTALL
_IMAGE = re.compile(rf"({_LITERAL})|!\[({_LABEL}{{0,2000}})\]\([^()\n]{{0,2000}}\)", _FLAGS)
_LINK = re.compile(rf"({_LITERAL})|\[({_LABEL}{{1,2000}})\]\([^()\s]{{0,2000}}\)", _FLAGS)
_MARK = re.compile(rf"({_LITERAL}|{_BULLET_OR_RULE})|\*+|~~|</?su[bp]>", _FLAGS)
_BREAK = re.compile(rf"({_LITERAL})|<br ?/?>", _FLAGS)
_EMPHASIS = re.compile(
    rf"({_LITERAL})|(?<![\w*])(\*{{1,3}})(?=[^\s*])((?:[^*\\\n]|\\.|\n(?!\n)){{1,500}}?)(?<!\s)\2"
    r"(?![\w*])",
    _FLAGS,
)

_PIPES_IN_TEXT = re.compile(r"^(?![ >]*\|).*\\\|.*$", re.MULTILINE)
_ESCAPED = re.compile(rf"({_CODE})|\\([!-/:-@\[-`{{}}~])", _FLAGS)


def plain_inline(markdown: str) -> str:
    """Bold, italics and the like, link targets and line breaks in cells off; blocks stay.

    Names are found in sentences, and "**Estimator** Ellis Turner" is none to a reader of words. The
    text must be of a converter that escapes what only looks like markup.
    """
    text = markdown
    if "](" in text:
        text = _LINK.sub(r"\1\2", _IMAGE.sub(r"\1\2", text))
    if "<br" in text:
        text = _BREAK.sub(lambda found: found[1] or " ", text)
    return _MARK.sub(r"\1", text)


def plain_emphasis(markdown: str) -> str:
    """Bold and italics off, for a converter that does not escape every star of the document."""
    return _EMPHASIS.sub(r"\1\3", markdown) if "*" in markdown else markdown


def unescape(markdown: str) -> str:
    """Backslashes off that guard characters from being markup; of pipes only outside of tables."""
    text = _PIPES_IN_TEXT.sub(lambda line: line[0].replace("\\|", "|"), markdown)
    return _ESCAPED.sub(r"\1\2", text)
