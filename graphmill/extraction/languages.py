"""Which language a text unit is in, told by its function words, and what they are.

Stopword lists are those of stopwordsiso. Its English list goes far beyond function words (world,
state, system, microsoft), so names in English are trimmed by a closed list of our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from stopwordsiso import stopwords  # pyright: ignore[reportMissingTypeStubs]

DEFAULT = "en"
UNKNOWN = ""
# Lists that are long and clean enough to tell a language by; Chinese, Japanese and Korean are told
# by their script.
# In the order in which they win ties.
_ALPHABETIC = (
    "en es fr de pt it ru nl pl tr sv da no fi cs hu ro uk el bg hr sk sl lt lv ca id vi"
    " ar fa hi he ur bn mr th"
).split()

# A name neither begins with one of these (where a sentence or a heading does) nor ends with one.
_ENGLISH_FUNCTION_WORDS = frozenset(
    """
    a about above according across actually additionally after afterwards again against albeit all
    almost along alongside already also alternatively although altogether always am amid among
    amongst an and another any anybody anyone anything anyway apart are around as aside at away be
    because become been before behind being below beneath beside besides between beyond both but
    by can cannot certain certainly clearly consequently considering contrary conversely could
    currently despite did do does doing due during each either else elsewhere especially even
    eventually ever every everybody everyone everything except few finally first firstly following
    for formerly fortunately from further furthermore generally given had half has have having he
    hence her here hers herself him himself his hitherto how however i if important in including
    indeed initially inside instead into is it its itself just last lastly lately later latter
    least less let like likewise many maybe me meanwhile mine more moreover most mostly much must
    my myself namely near nearly neither never nevertheless next no nobody none nonetheless nor
    not nothing notwithstanding now nowadays occasionally of off often on once one only onto or
    originally other others otherwise our ours ourselves out outside over overall own particularly
    per perhaps please possibly presumably previously primarily prior probably quite rather really
    recently regarding regardless respectively same second secondly several shall she should
    similarly since so some somebody someone something sometimes somewhat soon specifically still
    subsequently such suddenly than thanks that the their theirs them themselves then there
    thereafter thereby therefore these they third this those though through throughout thus till
    to today together tomorrow too toward towards typically ultimately under underneath
    unfortunately unless unlike until up upon us usually various very via was we well were what
    whatever when whenever where whereas whereby wherever whether which whichever while who
    whoever whom whose why will with within without would yes yesterday yet you your yours
    yourself
    """.split()
)
# In the English list, but parts of terms and names like any other noun.
_ENGLISH_NOUNS = frozenset(
    """
    bill computer computers fire group groups home information information invention mill member
    members microsoft netscape novel number numbers problem problems research ring room rooms
    section sections state states system systems text web website webpage world novel page pages
    interest interests order orders area areas value values work works
    """.split()
)

# Capitalised, but no names: of the languages that capitalise days and months.
CALENDAR = frozenset(
    """
    monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays
    fridays saturdays sundays mon tue tues wed thu thurs fri sat sun january february march april
    may june july august september october november december jan feb mar apr jun jul aug sep sept
    oct nov dec montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag januar
    februar märz mai juni juli oktober dezember jänner am pm bc ad bce ce
    """.split()
)


@dataclass(frozen=True, slots=True)
class Language:
    """`stopwords` split phrases and are no entity alone; `function_words` are trimmed off names."""

    code: str
    stopwords: frozenset[str]
    function_words: frozenset[str]


def detect_language(counts: Mapping[str, int]) -> Language:
    """The language most of whose stopwords are met, by the counts of a text's lower-case words."""
    scores: dict[str, int] = {}
    index = _languages_by_stopword()
    for word, count in counts.items():
        for code in index.get(word, ()):
            scores[code] = scores.get(code, 0) + count
    if not scores:
        # A list of names, or a script that writes without spaces.
        return replace(language(DEFAULT), code=UNKNOWN)
    return language(max(_ALPHABETIC, key=lambda code: scores.get(code, 0)))


@cache
def language(code: str) -> Language:
    words = frozenset(word.lower() for word in stopwords(code))
    if code == "en":
        words = (words - _ENGLISH_NOUNS) | _ENGLISH_FUNCTION_WORDS
        return Language(code, words, _ENGLISH_FUNCTION_WORDS)
    return Language(code, words, words)


@cache
def _languages_by_stopword() -> dict[str, tuple[str, ...]]:
    index: dict[str, list[str]] = {}
    for code in _ALPHABETIC:
        # The English list has the code of every country in it.
        words = _ENGLISH_FUNCTION_WORDS if code == "en" else language(code).stopwords
        # Single letters say nothing; nor do nouns, but they are rare enough.
        for word in words:
            if len(word) > 1:
                index.setdefault(word, []).append(code)
    return {word: tuple(codes) for word, codes in index.items()}
