"""Which one-byte encoding a text is in, by how well its letters and marks stand in each reading.

Statistics of bytes need long texts. That no capital stands within a word, no sign between letters,
no Cyrillic letter beside a Latin one, and that all letters are those of one language, shows in a
line.
"""

from collections import Counter
from dataclasses import dataclass

_SURE = 0.8
_FEWEST = 4  # letters of another script: "åäö" alone would be a Russian word as well
_MOST_TRIPLES = 2000  # of a text of 64 kB in an alphabet of its own, nearly all


@dataclass(frozen=True, slots=True)
class _Alphabet:
    """The letters beyond ASCII of a language or script: the usual ones and what else may occur."""

    usual: frozenset[str]
    rare: frozenset[str]
    latin: bool

    def weight(self, letter: str) -> float:
        if letter in self.usual:
            return 1.0
        return 0.6 if letter in self.rare else -0.5


def _latin(rare: str, *languages: str) -> tuple[_Alphabet, ...]:
    return tuple(_Alphabet(frozenset(usual), frozenset(rare), True) for usual in languages)


def _script(usual: str, rare: str) -> tuple[_Alphabet, ...]:
    return (_Alphabet(frozenset(usual), frozenset(rare), False),)


_WESTERN = _latin(
    "àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿœßšž",
    "àâæçéèêëîïôùûüÿœ",  # French
    "äöüßé",
    "áéíñóúüçàèòï",  # Spanish, Catalan
    "àáâãçéêíóôõú",  # Portuguese
    "àèéìíîòóùú",
    "åäöæøé",  # Nordic
    "áéíóúýðþæö",  # Icelandic
)
_CENTRAL = _latin(
    "áâăäąçćčďđéęëěíîĺľłńňóôőöŕřśşšßťţúůűüýźżž",
    "ąćęłńóśźż",  # Polish
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíĺľňóôŕšťúýž",  # Slovak
    "áéíóöőúüű",  # Hungarian
    "ăâîşţ",  # Romanian
    "čćđšž",  # Slovene, Croatian
)
_TURKISH = _latin("âîû", "çğıiöşü")  # i: what the capital with a dot begins with in lower case
_BALTIC = _latin("äöõü", "ąčęėįšųūž", "āčēģīķļņšūž")
_CYRILLIC = _script("оеаинтсрвлкмдпуі", "бгжзйфхцчшщъыьэюяёїєґђјљњћџ")
_GREEK = _script("αοιετσνηρπκμλςάέίόήύώ", "υγδθβφχωζξψϊϋΐΰ")
_HEBREW = _script("יוהלאמרתבנשםח", "גדזטךכןסעףפץצק")
_ARABIC = _script("اليمنوتربةعدسفهقحكأ", "جخذزشصضطظغئؤءآإىًٌٍَُِّْپچژگ")
# At a tie the first: what is in wider use.
_READINGS = (
    ("cp1252", _WESTERN),
    ("cp1250", _CENTRAL),
    ("cp1251", _CYRILLIC),
    ("koi8_r", _CYRILLIC),
    ("koi8_u", _CYRILLIC),
    ("cp1254", _TURKISH),
    ("cp1257", _BALTIC),
    ("cp1253", _GREEK),
    ("iso8859_7", _GREEK),
    ("cp1255", _HEBREW),
    ("cp1256", _ARABIC),
    ("iso8859_2", _CENTRAL),
    ("iso8859_5", _CYRILLIC),
    ("iso8859_6", _ARABIC),
    ("cp866", _CYRILLIC),
    ("mac_cyrillic", _CYRILLIC),
    ("mac_roman", _WESTERN),
    ("cp850", _WESTERN),
)
_NOT_AFTER_LETTERS = frozenset("¿¡£€¥§±¼½¾¶†‡•„‚")
_NOT_BEFORE_LETTERS = frozenset("²³¹ªº™®…”£€¥§±¼½¾¶†‡•")
_NOT_BETWEEN_LETTERS = frozenset("“‘«»‹›·©°µ№×÷،؟؛")
_BETWEEN_LETTERS = frozenset("’–—\u00a0\u00ad")
# Stand as they should in many a wrong reading.
_SELDOM = frozenset("¶†‡\u00ad")
_MARKS = _NOT_AFTER_LETTERS | _NOT_BEFORE_LETTERS | _NOT_BETWEEN_LETTERS | _BETWEEN_LETTERS


def one_byte_encoding(sample: bytes) -> str | None:
    """The codec in which nearly all beyond ASCII stands as it should, or None where none is sure.

    Args:
        sample: text in some encoding, with bytes beyond ASCII.
    """
    padded = b" " + sample + b" "
    triples = zip(padded, padded[1:], padded[2:], strict=False)
    counted = Counter(t for t in triples if t[1] > 0x7F).most_common(_MOST_TRIPLES)
    beyond = sum(count for _, count in counted)
    best, encoding = max(
        (
            (_fit(counted, bytes(range(256)).decode(codec, errors="replace"), alphabet), codec)
            for codec, alphabets in _READINGS
            for alphabet in alphabets
            if alphabet.latin or beyond >= _FEWEST
        ),
        key=lambda reading: reading[0],
    )
    return encoding if best >= _SURE * beyond else None


def _fit(counted: list[tuple[tuple[int, int, int], int]], table: str, alphabet: _Alphabet) -> float:
    """The sum over all bytes beyond ASCII of how well each stands among its neighbours."""
    fit = sum(
        count * _stands(table[before], table[byte], table[after], alphabet)
        for (before, byte, after), count in counted
    )
    return round(fit, 3)  # or what is equal would differ by the order of the sum


def _stands(before: str, c: str, after: str, alphabet: _Alphabet) -> float:
    """From -1, impossible, to 1."""
    if c in _MARKS:
        if not _mark_may_stand(before.isalpha(), c, after.isalpha()):
            return -1.0
        return 0.5 if c in _SELDOM else 1.0
    if c.isupper() and before.islower():
        return -1.0
    if before.isdigit() or after.isdigit():
        return -0.5
    weight = alphabet.weight(c.lower()[0])
    if not before.isalpha() and not after.isalpha():
        return min(weight, 0.6)  # a word of one letter; a mark is likelier
    beside_ascii = _is_ascii_letter(before) or _is_ascii_letter(after)
    if not alphabet.latin:
        return -1.0 if beside_ascii else weight
    # Words of only such letters are of another script.
    return weight if beside_ascii else min(weight, 0.6)


def _mark_may_stand(after_letter: bool, mark: str, before_letter: bool) -> bool:
    if after_letter and before_letter:
        return mark in _BETWEEN_LETTERS
    if after_letter:
        return mark not in _NOT_AFTER_LETTERS
    return not (before_letter and mark in _NOT_BEFORE_LETTERS)


def _is_ascii_letter(c: str) -> bool:
    return c.isascii() and c.isalpha()
