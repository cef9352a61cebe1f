"""Which entities and relationships a collection wants: told to the model, and held if strict."""

from dataclasses import dataclass
from functools import lru_cache

from graphmill.errors import InvalidRequest
from graphmill.standard.cleaning import MAX_TYPE, one_line

DEFAULT_ENTITY_TYPES = ("organization", "person", "geo", "event")
MAX_TYPES = 100
MAX_PATTERNS = 500


@dataclass(frozen=True, slots=True)
class GraphSchema:
    """Types as the collection spells them; they are compared without regard to case.

    `relationship_types` and `patterns` (type of the source, of the relationship, of the target)
    may be empty: any will do. `strict`: what does not fit is left out; otherwise the model is told
    of it, and what does not fit is kept.

    Raises:
        InvalidRequest: a type is empty, is longer than 60 characters or one line, or comes twice;
            a pattern names a type that is not in the lists; there are too many.
    """

    entity_types: tuple[str, ...] = DEFAULT_ENTITY_TYPES
    relationship_types: tuple[str, ...] = ()
    patterns: tuple[tuple[str, str, str], ...] = ()
    strict: bool = False

    def __post_init__(self) -> None:
        entities = _check_types("entity types", self.entity_types)
        relationships = _check_types("relationship types", self.relationship_types)
        if len(self.patterns) > MAX_PATTERNS:
            raise InvalidRequest(
                f"{len(self.patterns):,} patterns of relationships; expected are at most"
                f" {MAX_PATTERNS}"
            )
        for pattern in self.patterns:
            source, relationship, target = _folded(pattern)
            if {source, target} - entities or relationship not in relationships:
                raise InvalidRequest(
                    f"pattern {pattern!r} names a type that is not among the entity types and"
                    " relationship types; expected is (entity type, relationship type, entity"
                    " type)"
                )

    def entity_type(self, given: str) -> str | None:
        """As the collection spells it; in lower case, or None if strict, where it is another."""
        return _spelling(given, self.entity_types, strict=self.strict)

    def relationship_type(self, given: str) -> str | None:
        """As `entity_type`."""
        return _spelling(given, self.relationship_types, strict=self.strict)

    def allows(self, source_type: str, relationship_type: str, target_type: str) -> bool:
        """Whether a pattern holds; types as `entity_type` and `relationship_type` give them."""
        if not self.strict or not self.patterns:
            return True
        return _folded((source_type, relationship_type, target_type)) in _patterns(self.patterns)

    @property
    def entity_types_in_words(self) -> str:
        """For the prompt."""
        return ", ".join(self.entity_types) or "any, named in a word or two"

    @property
    def in_words(self) -> str:
        """The rest of it, for the prompt: one line a rule."""
        rules: list[str] = []
        if self.entity_types:
            rules.append(
                "Leave out what is of no such type."
                if self.strict
                else "For an entity that matters and is of no such type, name its type in a word."
            )
        if self.relationship_types:
            others = "no others" if self.strict else "others where none of them fits"
            rules.append(f"Types of relationships: {', '.join(self.relationship_types)}; {others}.")
        if self.patterns:
            only = "Only these" if self.strict else "Above all these"
            rules.append(f"{only} relationships (source, relationship, target), by their types:")
            rules.extend(f"- ({', '.join(pattern)})" for pattern in self.patterns)
        return "\n".join(rules)


def _folded(pattern: tuple[str, str, str]) -> tuple[str, str, str]:
    source, relationship, target = pattern
    return source.casefold(), relationship.casefold(), target.casefold()


# Asked for every record of an answer.
@lru_cache(maxsize=64)
def _patterns(patterns: tuple[tuple[str, str, str], ...]) -> frozenset[tuple[str, str, str]]:
    return frozenset(map(_folded, patterns))


@lru_cache(maxsize=64)
def _spellings(types: tuple[str, ...]) -> dict[str, str]:
    return {one.casefold(): one for one in types}


def _spelling(given: str, types: tuple[str, ...], *, strict: bool) -> str | None:
    kind = one_line(given, MAX_TYPE)
    known = _spellings(types)
    if kind.casefold() in known or not known:
        return known.get(kind.casefold(), kind.lower())
    return None if strict else kind.lower()


def _check_types(what: str, types: tuple[str, ...]) -> set[str]:
    if len(types) > MAX_TYPES:
        raise InvalidRequest(f"{len(types):,} {what}; expected are at most {MAX_TYPES}")
    for one in types:
        if not one or one != one_line(one, MAX_TYPE):
            raise InvalidRequest(
                f"{what}: {one!r} is none; expected are 1 to {MAX_TYPE} characters on one line"
            )
    folded = {one.casefold() for one in types}
    if len(folded) < len(types):
        raise InvalidRequest(f"{what}: two are the same but for capitals")
    return folded
