"""Noun phrases: runs of content words between stopwords and punctuation, as RAKE finds candidates.

Source: Rose, Engel, Cramer, Cowley: Automatic keyword extraction from individual documents (2010).
RAKE scores all candidates; here one is kept if it recurs in the text unit or has a noun's ending.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from graphmill.extraction.characters import CASELESS, MAX_WORD, WORD, to_title
from graphmill.extraction.languages import CALENDAR, Language

MIN_WORDS = 2
MAX_WORDS = 3
# Sentences that must have a phrase which nothing else speaks for.
MIN_SENTENCES = 2
_MIN_LETTERS_ALONE = 3

_RUN = re.compile(rf"[{WORD}]+(?:['-][{WORD}]+)*(?:[ \n]{{1,3}}[{WORD}]+(?:['-][{WORD}]+)*)*")
_CASELESS = re.compile(rf"[{CASELESS}]")
# English: what a term of two or three words ends with, and what no term begins or ends with.
_TERM_ENDINGS = (
    "tion", "sion", "ment", "ity", "ism", "ics", "logy", "nomy", "graphy", "ness", "ship", "ance",
    "ence", "ency", "theory", "theorem", "function", "equation", "therapy", "syndrome", "disease",
)  # fmt: skip
_VERB_ENDINGS = ("ed", "ly", "ing")
_NOT_FIRST_IN_ENGLISH = ("ly", "est")


def find_phrases(
    masked: str, spans: Sequence[tuple[int, int]], language: Language
) -> list[tuple[str, int]]:
    """(title, sentence) of every mention of a phrase, in the order of the text.

    In scripts without case single words that recur count too: names look like any other word there.
    """
    sentences_of: dict[str, list[int]] = {}
    terms: set[str] = set()
    stopwords = language.stopwords
    english = language.code == "en"
    for index, (start, end) in enumerate(spans):
        sentence = masked[start:end]
        shouted = sentence.isupper()
        for run in _RUN.findall(sentence):
            candidate: list[str] = []
            for word in (*run.split(), ""):
                if word and word.lower() not in stopwords and not word[0].isdecimal():
                    candidate.append(word)
                    continue
                if candidate:
                    for phrase in _phrases(candidate, english, shouted):
                        seen = sentences_of.setdefault(phrase, [])
                        if not seen or seen[-1] != index:
                            seen.append(index)
                        if english and phrase.endswith(_TERM_ENDINGS):
                            terms.add(phrase)
                    candidate = []
    kept = {
        phrase
        for phrase, indexes in sentences_of.items()
        if len(indexes) >= MIN_SENTENCES or phrase in terms
    }
    kept -= _explained(kept, sentences_of)
    titles = [(phrase, to_title(phrase)) for phrase in sorted(kept)]
    return [(title, index) for phrase, title in titles for index in sentences_of[phrase]]


def _phrases(words: list[str], english: bool, shouted: bool) -> Iterable[str]:
    """The phrases that a run of content words may hold, in lower case.

    In English a run is a phrase, once the verbs and adverbs at its ends are off. Elsewhere verbs
    are not told apart, so that a phrase is any stretch of a run, if it recurs.
    """
    caseless = shouted or _CASELESS.search(words[0]) is not None
    if english and not shouted:
        while words and words[0].endswith(_NOT_FIRST_IN_ENGLISH):
            words = words[1:]
        while words and words[-1].endswith(_VERB_ENDINGS):
            words = words[:-1]
        return (" ".join(words).lower(),) if _is_phrase(words, caseless) else ()
    return [
        " ".join(stretch).lower()
        for length in range(1 if caseless else MIN_WORDS, MAX_WORDS + 1)
        for at in range(len(words) - length + 1)
        if _is_phrase(stretch := words[at : at + length], caseless)
    ]


def _is_phrase(words: list[str], caseless: bool) -> bool:
    if not (1 if caseless else MIN_WORDS) <= len(words) <= MAX_WORDS:
        return False
    lengths = [len(word) for word in words]
    if max(lengths) > MAX_WORD or min(lengths) < (_MIN_LETTERS_ALONE if len(words) == 1 else 2):
        return False
    # All capitalised: a name, which is found as such.
    if not caseless and all(word[0].isupper() for word in words):
        return False
    return not any(word.lower() in CALENDAR for word in words)


def _explained(kept: set[str], sentences_of: Mapping[str, list[int]]) -> set[str]:
    """Phrases that occur only within a longer one that is kept."""
    explained: set[str] = set()
    for phrase in kept:
        words = phrase.split(" ")
        if len(words) > 1:
            for part in (" ".join(words[1:]), " ".join(words[:-1])):
                if part in kept and len(sentences_of[part]) == len(sentences_of[phrase]):
                    explained.add(part)
    return explained
