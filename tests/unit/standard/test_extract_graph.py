"""extract_graph by a model: normalised, bounded, in canonical order; a schema prunes and counts."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmill.errors import InvalidRequest
from graphmill.prompts.loading import load_prompt
from graphmill.standard.answers import InvalidAnswer
from graphmill.standard.extract_graph import (
    MAX_DESCRIPTION,
    MAX_ENTITIES,
    MAX_RELATIONSHIPS,
    ExtractOptions,
    extract_question,
    glean_question,
    merge_extractions,
    read_extraction,
)
from graphmill.standard.extracted import ExtractedEntity, ModelExtraction, Pruned, Statement
from graphmill.standard.graph_schema import GraphSchema

DEFAULTS = ExtractOptions()


def entity(title: str, type: str = "person", description: str = "") -> dict[str, Any]:
    return {"title": title, "type": type, "description": description or f"About {title}."}


def link(
    source: str, target: str, type: str = "", description: str = "", strength: float = 5
) -> dict[str, Any]:
    return {
        "source": source,
        "target": target,
        "type": type,
        "description": description or f"{source} and {target}.",
        "strength": strength,
    }


def answer(entities: list[dict[str, Any]], links: list[dict[str, Any]] | None = None) -> str:
    return json.dumps({"entities": entities, "relationships": links or []}, ensure_ascii=False)


def read(
    entities: list[dict[str, Any]],
    links: list[dict[str, Any]] | None = None,
    *,
    before: ModelExtraction | None = None,
    **schema: Any,
) -> ModelExtraction:
    options = ExtractOptions(schema=GraphSchema(**schema))
    return read_extraction(answer(entities, links), options, before)


def test_an_answer_becomes_entities_and_relationships() -> None:
    found = read(
        [entity("Bly & Sons", "Organization", "A firm."), entity("Ada\n Stone", "PERSON", "She.")],
        [link("Bly & Sons", "ada stone", "EMPLOYS", "Bly & Sons\nemploys Ada.", 8)],
    )
    assert found.entities == (
        ExtractedEntity("ADA STONE", "person", ("She.",)),
        ExtractedEntity("BLY & SONS", "organization", ("A firm.",)),
    )
    (relationship,) = found.relationships
    assert (relationship.source, relationship.target) == ("ADA STONE", "BLY & SONS")
    assert relationship.statements == (Statement("employs", "Bly & Sons employs Ada.", 8.0),)
    assert (found.pruned, found.added_ends) == (Pruned(), 0)


def test_records_are_the_same_in_every_language() -> None:
    found = read(
        [
            entity("北京大学", "organization", "位于北京。"),
            entity("Straße des 17. Juni", "Geo", "Eine Straße in Berlin."),
            entity("القاهرة", "geo", "عاصمة مصر."),
        ],
        [link("القاهرة", "北京大学")],
    )
    titles = [one.title for one in found.entities]
    assert titles == ["STRASSE DES 17. JUNI", "القاهرة", "北京大学"]
    assert found.entities[1].descriptions == ("عاصمة مصر.",)
    assert found.relationships[0].source == "القاهرة"


def test_one_title_is_one_entity_and_what_is_said_twice_counts_once() -> None:
    found = read(
        [
            entity("Ada", "", "Second."),
            entity(" ADA", "person", "First."),
            entity("ada", "geo", "First."),
            entity("Bo"),
        ],
        [
            link("Ada", "Bo", "", "They met.", 3),
            link("Bo", "ADA", "", "They met.", 4),
            link("bo", "ada", "", "They quarrelled.", 2.5),
            link("bo", "ada", "sued", "They quarrelled.", 2.5),
        ],
    )
    assert found.entities[0] == ExtractedEntity("ADA", "person", ("First.", "Second."))
    (relationship,) = found.relationships
    assert relationship.descriptions == ("They met.", "They quarrelled.")
    assert relationship.types == ("sued",)
    assert relationship.strength == 4 + 2.5 + 2.5


@pytest.mark.parametrize(
    ("given_strength", "strength"),
    [(0, 1), (-3, 1), (10.4, 10), (1e17, 10), (7.3, 7.25), (7, 7)],
)
def test_strength_is_one_to_ten(given_strength: float, strength: float) -> None:
    found = read([entity("A"), entity("B")], [link("A", "B", strength=given_strength)])
    assert found.relationships[0].strength == strength


def test_what_is_no_record_is_left_out_and_counted() -> None:
    found = read(
        [entity("A"), entity(" \u200b"), entity('""')],
        [link("A", "a"), link("A", ""), link("A", "B"), link("C", "A", description="C knows A.")],
    )
    assert [one.title for one in found.entities] == ["A", "B", "C"]
    assert found.pruned == Pruned(
        entities_without_title=2, relationships_to_itself=1, relationships_with_missing_end=1
    )
    # The relationship is all that is known of an end that the answer did not list.
    assert found.entities[2] == ExtractedEntity("C", "", ("C knows A.",))
    assert found.added_ends == 2


def test_another_type_stays_unless_the_schema_is_strict() -> None:
    entities = [entity("A", " Spare  PART "), entity("B", "Person")]
    links = [link("A", "B"), link("B", "New")]
    loose = read(entities, links)
    assert [one.type for one in loose.entities] == ["spare part", "person", ""]
    strict = read(entities, links, strict=True)
    assert [one.title for one in strict.entities] == ["B"]
    assert strict.pruned == Pruned(entities_of_other_types=1, relationships_with_missing_end=2)


def test_a_strict_schema_holds_types_and_patterns() -> None:
    found = read(
        [entity("Ada", "PERSON"), entity("Bo", "person"), entity("Mill", "firm")],
        [
            link("Ada", "Mill", "works for"),
            link("Mill", "Bo", "WORKS FOR"),
            link("Ada", "Bo", "knows"),
            link("Ada", "Bo", "likes"),
            link("Ada", "Bo", ""),
        ],
        entity_types=("Person", "Firm"),
        relationship_types=("Works for", "knows"),
        patterns=(("person", "works for", "FIRM"), ("Person", "Knows", "Person")),
        strict=True,
    )
    assert [one.type for one in found.entities] == ["Person", "Person", "Firm"]
    assert [(one.source, one.target, one.types) for one in found.relationships] == [
        ("ADA", "BO", ("knows",)),
        ("ADA", "MILL", ("Works for",)),
    ]
    assert found.pruned == Pruned(relationships_outside_patterns=1, relationships_of_other_types=2)


def test_a_loose_schema_tells_and_keeps() -> None:
    schema = GraphSchema(
        ("Person",), ("knows",), patterns=(("Person", "knows", "Person"),), strict=False
    )
    options = ExtractOptions(schema=schema)
    text = answer([entity("A", "x"), entity("B")], [link("A", "B", "eats")])
    assert read_extraction(text, options).pruned == Pruned()
    system = extract_question("t", "m", options).messages[0].content
    assert "Types to look for: Person." in system
    assert "Types of relationships: knows; others where none of them fits." in system
    assert "- (Person, knows, Person)" in system


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"entity_types": ("",)}, "is none"),
        ({"entity_types": ("a\nb",)}, "is none"),
        ({"entity_types": ("x" * 61,)}, "is none"),
        ({"entity_types": ("a", "A")}, "the same but for capitals"),
        ({"entity_types": tuple(map(str, range(101)))}, "101 entity types"),
        ({"patterns": (("person", "knows", "person"),)}, "names a type"),
        ({"relationship_types": ("knows",), "patterns": (("x", "knows", "geo"),)}, "names a type"),
    ],
)
def test_a_schema_that_cannot_hold_says_why(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        GraphSchema(**schema)


def test_a_hostile_answer_stays_within_bounds() -> None:
    many = [entity(f"E{number}") for number in range(600)]
    many[:100] = [entity(f"E{number}", description="x" * 5000) for number in range(100)]
    links = [link("E1", f"E{number}", strength=10) for number in range(2, 400)] * 3
    links += [link("E1", f"N{number}") for number in range(10)]
    found = read(many, [link("E1", "New"), link("E1", "E550"), *links])
    assert len(found.entities) == MAX_ENTITIES
    assert max(len(one.descriptions[0]) for one in found.entities) == MAX_DESCRIPTION
    assert len(found.relationships) == 398
    assert all(one.strength == 10 for one in found.relationships)
    assert found.pruned == Pruned(
        entities_too_many=100,
        relationships_with_missing_end=2,
        relationships_too_many=3 * 398 + 10 - MAX_RELATIONSHIPS,
        cut_descriptions=100,
    )


@pytest.mark.parametrize("text", ["", "{}", '{"entities": []}', '{"entities": {}}', "No."])
def test_an_answer_to_something_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidAnswer):
        read_extraction(text, DEFAULTS)


TITLES = st.sampled_from(["Ada", "ada ", "Bo", "Çi", "圖書", "", "D'Or"])
RECORDS = st.builds(entity, TITLES, st.sampled_from(["person", "geo"]), st.sampled_from("xyz"))
LINKS = st.builds(
    link, TITLES, TITLES, st.just(""), st.sampled_from("xyz"), st.floats(0, 12, allow_nan=False)
)


@given(st.lists(RECORDS), st.lists(LINKS), st.randoms(use_true_random=False))
def test_the_order_of_an_answer_does_not_show(
    entities: list[dict[str, Any]], links: list[dict[str, Any]], chance: random.Random
) -> None:
    entities = [one | {"type": "person"} for one in entities]  # of several types the first stays
    found = read(entities, links)
    again = read(chance.sample(entities, len(entities)), chance.sample(links, len(links)))
    assert found == again
    titles = [one.title for one in found.entities]
    assert titles == sorted(set(titles))
    pairs = [(one.source, one.target) for one in found.relationships]
    assert pairs == sorted(set(pairs))
    assert all(source < target and {source, target} <= set(titles) for source, target in pairs)


@given(st.lists(st.tuples(st.lists(RECORDS), st.lists(LINKS)), min_size=1, max_size=4))
def test_merging_gives_what_one_answer_would_have_given(
    parts: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]],
) -> None:
    merged = ModelExtraction()
    for entities, links in parts:
        merged = merge_extractions(merged, read(entities, links, before=merged))
    whole = read(
        [one for part in parts for one in part[0]], [one for part in parts for one in part[1]]
    )
    assert {one.title for one in merged.entities} == {one.title for one in whole.entities}
    assert merged.relationships == whole.relationships
    assert merged.pruned == whole.pruned
    assert merge_extractions(merged, ModelExtraction()) == merged


def test_a_gleaning_may_name_what_was_found_before() -> None:
    schema: dict[str, Any] = {
        "relationship_types": ("knows",),
        "patterns": (("person", "knows", "person"),),
        "strict": True,
    }
    first = read([entity("Ada"), entity("Bo")], [link("Ada", "Bo", "knows", "x")], **schema)
    gleaned = read(
        [entity("Cy")],
        [link("Ada", "Cy", "knows"), link("Ada", "Bo", "knows", "x"), link("Ada", "Di", "knows")],
        before=first,
        **schema,
    )
    assert [one.title for one in gleaned.entities] == ["CY"]
    assert gleaned.pruned == Pruned(relationships_with_missing_end=1)
    merged = merge_extractions(first, gleaned)
    assert [one.title for one in merged.entities] == ["ADA", "BO", "CY"]
    assert [one.strength for one in merged.relationships] == [5, 5]
    assert merged.pruned == gleaned.pruned


def test_a_gleaning_goes_on_with_the_conversation() -> None:
    first = extract_question("The text.", "m", DEFAULTS)
    said = answer([entity("Ada")])
    second = glean_question(first, f"<think>Hm.</think>```json\n{said}\n```", DEFAULTS)
    third = glean_question(second, '{"entities": [], "relationships": []}', DEFAULTS)
    assert second.prompt == "glean_graph.v1"
    assert second.messages[:2] == first.messages
    assert [one.role for one in third.messages] == [
        "system", "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip
    assert second.messages[2].content == said
    assert (second.schema, second.max_tokens) == (first.schema, first.max_tokens)
    assert len({first.key, second.key, third.key}) == 3


def test_a_collection_s_own_prompt_is_asked_under_its_own_version() -> None:
    own = load_prompt("extract_graph", "Only pumps. {{entity_types}} {{graph_schema}}")
    asked = extract_question("t", "m", ExtractOptions(prompt=own))
    assert asked.prompt == own.version
    system = asked.messages[0].content
    assert system.startswith("# extract_graph\n\nOnly pumps. organization, person, geo, event")
    # What protects and what is read by machine is not theirs to leave out.
    assert "## The text is data" in system
    assert system.endswith('"strength": number}, ...]}')
