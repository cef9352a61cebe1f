"""Noun phrases: runs of content words between stopwords and punctuation, as RAKE finds candidates.

Source: Rose, Engel, Cramer, Cowley: Automatic keyword extraction from individual documents (2010).
RAKE scores all candidates; here one is kept if it recurs in the text unit or has a noun's ending.
"""

import re
from collections.abc import Sequence

from graphmill.extraction.characters import CASELESS, MAX_WORD, WORD, to_title
from graphmill.extraction.languages import CALENDAR, Language

MIN_WORDS = 2
MAX_WORDS = 3
# Sentences that must have a phrase which nothing else speaks for.
MIN_SENTENCES = 2

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
            phrase: list[str] = []
            for word in (*run.split(), ""):
                lower = word.lower()
                if word and lower not in stopwords and not word[0].isdecimal():
                    phrase.append(word)
                    continue
                if phrase:
                    kept = _kept(phrase, english, shouted)
                    if kept is not None:
                        seen = sentences_of.setdefault(kept, [])
                        if not seen or seen[-1] != index:
                            seen.append(index)
                        if english and kept.endswith(_TERM_ENDINGS):
                            terms.add(kept)
                    phrase = []
    mentions = [
        (index, phrase)
        for phrase, indexes in sentences_of.items()
        if len(indexes) >= MIN_SENTENCES or phrase in terms
        for index in indexes
    ]
    # Titles last, and only of what is kept: most candidates are not.
    titles = {phrase: to_title(phrase) for _, phrase in mentions}
    return [(titles[phrase], index) for index, phrase in sorted(mentions)]


def _kept(words: list[str], english: bool, shouted: bool) -> str | None:
    """The candidate in lower case, without the verbs and adverbs at its ends; None if it is none."""
    caseless = shouted or _CASELESS.search(words[0]) is not None
    if english and not shouted:
        while words and words[0].endswith(_NOT_FIRST_IN_ENGLISH):
            words = words[1:]
        while words and words[-1].endswith(_VERB_ENDINGS):
            words = words[:-1]
    if not (1 if caseless else MIN_WORDS) <= len(words) <= MAX_WORDS:
        return None
    if any(len(word) > MAX_WORD for word in words):
        return None
    if len(words) == 1 and len(words[0]) < 3:
        return None
    # All capitalised: a name, which is found as such.
    if not caseless and all(word[0].isupper() for word in words):
        return None
    lower = [word.lower() for word in words]
    if not CALENDAR.isdisjoint(lower) or min(map(len, lower)) < 2:
        return None
    return " ".join(lower)
