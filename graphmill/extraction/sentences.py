"""Sentences: spans of text in which two mentions are taken as related.

A heading, a list item and a row of a table are sentences of their own. What is longer than
MAX_SENTENCE is cut, so that a sentence can be quoted whole and the pairs within it stay few.
"""

import re

from graphmill.extraction.characters import LOWER

MAX_SENTENCE = 500

# A paragraph ends before an empty line, a heading, a list item, a quotation or a table row, and
# after a heading, a table row and a fence. A line that merely wraps goes on.
_PARAGRAPH_END = re.compile(
    r"\n(?=[ \t]*(?:\n|\#{1,6}[ \t]|\||>|```|[-*+•‣▪·][ \t]|\d{1,3}[.)][ \t]))"
    r"|(?<=\|)[ \t]*\n"
    r"|^(?=[ \t]{0,3}\#{1,6}[ \t])[^\n]{0,1000}\n",
    re.MULTILINE,
)
_SENTENCE_END = re.compile(
    rf"[.!?…]{{1,3}}[\"')»]{{0,2}}\s+(?![{LOWER}\s])|[。！？｡؟।॥۔።༎]{{1,3}}[\"'」』）]{{0,2}}"
)
_LAST_WORD = re.compile(r"[^\s(\"'|/]{1,14}$")
_INITIAL = re.compile(r"[^\W\d_]|(?:[^\W\d_]\.)+[^\W\d_]?")
_ABBREVIATIONS = frozenset(
    """
    mr mrs ms messrs dr prof rev hon st sr jr gen col lt capt cmdr adm sgt maj gov sen rep pres mt
    ft ave blvd rd no nos vol vols fig figs eq ed eds pp p art sec ch chap cf vs v al etc e.g i.e
    ca c approx dept univ inc ltd co corp bros assn est b d r fl op jan feb mar apr jun jul aug
    sep sept oct nov dec bzw usw z.b d.h u.a vgl nr str hr fr dipl ing evtl ggf inkl zzgl geb gest
    mme mlle mm av env éd sté sra srta dra ud uds núm pág avda ee.uu sig sigg dott avv ecc dhr
    mevr mw bijv enz bl.a f.eks osv kl t.ex m.fl tzw np tj ul prof inż mgr т.е т.д т.п г гг им ул
    стр рис
    """.split()
)
# Marks of headings, list items, quotations and table cells.
_EDGES = " \t\r\n|-–—•‣▪·+>#"


def sentences(text: str, masked: str) -> list[tuple[int, int]]:
    """Spans (start, end) of the sentences of a text, in order, without what surrounds them.

    `masked` is characters.mask(text). Linear in the text's length.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for end in _paragraph_ends(text):
        _split_paragraph(text, masked, start, end, spans)
        start = end
    _split_paragraph(text, masked, start, len(text), spans)
    return spans


def _paragraph_ends(text: str) -> list[int]:
    ends: list[int] = []
    for match in _PARAGRAPH_END.finditer(text):
        ends.append(match.start())
        ends.append(match.end())
    return ends


def _split_paragraph(
    text: str, masked: str, start: int, end: int, spans: list[tuple[int, int]]
) -> None:
    for match in _SENTENCE_END.finditer(masked, start, end):
        if masked[match.start()] == "." and _is_abbreviation(masked, start, match.start()):
            continue
        _add(text, masked, start, match.end(), spans)
        start = match.end()
    _add(text, masked, start, end, spans)


def _is_abbreviation(masked: str, start: int, stop: int) -> bool:
    """Whether the full stop at `stop` belongs to its word: "Dr.", "J.", "5." (German ordinals)."""
    last = _LAST_WORD.search(masked[max(start, stop - 14) : stop])
    if last is None:
        return False
    word = last.group()
    return (
        word.lower() in _ABBREVIATIONS
        or _INITIAL.fullmatch(word) is not None
        or (word.isdecimal() and len(word) <= 2)
    )


def _add(text: str, masked: str, start: int, end: int, spans: list[tuple[int, int]]) -> None:
    """Append the span, trimmed, in pieces of at most MAX_SENTENCE characters."""
    while end - start > MAX_SENTENCE:
        cut = _cut(masked, start)
        _add_piece(text, masked, start, cut, spans)
        start = cut
    _add_piece(text, masked, start, end, spans)


def _cut(masked: str, start: int) -> int:
    """After the last separator of the second half of the piece, or else at its full length."""
    low, high = start + MAX_SENTENCE // 2, start + MAX_SENTENCE
    for separator in ("|", ";", "；", ", ", "،", "，", "、", " ", "\n"):
        found = masked.rfind(separator, low, high)
        if found >= 0:
            return found + len(separator)
    return high


def _add_piece(text: str, masked: str, start: int, end: int, spans: list[tuple[int, int]]) -> None:
    if not masked[start:end].strip(_EDGES):
        return
    piece = text[start:end]
    stripped = piece.lstrip(_EDGES)
    start += len(piece) - len(stripped)
    spans.append((start, start + len(stripped.rstrip(_EDGES))))
