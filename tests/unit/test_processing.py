import pickle
from dataclasses import replace

import pytest

from graphmill import processing
from graphmill.errors import NoText, SettingsError
from graphmill.ids import document_id, text_unit_id
from graphmill.messages import Recipe
from graphmill.models import Method
from graphmill.processing import ProcessSettings, process_document, reading, recipe
from graphmill.settings import LimitSettings

SETTINGS = ProcessSettings(1200, 100, LimitSettings())
FAST = Recipe(Method.FAST, 1200, 100)
_LARGER = Recipe(Method.STANDARD, 2400, 100)


def test_document_becomes_text_units_with_their_extractions() -> None:
    text = "We saw Bob Dylan at the University of Chicago."
    document = process_document(text.encode(), "notes/a.txt", SETTINGS)
    assert document.parsed.text == text
    (unit,) = document.text_units
    assert unit.id == text_unit_id(document_id("notes/a.txt"), 0, text)
    assert [found.titles for found in document.extractions] == [
        ("BOB DYLAN", "UNIVERSITY OF CHICAGO")
    ]


def test_extraction_can_be_left_to_a_model() -> None:
    settings = ProcessSettings(1200, 100, LimitSettings(), extract=False)
    document = process_document(b"We saw Bob Dylan.", "a.txt", settings)
    assert len(document.text_units) == 1
    assert document.extractions == ()


def test_chunk_settings_are_those_given_and_not_the_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRAPHMILL_CHUNK_SIZE", "100000")
    settings = ProcessSettings(50, 0, LimitSettings())
    units = process_document(b"One more word. " * 100, "a.txt", settings).text_units
    assert len(units) > 5
    with pytest.raises(SettingsError):
        process_document(b"word", "a.txt", ProcessSettings(50, 50, LimitSettings()))


@pytest.mark.parametrize("data", [b"", b"  \n\n ", b"--- *** ---"])
def test_document_without_a_word_has_no_text(data: bytes) -> None:
    with pytest.raises(NoText):
        process_document(data, "a.txt", SETTINGS)


def test_what_goes_to_a_process_with_each_document_is_small() -> None:
    task = pickle.dumps((process_document, SETTINGS))
    assert len(task) < 1000
    assert pickle.loads(task)[1] == SETTINGS


@pytest.mark.parametrize("name", ["PARSER_VERSION", "CHUNKER_VERSION", "EXTRACTOR_VERSION"])
def test_recipe_changes_with_every_version(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe(FAST)
    monkeypatch.setattr(processing, name, "another")
    assert recipe(FAST) != before


def test_recipe_changes_with_the_chunks() -> None:
    assert len(recipe(FAST)) == 32
    assert recipe(FAST) == recipe(Recipe(Method.FAST, 1200, 100))
    others = [Recipe(Method.FAST, 1201, 100), Recipe(Method.FAST, 1200, 0)]
    assert len({recipe(FAST), *map(recipe, others)}) == 3


def test_what_a_model_finds_changes_the_recipe_and_not_the_text_units() -> None:
    one = Recipe(Method.STANDARD, 1200, 100, "options", "extraction")
    other = replace(one, options="others", extraction="another")
    assert recipe(one) != recipe(other)
    assert recipe(one) == recipe(replace(one, options="others"))
    assert reading(one, b"1") == reading(other, b"1") == reading(FAST, b"1")
    assert len({reading(one, b"1"), reading(one, b"2"), reading(_LARGER, b"1")}) == 3


def test_claims_change_the_recipe_and_not_the_text_units() -> None:
    one = Recipe(Method.STANDARD, 1200, 100, "options", "extraction")
    others = [replace(one, claims="claims"), replace(one, claims="other claims")]
    assert len({recipe(one), *map(recipe, others)}) == 3
    assert {reading(other, b"1") for other in others} == {reading(one, b"1")}


def test_method_standard_leaves_extraction_to_a_model() -> None:
    without = replace(SETTINGS, extract=False)
    with_fast = process_document(b"Ada Lovelace met Charles Babbage.", "a.txt", SETTINGS)
    found = process_document(b"Ada Lovelace met Charles Babbage.", "a.txt", without)
    assert found.text_units == with_fast.text_units
    assert found.extractions == ()
