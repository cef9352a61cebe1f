"""Names: runs of capitalised words, with the small words that join them.

A capital proves nothing where a sentence begins; there a single word is taken for a name only if
something else in the text says so.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphmill.extraction.characters import LOWER, MAX_WORD, UPPER, WORD, to_title
from graphmill.extraction.entity_types import (
    PERSON,
    ROLES,
    UNKNOWN,
    is_honorific,
    type_by_word_before,
)
from graphmill.extraction.languages import CALENDAR, Language

# Words of one run, at most: what bounds the expression's work at one place.
MAX_WORDS = 12
_MAX_WORDS_OF_NAME = 8
# Where a whole line is in capitals, case tells nothing; short runs are still headings or cells.
_MAX_WORDS_IN_CAPITALS = 4

_SPACE = r"[ \n]{1,5}"
_TAIL = rf"[{WORD}]*(?:['&+-][{WORD}]+)*"
_CAPITALISED = (
    rf"(?:(?:[{UPPER}]\.)+(?:[{UPPER}](?![{WORD}]))?"
    r"|(?:St|Mt|Ft|Dr|Mr|Mrs|Ms|Prof|Gen|Sgt|Lt|Col|Capt|Rev|Sen|Rep|Gov|Bros)\.(?=\s)"
    rf"|(?:[dDlL]'|[a-z]{{1,2}}|al-|el-|bin-|ibn-)?[{UPPER}]{_TAIL})"
)
_CONNECTOR = (
    rf"(?:of(?:{_SPACE}(?:the|an?))?|de(?:{_SPACE}l[ao]s?)?|del|della|dello|degli|delle|dei|di|da|do|dos|das"
    rf"|du|des|van(?:{_SPACE}de[nr]?)?|von(?:{_SPACE}de[rmn])?|der|den|zu[mr]?|ten|ter|am|bin|bint|ibn|al"
    rf"|af|av|upon|&|и|в)"
)
_NUMBER = rf"\d{{1,4}}[A-Z]?(?![{WORD}%]|[.,:]\d)"
_NAME = re.compile(
    rf"(?<![{WORD}'@-])"
    r"(?:(?:(?<=the )|(?<=The ))[12]\d{3} |\d{1,3}(?:st|nd|rd|th) )?"
    rf"{_CAPITALISED}"
    rf"(?:{_SPACE}(?:{_CAPITALISED}|{_NUMBER}|{_CONNECTOR}{_SPACE}{_CAPITALISED}))"
    rf"{{0,{MAX_WORDS - 1}}}"
    rf"(?:,?{_SPACE}(?:Inc|Ltd|LLC|Corp|Co|Jr|Sr|PLC|plc|GmbH)\b)?"
)
# "Council for ...", "Department of Health and ...": these go on over words that else part two
# names.
_INSTITUTIONS = frozenset(
    """
    Academy Act Administration Agency Alliance Archives Association Authority Board Bureau Center
    Centre Coalition College Commission Committee Conference Congress Convention Council Court
    Department Faculty Federation Foundation Fund Group Institute Institution Journal League
    Ministry Museum Network Office Organisation Organization Party School Secretary Society Trust
    Union University
    """.split()
)
_INSTITUTION_JOINS = frozenset(("and", "for", "for the", "on", "on the", "at"))
_WHO = re.compile(r"[\"']?,? ?\((?:born|b\. |né|geb)|[\"']?,? (?:who|whose|whom) |, born ")
_NAME_FOLLOWS = re.compile(
    r"[\"']{1,2}(?: |$|[.,;)])"
    r"|[\"']?(?: ?\(|, |'s\b"
    r"| (?:is|was|are|were|has|had|have|will|can|ist|war|est|était|es|fue|era)\b)"
)
# "In Search of a Song is a ...": what a sentence defines is a name as it stands.
_IS_DEFINED = re.compile(r"[\"' ]{1,4}(?:\([^()\n]{0,80}\) )?(?:is|was|are|were) (?:a|an|the)\b")
_ROMAN = re.compile(r"[IVXLCDM]+(?:e|ème|er|º|th)?")
_NATIONAL = re.compile(
    r".{2,}(?:ian|ean|ish|ese)|American|African|Mexican|German|French|Dutch|Greek|Swiss|Roman|Thai|Czech"
    r"|Iraqi|Israeli|Pakistani|Western|Eastern|Northern|Southern|European|Islamic|Catholic|Jewish|Arab"
)
_COMMON_ENDINGS = ("ed", "ing", "ly")
_JOINED_TO_COMMON = frozenset(
    "based born led style like era owned backed speaking related made type wide century".split()
)
# "U.S." and "US" are one.
_DOTTED = re.compile(rf"(?<![{WORD}.])[{UPPER}](?:\.[{UPPER}])+\.?(?![{WORD}])")
# Where an article is joined to its noun.
_ELIDING = frozenset(("fr", "it", "ca"))
_ARTICLES = frozenset(("the", "a", "an"))
_BEFORE_INITIAL = frozenset(":|\"'•-*>")
_AFTER_NATIONAL = re.compile(rf"[ \n]([{LOWER}][{WORD}]+)")


@dataclass(frozen=True, slots=True)
class Run:
    """Capitalised words at masked[start:end] in a sentence. `initial`: the first word would have
    its capital anyway. `shouted`: the whole sentence is in capitals."""

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
    """Mentions of names, in the order of the text. `words` counts the text's words, in their
    case."""
    runs = _find_runs(masked, spans)
    texts = [masked[run.start : run.end] for run in runs]
    evidence = _Evidence.of(runs, texts, words, language)
    mentions: list[Mention] = []
    for run, text in zip(runs, texts, strict=True):
        for name, person in evidence.names(masked, run, text):
            title = to_title(_DOTTED.sub(_undotted, name))
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
        # One institution that deals with two things, rather than two side by side.
        return words[0] in _INSTITUTIONS or (len(words) > 1 and words[-2] in ("of", "for"))
    if join == "at":
        return words[0] == "University"
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
        if len(words) > _MAX_WORDS_OF_NAME and "of" not in words:
            return []  # a table without its lines, a list without its commas
        if sum(map(str.isdecimal, words)) > 1 or any(len(word) > MAX_WORD for word in words):
            return []
        words = self._trim(masked, run, text, words)
        person = False
        for position in range(len(words) - 2, 0, -1):
            # "Vorstandsvorsitzender Dr. Sewing"
            if words[position].endswith(".") and is_honorific(words[position], self.language.code):
                person = True
                words = words[position + 1 :]
                break
        while len(words) > 1 and (
            is_honorific(words[0], self.language.code)
            or (run.initial and len(words) > 2 and words[0].lower() in ROLES)
        ):
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
            if not word.endswith("'s"):
                continue
            owner = words[: position + 1]
            owner[-1] = word[:-2]
            if self._owns(owner):
                rest = words[position + 1 :]
                return [(" ".join(owner), person), *self._parts(masked, run, rest, False)]
        return self._parts(masked, run, words, person)

    def _parts(
        self, masked: str, run: Run, words: list[str], person: bool
    ) -> list[tuple[str, bool]]:
        """A name, and the names of several words beside its last "of"."""
        if len(words) == 1:
            return [(words[0], person)] if self._is_name(masked, run, words[0]) else []
        names = [(" ".join(words), person)]
        if "of" in words[:-1]:
            at = len(words) - 1 - words[::-1].index("of")
            head, tail = words[:at], words[at + 1 :]
            # "East Coast of the United States" has another name in it; "Register of
            # Historic Places" has none, unless that is met elsewhere.
            whole = tail[0] == "the"
            tail = tail[1:] if whole else tail
            if len(tail) > 1 and (whole or " ".join(tail) in self.proven_runs):
                names.append((" ".join(tail), False))
            if len(head) > 1 and " ".join(head) in self.proven_runs:
                names.append((" ".join(head), False))
        return names

    def _owns(self, owner: list[str]) -> bool:
        """Whether "OWNER's Thing" is two names: "Carl Rogers's Institute", and "Microsoft's
        Windows" where Microsoft is met alone, but not "Women's League" or "St. John's College"."""
        if " ".join(owner) in self.proven_runs or (len(owner) == 1 and owner[0].isupper()):
            return True
        return len(owner) > 1 and "of" not in owner and owner[0] not in ("St.", "Saint", "St")

    def _trim(self, masked: str, run: Run, text: str, words: list[str]) -> list[str]:
        """Without the function words at its ends that have their capital from their place."""
        function_words = self.language.function_words
        defined = len(words) > 1 and _IS_DEFINED.match(masked, run.end) is not None
        if run.initial and not defined and text not in self.proven_runs:
            first = words[0].lower()
            while words and words[0].lower() in function_words:
                words = words[1:]
            # "In 1975 Hayek"
            while words and words[0].isdecimal() and first not in _ARTICLES:
                words = words[1:]
            # "Director Steven Spielberg" where Steven Spielberg is met elsewhere.
            if len(words) > 2 and " ".join(words[1:]) in self.proven_runs:
                words = words[1:]
        if words and self.language.code in _ELIDING and words[0][:2] in ("L'", "l'", "D'", "d'"):
            words = [words[0][2:], *words[1:]]
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
        if lower in self.language.stopwords or is_honorific(word, self.language.code):
            return False
        if self.language.code == "en" and _NATIONAL.fullmatch(word):
            after = _AFTER_NATIONAL.match(masked, run.end)
            if after and after.group(1) not in self.language.function_words:
                return False  # an adjective, as in "American company"
        tail = word.rsplit("-", 1)[-1]
        if tail in _JOINED_TO_COMMON and tail != word:
            return False
        if not run.initial:
            # German capitalises every noun: the short ones are common words.
            return self.language.code != "de" or len(word) >= 5
        if word in self.proven_words:
            return True
        if lower in self.words or word.endswith(_COMMON_ENDINGS):
            return False
        return _NAME_FOLLOWS.match(masked, run.end) is not None


def _undotted(match: re.Match[str]) -> str:
    return match.group().replace(".", "")


def _without_possessive(word: str) -> str:
    word = word.rstrip(".,") if word.count(".") < 2 and len(word) > 2 else word
    return word[:-2] if word.endswith(("'s", "'S")) else word
