"""HTML to markdown: headings, lists and tables are kept, link targets and pictures are not."""

import html
import re

from graphmill.parsing.decoding import decode
from graphmill.parsing.markup import plain_inline
from graphmill.parsing.tables import repeat_headers
from graphmill.parsing.text import Content
from graphmill.settings import LimitSettings

# None of these crosses a "<", so that each is linear on any input.
_ANCHOR = re.compile(r"<a\s(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*>", re.IGNORECASE)
_TITLE = re.compile(r"<title[^<>]{0,1000}>([^<]{1,2000})</title", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*>|<![^<>]*>")
_UNREADABLE = frozenset(("script", "style", "template", "noscript", "svg", "title"))
_INLINE = re.compile(
    "a|abbr|b|bd[io]|cite|code|dfn|em|font|i|kbd|mark|q|s|samp|small|span|strong|su[bp]|time|u|var"
)


def read(data: bytes, limits: LimitSettings, careful: bool) -> Content:
    """Raises: InvalidDocument (not text; too-large)."""
    source = decode(data, "html", limits.document_characters)
    title = _TITLE.search(source, 0, 100_000)
    text = _without_tags(source) if careful else _markdown(source)
    return Content((text,), title=html.unescape(title[1]) if title else "")


def _markdown(source: str) -> str:
    from html_to_markdown import ConversionOptions, convert

    # Targets of links are noise in a text unit; an anchor without one becomes its text.
    result = convert(
        _ANCHOR.sub("<a>", source),
        ConversionOptions(
            autolinks=False, compact_tables=True, extract_metadata=False, skip_images=True
        ),
    )
    text = result.content or ""
    if result.warnings:  # nested deeper than it goes: what is below is missing, often everything
        return _without_tags(source)
    return repeat_headers(plain_inline(text))


def _without_tags(source: str) -> str:
    """The text between tags, in one pass and without a tree, however deep they are nested."""
    parts: list[str] = []
    position = 0
    skipped = ""  # the name of the unreadable element we are in
    for tag in _TAG.finditer(source):
        if not skipped:
            parts.append(html.unescape(source[position : tag.start()]))
        position = tag.end()
        name = (tag[2] or "").lower()
        if skipped:
            skipped = "" if tag[1] and name == skipped else skipped
        elif name in _UNREADABLE and not tag[1]:
            skipped = name
        elif not _INLINE.fullmatch(name):
            parts.append("\n")
    if not skipped:
        parts.append(html.unescape(source[position:]))
    return "\n".join(line.strip() for line in "".join(parts).split("\n") if line.strip())
