"""Terms of Chinese, Japanese and Korean, whose scripts have no case and mostly no spaces.

Runs of Katakana are names and loanwords. Runs of Han characters are cut at stopwords; of what is
left the recurring stretches that no longer recurring stretch explains are terms. Korean words are
cut of their particles. All must recur or be marked: by an institution's ending, a middle dot, book
quotes.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

from graphmill.extraction.characters import CJK, HAN, HANGUL, KATAKANA, to_title
from graphmill.extraction.entity_types import ORGANIZATION, type_by_words
from graphmill.extraction.languages import language

MIN_SENTENCES = 2
# Chinese puts several clauses into a sentence, divided by commas.
MIN_MENTIONS = 2
_MIN_LENGTH = 2
_MAX_LENGTH = 8
_MAX_JAPANESE_LENGTH = 16

_ANY = re.compile(f"[{CJK}]")
_KANA = re.compile("[\u3041-\u30ff]")
_HAN_RUN = re.compile(f"[{HAN}]+")
_JAPANESE_RUN = re.compile(f"[{HAN}{KATAKANA}]+")
_KATAKANA_RUN = re.compile(f"[{KATAKANA}]{{2,20}}(?:[・·=＝][{KATAKANA}]{{1,20}}){{0,4}}")
_HANGUL_WORD = re.compile(f"[{HANGUL}]+")
# Characters that no term begins or ends with. Single characters of the stopword lists are not used:
# they cut 大学 and 中国 in two.
_CHINESE_CUTS = (
    "的了在是和与與及为為以也都而且或被把从從到对對于於就将將由这這那其之并並个個们們很不"
)
_NOT_CUTS = frozenset(("巴巴",))  # 阿里巴巴
_JAPANESE_CUTS = "年月日時分等"
_JAPANESE_SUFFIXES = re.compile("(?:教授|先生|社長|博士|首相|大統領|選手|監督|氏|様)$")

_NAME_PART = f"(?:(?![{_CHINESE_CUTS}])[{HAN}]){{1,8}}"
_MARKED = re.compile(
    f"[《『〈]([^《》『』〈〉\n]{{2,40}})[》』〉]|({_NAME_PART}(?:·{_NAME_PART}){{1,4}})"
)
_KOREAN_PARTICLES = re.compile(
    "(?:에서는|에서도|에게서|으로서|으로써|이라는|에서|에게|으로|까지|부터|이다|하고|이며|라는|처럼|보다|들은|들이"
    "|들을|들의|은|는|이|가|을|를|의|에|와|과|도|만|로)$"
)


def has_cjk(masked: str) -> bool:
    return _ANY.search(masked) is not None


def find_terms(masked: str, spans: Sequence[tuple[int, int]]) -> list[tuple[str, int]]:
    """(title, sentence) of every mention of a term, sentence by sentence."""
    japanese = _KANA.search(masked) is not None
    sentences_of: dict[str, set[int]] = {}
    marked: set[str] = set()
    pieces: list[tuple[str, int]] = []
    cuts = _cuts(japanese)
    for index, (start, end) in enumerate(spans):
        for match in _MARKED.finditer(masked, start, end):
            term = match.group(1) or match.group(2)
            marked.add(term)
            sentences_of.setdefault(term, set()).add(index)
        for match in _KATAKANA_RUN.finditer(masked, start, end):
            if len(match.group()) > _MIN_LENGTH:
                marked.add(match.group())
            sentences_of.setdefault(match.group(), set()).add(index)
        for match in _HANGUL_WORD.finditer(masked, start, end):
            term = _KOREAN_PARTICLES.sub("", match.group())
            if _MIN_LENGTH <= len(term) <= _MAX_LENGTH and term not in _korean_stopwords():
                sentences_of.setdefault(term, set()).add(index)
                if type_by_words(term) == ORGANIZATION:
                    marked.add(term)
        for match in (_JAPANESE_RUN if japanese else _HAN_RUN).finditer(masked, start, end):
            for piece in cuts.split(match.group()):
                piece = _JAPANESE_SUFFIXES.sub("", piece) if japanese else piece
                if len(piece) >= _MIN_LENGTH:
                    pieces.append((piece, index))
    # Japanese writes what stands between nouns in Hiragana, so that a piece is a noun; a piece of
    # Chinese is a clause with the terms somewhere in it.
    recurring = None if japanese else _recurring_stretches([piece for piece, _ in pieces])
    for piece, index in pieces:
        if len(piece) <= (_MAX_JAPANESE_LENGTH if japanese else _MAX_LENGTH):
            sentences_of.setdefault(piece, set()).add(index)
            if type_by_words(piece) == ORGANIZATION:
                marked.add(piece)
        for stretch in _stretches(piece) if recurring else ():
            if recurring and stretch in recurring:
                sentences_of.setdefault(stretch, set()).add(index)
    mentions = [
        (index, term)
        for term, indexes in sentences_of.items()
        if term in marked
        or (recurring is not None and term in recurring)
        or (len(indexes) >= MIN_SENTENCES and (japanese or not _HAN_RUN.fullmatch(term)))
        for index in indexes
    ]
    return [(to_title(term), index) for index, term in sorted(mentions)]


def _stretches(piece: str) -> Iterator[str]:
    for length in range(_MIN_LENGTH, min(_MAX_LENGTH, len(piece)) + 1):
        for at in range(len(piece) - length + 1):
            yield piece[at : at + length]


def _recurring_stretches(pieces: Sequence[str]) -> set[str]:
    """Stretches of 2 to 8 characters that recur more often than any longer stretch around them."""
    counts = Counter(stretch for piece in pieces for stretch in _stretches(piece))
    recurring = {stretch for stretch, count in counts.items() if count >= MIN_MENTIONS}
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
    words = {
        w
        for w in language("ja" if japanese else "zh").stopwords
        if len(w) > 1 and w not in _NOT_CUTS and _HAN_RUN.fullmatch(w)
    }
    words |= set(_JAPANESE_CUTS if japanese else _CHINESE_CUTS)
    return re.compile("|".join(sorted(words, key=lambda word: (-len(word), word))))


@cache
def _korean_stopwords() -> frozenset[str]:
    return language("ko").stopwords
