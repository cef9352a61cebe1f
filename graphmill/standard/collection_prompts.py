"""What a collection tells models in its own words: prompts, and extraction settings."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError

from graphmill.errors import InvalidRequest
from graphmill.model_settings import ExtractionSettings
from graphmill.prompts.loading import Prompt, PromptName, load_prompt
from graphmill.standard.cleaning import one_line, storable
from graphmill.standard.questions import MAX_LANGUAGE, shows_marks

# All but the rules on documents and on the form of answers, which no collection can leave out.
OWN_PROMPTS: tuple[PromptName, ...] = (
    "community_report",
    "extract_claims",
    "extract_graph",
    "glean_graph",
    "resolve_entities",
    "summarize_description",
)
_MOST_WORDS = 300


@dataclass(frozen=True, slots=True)
class CollectionPrompts:
    """`texts`: prompts of the collection's own, by name, ascending; the others are those shipped.
    `extraction`: in place of the settings' [extraction]; None: those hold.

    Made by `of`, which checks.
    """

    texts: tuple[tuple[PromptName, str], ...] = ()
    extraction: ExtractionSettings | None = None

    @classmethod
    def of(
        cls, texts: Mapping[str, str], extraction: Mapping[str, object] | None = None
    ) -> "CollectionPrompts":
        """From what people write. A text that is the one shipped is none of its own: it changes
        with the next release. Of extraction, what is left out has graphmill's default; nothing at
        all is as None.

        Raises:
            InvalidRequest: there is no such prompt, or a collection cannot have its own; a text is
                empty, too long, has a placeholder too many or too few, or shows marks that part
                messages; an extraction setting is unknown or wrong.
        """
        unknown = sorted(set(texts) - set(OWN_PROMPTS))
        if unknown:
            raise InvalidRequest(_not_own(unknown[0]))
        own: list[tuple[PromptName, str]] = []
        for name in OWN_PROMPTS:
            if name in texts:
                text = texts[name].replace("\r\n", "\n").strip()
                if text != load_prompt(name).text:
                    own.append((name, _check(name, text)))
        return cls(tuple(own), _check_extraction(extraction) if extraction else None)

    @property
    def version(self) -> str:
        """Half a SHA-256 of all of it in hexadecimal; "" where nothing is its own."""
        if not self.texts and self.extraction is None:
            return ""
        content = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    def prompt(self, name: PromptName) -> Prompt:
        """In force: its own, else the one shipped."""
        return load_prompt(name, dict(self.texts).get(name))

    def changed_from(self, before: "CollectionPrompts") -> tuple[str, ...]:
        """Names of the prompts that are others, ascending, and "extraction" where that is."""
        names = [name for name in OWN_PROMPTS if self.prompt(name) != before.prompt(name)]
        return (*names, *(["extraction"] if self.extraction != before.extraction else []))

    def to_json(self) -> dict[str, Any]:
        extraction = self.extraction and self.extraction.model_dump(mode="json")
        return {"texts": dict(self.texts), "extraction": extraction}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "CollectionPrompts":
        """What `to_json` gave.

        Raises:
            InvalidRequest: this release wants other placeholders than the one that stored it.
        """
        return cls.of(value["texts"], value["extraction"])


def _not_own(name: str) -> str:
    if name == "answer_rules":
        return (
            "answer_rules holds for every collection: it keeps orders that stand in documents from"
            " being obeyed; leave it out"
        )
    return f"there is no prompt {name!r}; a collection may have its own {', '.join(OWN_PROMPTS)}"


def _check(name: PromptName, text: str) -> str:
    load_prompt(name, text)
    if shows_marks(text):
        raise InvalidRequest(
            f"the collection's own prompt for {name} shows a mark that parts messages or sets"
            " documents apart, such as <text> or <|im_end|>; name it in words"
        )
    return text


def _check_extraction(given: Mapping[str, object]) -> ExtractionSettings:
    try:
        extraction = ExtractionSettings.model_validate(dict(given))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)[0]
        name = ".".join(map(str, found["loc"])) or "types"
        known = ", ".join(ExtractionSettings.model_fields)
        words = (
            f"it is not known; known are {known}"
            if found["type"] == "extra_forbidden"
            else found["msg"].removeprefix("Value error, ")
        )
        raise InvalidRequest(f"extraction, {name}: {words}"[:_MOST_WORDS]) from None
    language = extraction.language
    if language != one_line(language, MAX_LANGUAGE):
        raise InvalidRequest(
            f"extraction, language: {language!r} is no name of a language, such as German"
        )
    for name, value in extraction.model_dump().items():
        for text in _texts(value):
            if shows_marks(text) or storable(text) != text:
                raise InvalidRequest(
                    f"extraction, {name}: a text has a NUL, half a character, or a mark that parts"
                    " messages or sets documents apart, such as <text> or <|im_end|>; leave it out"
                )
    return extraction


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for one in cast("tuple[object, ...]", value):
            yield from _texts(one)


def own_texts(value: Mapping[str, str]) -> tuple[tuple[PromptName, str], ...]:
    """Of texts that were checked: as `CollectionPrompts.texts`."""
    return cast("tuple[tuple[PromptName, str], ...]", tuple(sorted(value.items())))
