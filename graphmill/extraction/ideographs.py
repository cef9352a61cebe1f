"""Terms of Chinese, Japanese and Korean, whose scripts have no case and mostly no spaces.

Runs of Katakana are names and loanwords. Runs of Han characters are cut at stopwords; of what is left
the recurring stretches that no longer recurring stretch explains are terms. Korean words are cut of
their particles. All must recur or be marked: by an institution's ending, a middle dot, book quotes.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

from graphmill.extraction.characters import CJK, HAN, HANGUL, KATAKANA, to_title
from graphmill.extraction.entity_types import UNKNOWN, type_by_words
from graphmill.extraction.languages import language

MIN_SENTENCES = 2
_MIN_LENGTH = 2
_MAX_LENGTH = 8

_ANY = re.compile(f"[{CJK}]")
_KANA = re.compile("[\u3041-\u30ff]")
_HAN_RUN = re.compile(f"[{HAN}]+")
_KATAKANA_RUN = re.compile(f"[{KATAKANA}]{{2,20}}(?:[・·=＝][{KATAKANA}]{{1,20}}){{0,4}}")
_HANGUL_WORD = re.compile(f"[{HANGUL}]+")
_MARKED = re.compile(f"[《『〈]([^《》『』〈〉\n]{{2,40}})[》』〉]|([{HAN}]{{1,8}}(?:·[{HAN}]{{1,8}}){{1,4}})")
_KOREAN_PARTICLES = re.compile(
    "(?:에서는|에서도|에게서|으로서|으로써|이라는|에서|에게|으로|까지|부터|이다|하고|이며|라는|처럼|보다|들은|들이"
    "|들을|들의|은|는|이|가|을|를|의|에|와|과|도|만|로)$"
)
# Characters that end a Chinese clause's nouns whether or not the stopword list has them.
_CHINESE_CUTS = "的了在是和与與及为為以也都而且或被把从從到对對于於就将將由这這那其之并並有个個们們不很会會能可上下中"
_JAPANESE_CUTS = "年月日時分等第"


def has_cjk(masked: str) -> bool:
    return _ANY.search(masked) is not None


def find_terms(masked: str, spans: Sequence[tuple[int, int]]) -> list[tuple[str, int]]:
    """(title, sentence) of every mention of a term, sentence by sentence."""
    japanese = _KANA.search(masked) is not None
    sentences_of: dict[str, list[int]] = {}
    marked: set[str] = set()
    han_pieces: list[tuple[str, int]] = []
    cuts = _cuts(japanese)
    for index, (start, end) in enumerate(spans):
        for match in _MARKED.finditer(masked, start, end):
            term = match.group(1) or match.group(2)
            marked.add(term)
            _note(sentences_of, term, index)
        for match in _KATAKANA_RUN.finditer(masked, start, end):
            term = match.group()
            if len(term) > 2:
                marked.add(term)
            _note(sentences_of, term, index)
        for match in _HANGUL_WORD.finditer(masked, start, end):
            term = _KOREAN_PARTICLES.sub("", match.group())
            if _MIN_LENGTH <= len(term) <= _MAX_LENGTH and term not in _korean_stopwords():
                _note(sentences_of, term, index)
        for match in _HAN_RUN.finditer(masked, start, end):
            for piece in cuts.split(match.group()):
                if len(piece) >= _MIN_LENGTH:
                    han_pieces.append((piece, index))
                    if len(piece) <= _MAX_LENGTH and type_by_words(piece) != UNKNOWN:
                        marked.add(piece)
    recurring = {piece for piece, _ in han_pieces if len(piece) <= _MAX_LENGTH}
    if not japanese:
        recurring = _recurring_stretches([piece for piece, _ in han_pieces])
    for piece, index in han_pieces:
        if japanese or piece in marked:
            if piece in recurring or piece in marked:
                _note(sentences_of, piece, index)
        if not japanese:
            for length in range(_MIN_LENGTH, min(_MAX_LENGTH, len(piece)) + 1):
                for at in range(len(piece) - length + 1):
                    stretch = piece[at : at + length]
                    if stretch in recurring:
                        _note(sentences_of, stretch, index)
    mentions = [
        (index, term)
        for term, indexes in sentences_of.items()
        if len(indexes) >= MIN_SENTENCES or term in marked
        for index in indexes
    ]
    return [(to_title(term), index) for index, term in sorted(mentions)]


def _note(sentences_of: dict[str, list[int]], term: str, index: int) -> None:
    seen = sentences_of.setdefault(term, [])
    if not seen or seen[-1] < index:
        seen.append(index)
    elif index not in seen[-8:]:
        seen.append(index)


def _recurring_stretches(pieces: Sequence[str]) -> set[str]:
    """Stretches of 2 to 8 characters that recur more often than any longer stretch around them."""
    counts: Counter[str] = Counter()
    for piece in pieces:
        for length in range(_MIN_LENGTH, min(_MAX_LENGTH, len(piece)) + 1):
            counts.update(piece[at : at + length] for at in range(len(piece) - length + 1))
    recurring = {stretch for stretch, count in counts.items() if count >= MIN_SENTENCES}
    explained: set[str] = set()
    for stretch in recurring:
        if len(stretch) > _MIN_LENGTH:
            for part in (stretch[1:], stretch[:-1]):
                if counts[part] == counts[stretch]:
                    explained.add(part)
    return recurring - explained


@cache
def _cuts(japanese: bool) -> re.Pattern[str]:
    """What parts nouns in a run of Han characters: stopwords, longest first."""
    words = {w for w in language("ja" if japanese else "zh").stopwords if _HAN_RUN.fullmatch(w)}
    words |= set(_JAPANESE_CUTS if japanese else _CHINESE_CUTS)
    return re.compile("|".join(sorted(words, key=lambda word: (-len(word), word))))


@cache
def _korean_stopwords() -> frozenset[str]:
    return language("ko").stopwords
