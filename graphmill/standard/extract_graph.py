"""extract_graph with a model: entities and relationships of one text unit, and what was missed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial

from graphmill.llm.calls import Message, Question
from graphmill.prompts.loading import Prompt, load_prompt
from graphmill.standard.answers import find_object, read_answer
from graphmill.standard.cleaning import one_line, to_title
from graphmill.standard.extracted import (
    STRENGTH_STEPS,
    ExtractedEntity,
    ExtractedRelationship,
    ModelExtraction,
    Pruned,
    Statement,
)
from graphmill.standard.graph_schema import GraphSchema
from graphmill.standard.questions import ask
from graphmill.standard.schemas import (
    EXTRACT_GRAPH,
    EntityAnswer,
    GraphAnswer,
    RelationshipAnswer,
)

READER_VERSION = "1"
"""For cache keys: changes whenever the same answer may be read otherwise."""

# Of one answer, in the order of the answer.
MAX_ENTITIES = 500
MAX_RELATIONSHIPS = 1_000
MAX_DESCRIPTION = 4_000

MIN_STRENGTH, MAX_STRENGTH = 1.0, 10.0


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """`language` of the descriptions, "" for the text's own; `max_tokens` of an answer."""

    schema: GraphSchema = field(default_factory=GraphSchema)
    language: str = ""
    prompt: Prompt = field(default_factory=partial(load_prompt, "extract_graph"))
    glean_prompt: Prompt = field(default_factory=partial(load_prompt, "glean_graph"))
    max_tokens: int = 8192


def extract_question(text: str, model: str, options: ExtractOptions) -> Question:
    """What entities and relationships there are in a text unit's text.

    Raises:
        InvalidRequest: the language is no name of a language.
    """
    values = {
        "entity_types": options.schema.entity_types_in_words,
        "graph_schema": options.schema.in_words,
    }
    return ask(
        options.prompt,
        values,
        EXTRACT_GRAPH,
        text,
        model=model,
        language=options.language,
        max_tokens=options.max_tokens,
    )


def glean_question(before: Question, answer: str, options: ExtractOptions) -> Question:
    """What the answer to `before` (the first question or a gleaning) has missed.

    Raises:
        InvalidAnswer: there is no JSON object in the answer.
    """
    asked = options.glean_prompt
    messages = (
        *before.messages,
        # Without the thoughts and words around it, which cost tokens and say nothing more.
        Message("assistant", find_object(answer)),
        Message("user", asked.fill({})),
    )
    return Question(
        asked.version, before.model, messages, before.schema, before.max_tokens, before.temperature
    )


def read_extraction(
    text: str, options: ExtractOptions, before: ModelExtraction | None = None
) -> ModelExtraction:
    """What an answer says, normalised, in canonical order, within bounds.

    Args:
        before: of a gleaning, all that was found before it, whose entities its relationships may
            name. What is returned is the gleaning's own part, for `merge_extractions`.

    Raises:
        InvalidAnswer: it is no answer to the question.
    """
    answer = read_answer(text, GraphAnswer)
    found = _Found(options.schema, before or ModelExtraction())
    for entity in answer.entities:
        found.add_entity(entity)
    for relationship in answer.relationships:
        found.add_relationship(relationship)
    return found.extraction()


def merge_extractions(first: ModelExtraction, *gleanings: ModelExtraction) -> ModelExtraction:
    """One extraction of a text unit from all answers about it: what is said twice counts once."""
    entities: dict[str, _Entity] = {}
    statements: dict[tuple[str, str], _Statements] = {}
    pruned, added_ends = Pruned(), 0
    for extraction in (first, *gleanings):
        pruned += extraction.pruned
        added_ends += extraction.added_ends
        for entity in extraction.entities:
            merged = entities.setdefault(entity.title, _Entity())
            merged.add(entity.type, entity.descriptions)
        for relationship in extraction.relationships:
            pair = relationship.source, relationship.target
            for one in relationship.statements:
                statements.setdefault(pair, _Statements()).add(one)
    return _extraction(entities, statements, pruned, added_ends)


@dataclass(slots=True)
class _Entity:
    type: str = ""
    descriptions: set[str] = field(default_factory=set[str])

    def add(self, type: str, descriptions: Iterable[str]) -> None:
        """The first type that there is stays: an answer lists what is certain first."""
        self.type = self.type or type
        self.descriptions.update(filter(None, descriptions))


@dataclass(slots=True)
class _Statements:
    strengths: dict[tuple[str, str], float] = field(
        default_factory=dict[tuple[str, str], float],
    )

    def add(self, one: Statement) -> None:
        key = one.type, one.description
        self.strengths[key] = max(one.strength, self.strengths.get(key, 0.0))


class _Found:
    """Takes the records of one answer in their order, and counts those it leaves out."""

    def __init__(self, schema: GraphSchema, before: ModelExtraction) -> None:
        self._schema = schema
        self._types_before = {entity.title: entity.type for entity in before.entities}
        self._entities: dict[str, _Entity] = {}
        self._statements: dict[tuple[str, str], _Statements] = {}
        self._relationships = 0
        self._added_ends: set[str] = set()
        self._pruned = dict.fromkeys((one.name for one in fields(Pruned)), 0)

    def add_entity(self, answer: EntityAnswer) -> None:
        title = to_title(answer.title)
        type = self._schema.entity_type(answer.type)
        if not title:
            self._pruned["entities_without_title"] += 1
        elif type is None:
            self._pruned["entities_of_other_types"] += 1
        elif title not in self._entities and len(self._entities) == MAX_ENTITIES:
            self._pruned["entities_too_many"] += 1
        else:
            entity = self._entities.setdefault(title, _Entity())
            entity.add(type, [self._description(answer.description)])

    def add_relationship(self, answer: RelationshipAnswer) -> None:
        source, target = to_title(answer.source), to_title(answer.target)
        type = self._schema.relationship_type(answer.type)
        if not source or not target:
            self._pruned["relationships_with_missing_end"] += 1
        elif source == target:
            self._pruned["relationships_to_itself"] += 1
        elif type is None:
            self._pruned["relationships_of_other_types"] += 1
        elif self._relationships == MAX_RELATIONSHIPS:
            self._pruned["relationships_too_many"] += 1
        elif not self._may_end_in(source, target):
            self._pruned["relationships_with_missing_end"] += 1
        elif not self._schema.allows(self._type(source), type, self._type(target)):
            self._pruned["relationships_outside_patterns"] += 1
        else:
            description = self._description(answer.description)
            self._add_missing((source, target), description)
            pair = (source, target) if source < target else (target, source)
            statement = Statement(type, description, _strength(answer.strength))
            self._statements.setdefault(pair, _Statements()).add(statement)
            self._relationships += 1

    def extraction(self) -> ModelExtraction:
        return _extraction(
            self._entities, self._statements, Pruned(**self._pruned), len(self._added_ends)
        )

    def _known(self, title: str) -> bool:
        return title in self._entities or title in self._types_before

    def _type(self, title: str) -> str:
        if self._types_before.get(title):
            return self._types_before[title]
        return self._entities[title].type if title in self._entities else ""

    def _may_end_in(self, source: str, target: str) -> bool:
        missing = sum(not self._known(end) for end in (source, target))
        # What a strict schema has no type for is no entity.
        allowed = not (self._schema.strict and self._schema.entity_types)
        return not missing or (allowed and len(self._entities) + missing <= MAX_ENTITIES)

    def _add_missing(self, ends: tuple[str, str], description: str) -> None:
        """What relationships say is then all that is known of them."""
        for end in ends:
            if not self._known(end):
                self._entities[end] = _Entity()
                self._added_ends.add(end)
            if end in self._added_ends:
                self._entities[end].add("", [description])

    def _description(self, given: str) -> str:
        whole = one_line(given, len(given))
        self._pruned["cut_descriptions"] += len(whole) > MAX_DESCRIPTION
        return whole[:MAX_DESCRIPTION].rstrip()


def _strength(given: float) -> float:
    bounded = min(max(given, MIN_STRENGTH), MAX_STRENGTH)
    return round(bounded * STRENGTH_STEPS) / STRENGTH_STEPS


def _extraction(
    entities: Mapping[str, _Entity],
    statements: Mapping[tuple[str, str], _Statements],
    pruned: Pruned,
    added_ends: int,
) -> ModelExtraction:
    return ModelExtraction(
        tuple(
            ExtractedEntity(title, entity.type, tuple(sorted(entity.descriptions)))
            for title, entity in sorted(entities.items())
        ),
        tuple(
            ExtractedRelationship(
                source,
                target,
                tuple(Statement(*key, strength) for key, strength in sorted(of.strengths.items())),
            )
            for (source, target), of in sorted(statements.items())
        ),
        pruned,
        added_ends,
    )
