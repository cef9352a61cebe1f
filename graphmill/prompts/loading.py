"""Prompts by name: the newest version of a file, or a collection's own text in its place.

A file whose words change gets a new number beside the old one's, so that a version says for ever
what a model was told.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Literal

from graphmill.errors import InvalidRequest

PromptName = Literal[
    "extract_graph",
    "glean_graph",
    "extract_claims",
    "summarize_description",
    "resolve_entities",
    "community_report",
    "answer_rules",
    "draft_prompts",
]

MAX_OWN_CHARACTERS = 50_000

_NEWEST: dict[PromptName, int] = {
    "extract_graph": 1,
    "glean_graph": 1,
    "extract_claims": 1,
    "summarize_description": 1,
    "resolve_entities": 1,
    "community_report": 1,
    "answer_rules": 1,
    "draft_prompts": 1,
}
# No JSON looks like this, so a prompt may show some.
_PLACEHOLDER = re.compile(r"\{\{[ \t]{0,8}([A-Za-z_][A-Za-z0-9_]{0,40})[ \t]{0,8}\}\}")
# What no endpoint and no database takes.
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is told, with {{placeholders}}. `version` is "extract_graph.v1" or, of a
    collection's own text, "own-" and the first 16 hexadecimal digits of its SHA-256."""

    name: PromptName
    version: str
    text: str

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with every placeholder replaced, in one pass: a value that looks like a
        placeholder stays as it is.

        Raises:
            InvalidRequest: a placeholder has no value.
        """

        def value(match: re.Match[str]) -> str:
            if match[1] not in values:
                raise InvalidRequest(f"prompt {self.version}: {{{{{match[1]}}}}} has no value")
            return values[match[1]]

        return _PLACEHOLDER.sub(value, self.text)


def load_prompt(name: PromptName, own: str | None = None) -> Prompt:
    """The prompt of that name, or `own`, which must have the same placeholders.

    Raises:
        InvalidRequest: `own` is empty, longer than 50,000 characters, has NULs or lone surrogates,
            a placeholder too many or too few.
    """
    return _shipped(name) if own is None else _own(name, own)


# Asked for with every question of a run, of the few texts that its collection has.
@lru_cache(maxsize=256)
def _own(name: PromptName, own: str) -> Prompt:
    if not own.strip() or len(own) > MAX_OWN_CHARACTERS:
        raise InvalidRequest(
            f"the collection's own prompt for {name} has {len(own):,} characters; expected are 1 to"
            f" {MAX_OWN_CHARACTERS:,}, not all of them blank"
        )
    if _UNUSABLE.search(own):
        raise InvalidRequest(
            f"the collection's own prompt for {name} has a NUL or half a character (a lone"
            " surrogate); remove it"
        )
    wanted, given = _placeholders(_shipped(name).text), _placeholders(own)
    if wanted != given:
        wrong = [
            *(f"{{{{{one}}}}} is missing" for one in sorted(wanted - given)),
            *(f"{{{{{one}}}}} is unknown" for one in sorted(given - wanted)[:5]),
        ]
        expected = ", ".join(f"{{{{{one}}}}}" for one in sorted(wanted)) or "none"
        raise InvalidRequest(
            f"the collection's own prompt for {name}: {', '.join(wrong)}; its placeholders have to"
            f" be: {expected}"
        )
    version = "own-" + hashlib.sha256(own.encode()).hexdigest()[:16]
    return Prompt(name, version, own.replace("\r\n", "\n").strip())


@cache
def _shipped(name: PromptName) -> Prompt:
    version = f"{name}.v{_NEWEST[name]}"
    file = resources.files("graphmill.prompts").joinpath(f"{version}.md")
    return Prompt(name, version, file.read_text(encoding="utf-8").strip())


def _placeholders(text: str) -> frozenset[str]:
    return frozenset(match[1] for match in _PLACEHOLDER.finditer(text))
