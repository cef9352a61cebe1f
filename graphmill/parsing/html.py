"""HTML to markdown: headings, lists, tables and the words for pictures; no targets of links."""

import html
import re

from graphmill.parsing.decoding import decode
from graphmill.parsing.markup import plain_inline, unescape
from graphmill.parsing.tables import repeat_headers
from graphmill.parsing.text import Content
from graphmill.settings import LimitSettings

# None of these crosses a "<", so that each is linear on any input.
_ANCHOR = re.compile(r"<a\s(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*>", re.IGNORECASE)
_PICTURE = re.compile(r"<img\s((?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*)>", re.IGNORECASE)
_ALT = re.compile(r"(?<!\S)alt\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'/]+))", re.IGNORECASE)
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
    source = _PICTURE.sub(_words_for_picture, source)
    text = _without_tags(source) if careful else _markdown(source)
    return Content((text,), title=html.unescape(title[1]) if title else "")


def _words_for_picture(picture: re.Match[str]) -> str:
    """Still in HTML; the picture's address, which may be the whole picture, is gone."""
    alt = _ALT.search(picture[1])
    return f" {alt[1] or alt[2] or alt[3] or ''} " if alt else " "


def _markdown(source: str) -> str:
    from html_to_markdown import ConversionOptions, PreprocessingOptions, convert

    # Targets of links are noise in a text unit; an anchor without one becomes its text.
    result = convert(
        _ANCHOR.sub("<a>", source).replace("</a><a>", "</a> <a>"),  # side by side in menus
        ConversionOptions(
            autolinks=False,
            bullets="-",
            compact_tables=True,
            escape_asterisks=True,
            escape_misc=True,
            extract_metadata=False,
            highlight_style="none",
            # What it takes for navigation and forms may be the head of an article, or all of it.
            preprocessing=PreprocessingOptions(remove_navigation=False, remove_forms=False),
            skip_images=True,
        ),
    )
    text = result.content or ""
    if result.warnings:  # nested deeper than it goes: what is below is missing, often everything
        return _without_tags(source)
    return unescape(repeat_headers(plain_inline(text)))


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
