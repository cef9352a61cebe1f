"""Names: runs of capitalised words, with the small words that join them.

A capital proves nothing where a sentence begins; there a single word is taken for a name only if
something else in the text says so.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphmill.extraction.characters import LOWER, MAX_WORD, UPPER, WORD, to_title
from graphmill.extraction.entity_types import HONORIFICS, PERSON, UNKNOWN, type_by_word_before
from graphmill.extraction.languages import CALENDAR, Language

# Words of one name, at most; also what bounds the expression's work at one place.
MAX_WORDS = 12
# Where a whole line is in capitals, case tells nothing; short runs are still headings or cells.
_MAX_WORDS_IN_CAPITALS = 4

_SPACE = r"[ \n]{1,3}"
_TAIL = rf"[{WORD}]*(?:['&-][{WORD}]+)*"
_CAPITALISED = (
    rf"(?:(?:[{UPPER}]\.)+(?:[{UPPER}](?![{WORD}]))?"
    r"|(?:St|Mt|Ft|Dr|Mr|Mrs|Ms|Prof|Gen|Sgt|Lt|Col|Capt|Rev|Sen|Rep|Gov)\.(?=\s)"
    rf"|(?:[dDlL]'|[a-z]{{1,2}}|al-|el-|bin-|ibn-)?[{UPPER}]{_TAIL})"
)
_CONNECTOR = (
    rf"(?:of(?:{_SPACE}the)?|de(?:{_SPACE}l[ao]s?)?|del|della|dello|degli|delle|dei|di|da|do|dos|das"
    rf"|du|des|van(?:{_SPACE}de[nr]?)?|von(?:{_SPACE}de[rmn])?|der|den|zu[mr]?|ten|ter|bin|bint|ibn|y|al"
    rf"|af|av|upon|&|и|в)"
)
_NUMBER = rf"\d{{1,4}}(?![{WORD}%]|[.,:]\d)"
_NAME = re.compile(
    rf"(?<![{WORD}'@-])(?:(?:(?<=the )|(?<=The ))[12]\d{{3}} )?{_CAPITALISED}"
    rf"(?:{_SPACE}(?:{_CAPITALISED}|{_NUMBER}|{_CONNECTOR}{_SPACE}{_CAPITALISED}))"
    rf"{{0,{MAX_WORDS - 1}}}"
    rf"(?:,?{_SPACE}(?:Inc|Ltd|LLC|Corp|Co|Jr|Sr|PLC|plc|GmbH)\b)?"
)
# "Council for ...", "Department of Health and ...": these go on over words that else part two names.
_INSTITUTIONS = frozenset(
    """
    Academy Act Administration Agency Alliance Archives Association Authority Board Bureau Center Centre
    Coalition College Commission Committee Conference Congress Convention Council Court Department
    Faculty Federation Foundation Fund Group Institute Institution Journal League Ministry Museum Network
    Office Organisation Organization Party School Secretary Society Trust Union University
    """.split()
)
_INSTITUTION_JOINS = frozenset(("and", "for", "for the", "on", "on the", "at", "in the", "and the", "in"))
_WHO = re.compile(r"[\"']?,? ?\((?:born|b\. |né|geb)|[\"']?,? (?:who|whose|whom) |, born ")
_NAME_FOLLOWS = re.compile(
    r"[\"']?(?: ?\(|, | (?:is|was|are|were|has|had|have|will|can|ist|war|est|était|es|fue|era)\b|'s\b)"
)
_ROMAN = re.compile(r"[IVXLCDM]+")
_NATIONAL = re.compile(
    r".{2,}(?:ian|ean|ish|ese)|American|African|Mexican|German|French|Dutch|Greek|Swiss|Roman|Thai|Czech"
    r"|Iraqi|Israeli|Pakistani|Western|Eastern|Northern|Southern|European|Islamic|Catholic|Jewish|Arab"
)
_COMMON_ENDINGS = ("ed", "ing", "ly")
_JOINED_TO_COMMON = frozenset(
    "based born led style like era owned backed speaking related made type wide century".split()
)
_ARTICLES = frozenset(("the", "a", "an"))
_BEFORE_INITIAL = frozenset(":|\"'•-*>")
_AFTER_NATIONAL = re.compile(rf"[ \n]([{LOWER}][{WORD}]+)")


@dataclass(frozen=True, slots=True)
class Run:
    """Capitalised words at masked[start:end] in a sentence. `initial`: the first word would have its
    capital anyway. `shouted`: the whole sentence is in capitals."""

    sentence: int
    start: int
    end: int
    initial: bool
    shouted: bool


@dataclass(frozen=True, slots=True)
class Mention:
    """A name in a sentence; `type` where its surroundings tell it."""

    title: str
    sentence: int
    type: str


def find_names(
    masked: str, spans: Sequence[tuple[int, int]], words: Mapping[str, int], language: Language
) -> list[Mention]:
    """Mentions of names, in the order of the text. `words` counts the text's words, in their case."""
    runs = _find_runs(masked, spans)
    texts = [masked[run.start : run.end] for run in runs]
    evidence = _Evidence.of(runs, texts, words, language)
    mentions: list[Mention] = []
    for run, text in zip(runs, texts, strict=True):
        for name, person in evidence.names(masked, run, text):
            title = to_title(name)
            if len(title) < 2:
                continue
            if person or _WHO.match(masked, run.end):
                kind = PERSON
            else:
                before = masked[max(0, run.start - 16) : run.start].split()
                kind = type_by_word_before(title, before[-1]) if before else UNKNOWN
            mentions.append(Mention(title, run.sentence, kind))
    return mentions


def _find_runs(masked: str, spans: Sequence[tuple[int, int]]) -> list[Run]:
    runs: list[Run] = []
    for index, (start, end) in enumerate(spans):
        first = len(runs)
        shouted = masked[start:end].isupper()
        for match in _NAME.finditer(masked, start, end):
            begin, stop = match.span()
            if len(runs) > first and _goes_on(masked, runs[-1], begin):
                last = runs.pop()
                runs.append(Run(index, last.start, stop, last.initial, shouted))
                continue
            before = masked[max(start, begin - 3) : begin].strip()
            initial = not before or before[-1] in _BEFORE_INITIAL
            runs.append(Run(index, begin, stop, initial, shouted))
    return runs


def _goes_on(masked: str, last: Run, begin: int) -> bool:
    """Whether an institution's name goes on: "Council" for "Small Business"."""
    if not 4 <= begin - last.end <= 9 or masked[last.end : begin].strip() not in _INSTITUTION_JOINS:
        return False
    words = masked[last.start : last.end].split()
    if len(words) + 2 > MAX_WORDS or _INSTITUTIONS.isdisjoint(words):
        return False
    join = masked[last.end : begin].split()[0]
    if join == "and":
        # Two institutions side by side, or one that deals with two things?
        return "of" in words or "for" in words
    if join in ("at", "in"):
        return words[0] == "University" or join == "in"
    return words[-1] in _INSTITUTIONS


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What the whole text says about its capitalised words."""

    words: Mapping[str, int]
    language: Language
    # Words and whole runs that are capitalised where nothing but being a name explains it.
    proven_words: frozenset[str]
    proven_runs: frozenset[str]
    run_counts: Mapping[str, int]

    @classmethod
    def of(
        cls, runs: Sequence[Run], texts: Sequence[str], words: Mapping[str, int], language: Language
    ) -> "_Evidence":
        proven_words: set[str] = set()
        proven_runs: set[str] = set()
        for run, text in zip(runs, texts, strict=True):
            if run.shouted:
                continue
            if not run.initial:
                proven_runs.add(text)
                proven_words.update(text.split())
            elif " " in text:
                proven_words.update(text.split()[1:])
        return cls(words, language, frozenset(proven_words), frozenset(proven_runs), Counter(texts))

    def names(self, masked: str, run: Run, text: str) -> list[tuple[str, bool]]:
        """The names in a run, mostly one or none, each with whether it must be a person's."""
        words = text.split()
        if run.shouted and len(words) > _MAX_WORDS_IN_CAPITALS:
            return []
        if any(len(word) > MAX_WORD for word in words):
            return []
        words = self._trim(run, text, words)
        person = False
        while len(words) > 1 and words[0].rstrip(".").lower() in HONORIFICS:
            person = True
            words = words[1:]
        if not words:
            return []
        words[-1] = _without_possessive(words[-1])
        if len(words) == 1:
            if not person and not self._is_name(masked, run, words[0]):
                return []
            return [(words[0], person)]
        if all(word.isdecimal() or word.lower().rstrip(".") in CALENDAR for word in words):
            return []
        for position, word in enumerate(words[:-1]):
            # "Microsoft's Windows" is two names where Microsoft is one elsewhere; "Men's Studies" is one.
            if word.endswith("'s") and (
                " ".join(words[: position + 1])[:-2] in self.proven_runs
            ):
                owner = (" ".join(words[: position + 1])[:-2], person)
                rest = words[position + 1 :]
                if len(rest) > 1 or self._is_name(masked, run, rest[0]):
                    return [owner, (" ".join(rest), False)]
                return [owner]
        return [(" ".join(words), person)]

    def _trim(self, run: Run, text: str, words: list[str]) -> list[str]:
        """Without the function words at its ends that have their capital from their place."""
        function_words = self.language.function_words
        if run.initial and text not in self.proven_runs:
            while words and words[0].lower() in function_words:
                words = words[1:]
            # "Director Steven Spielberg" where Steven Spielberg is met elsewhere.
            if len(words) > 2 and " ".join(words[1:]) in self.proven_runs:
                words = words[1:]
        while words and words[0].lower() in _ARTICLES:
            words = words[1:]
        while words and words[-1].lower() in function_words and not words[-1].isupper():
            words = words[:-1]
        # What is left may begin with what joined it: "The de Young" is fine, "of Rome" is not.
        while words and words[0] in ("of", "and", "&", "the"):
            words = words[1:]
        return words

    def _is_name(self, masked: str, run: Run, word: str) -> bool:
        """Whether one capitalised word alone is a name."""
        lower = word.lower().rstrip(".")
        if len(lower) < 2 or lower in CALENDAR or word.isdecimal():
            return False
        if _ROMAN.fullmatch(word):
            return False
        acronym = word.isupper() and not run.shouted
        if acronym:
            return True
        if lower in self.language.stopwords or lower in HONORIFICS:
            return False
        if self.language.code == "en" and _NATIONAL.fullmatch(word):
            after = _AFTER_NATIONAL.match(masked, run.end)
            if after and after.group(1) not in self.language.function_words:
                return False  # an adjective, as in "American company"
        tail = word.rsplit("-", 1)[-1]
        if tail in _JOINED_TO_COMMON and tail != word:
            return False
        if not run.initial:
            return self.language.code != "de" or len(word) >= 5 or word in self.proven_words
        if word in self.proven_words:
            return True
        if lower in self.words or word.endswith(_COMMON_ENDINGS):
            return False
        return self.run_counts[word] > 1 or _NAME_FOLLOWS.match(masked, run.end) is not None


def _without_possessive(word: str) -> str:
    word = word.rstrip(".,") if word.count(".") < 2 and len(word) > 2 else word
    return word[:-2] if word.endswith(("'s", "'S")) else word
