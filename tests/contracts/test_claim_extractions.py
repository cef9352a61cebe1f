"""Text units are asked for claims: the activity, PostgreSQL and an endpoint over HTTP."""

import json
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from graphmill.models import DocumentState
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts
from tests.contracts.collections import states
from tests.contracts.extracting import OPTIONS, WITH_CLAIMS, ModelCollection
from tests.support.model_endpoint import ModelEndpoint

NAME = "letters.txt"
TEXTS = (
    "Ada Lovelace wrote to Charles Babbage from London in 1843.",
    "Charles Babbage answered Ada Lovelace in Turin.",
)
TABLE = "claim_extractions"
# An answer about the graph, and none about claims.
NO_CLAIMS = 'SIMULATED-MODEL OBEY: {"entities": [], "relationships": []}'


@pytest.fixture
async def collection(
    pool: asyncpg.Pool, model: ModelEndpoint, database_url: str
) -> ModelCollection:
    collection = ModelCollection(pool, model, database_url)
    collection.options = WITH_CLAIMS
    await PostgresCatalog(pool).create_collection(collection.key)
    return collection


async def answered(model: ModelEndpoint) -> dict[str, int]:
    stats = await model.stats()
    return {step: found.answered for step, found in stats.steps.items() if found.answered}


async def test_each_text_unit_is_asked_for_claims_once_and_on_an_account_of_its_own(
    collection: ModelCollection, model: ModelEndpoint
) -> None:
    await collection.wait_with(NAME, TEXTS)
    result = await collection.extract(NAME)
    assert (result.state, result.reason) == (DocumentState.DONE, "")
    assert await answered(model) == {"extract_graph": 4, "extract_claims": 2}
    first, second = await collection.rows(TABLE)
    assert (first["subjects"], first["objects"]) == (["ADA LOVELACE"], ["CHARLES BABBAGE"])
    assert (first["source_texts"], first["failure"]) == ([TEXTS[0]], "")
    assert first["start_dates"] == ["1843-01-01T00:00:00"]
    assert second["start_dates"] == [""]
    use = await PostgresModelAccounts(collection.pool).run_use(collection.run_id)
    assert {step: of.calls for step, of in use.steps.items()} == await answered(model)
    # What is stored is not asked for again, whatever became of the answers.
    await collection.pool.execute("DELETE FROM model_calls")
    await collection.wait_again(NAME)
    assert await collection.extract(NAME) == result
    assert await answered(model) == {"extract_graph": 4, "extract_claims": 2}


async def test_without_the_option_nobody_is_asked_for_claims(
    collection: ModelCollection, model: ModelEndpoint
) -> None:
    collection.options = OPTIONS
    await collection.wait_with(NAME, TEXTS)
    assert (await collection.extract(NAME)).state is DocumentState.DONE
    assert await answered(model) == {"extract_graph": 4}
    assert await collection.rows(TABLE) == []


async def test_asking_for_claims_later_or_for_others_asks_for_nothing_else(
    collection: ModelCollection, model: ModelEndpoint
) -> None:
    collection.options = OPTIONS
    await collection.wait_with(NAME, TEXTS)
    await collection.extract(NAME)
    before = await collection.rows()
    # Not even for stored answers: those may have expired.
    await collection.pool.execute("DELETE FROM model_calls")
    others = replace(WITH_CLAIMS, claim_description="who was in Turin")
    for place, options in enumerate((WITH_CLAIMS, others), start=1):
        collection.options = options
        await collection.wait_again(NAME)
        assert (await collection.extract(NAME)).state is DocumentState.DONE
        assert await answered(model) == {"extract_graph": 4, "extract_claims": 2 * place}
        assert {row["made_by"] for row in await collection.rows(TABLE)} == {options.claims_digest}
    assert await collection.rows() == before
    # Nor does asking for none again.
    collection.options = OPTIONS
    await collection.wait_again(NAME)
    assert (await collection.extract(NAME)).state is DocumentState.DONE
    assert await answered(model) == {"extract_graph": 4, "extract_claims": 4}


async def test_claims_without_a_good_answer_leave_the_document_partial_until_a_retry(
    collection: ModelCollection, model: ModelEndpoint
) -> None:
    await model.change(obedient=True)
    await collection.wait_with(NAME, [TEXTS[0], NO_CLAIMS])
    result = await collection.extract(NAME)
    assert result.state is DocumentState.PARTIAL
    assert result.reason.startswith("model: 1 of 2 text units have no usable answer about claims")
    state = (await states(collection.pool, collection.key))[NAME]
    assert state == f"partial {result.reason}"
    assert all(row["failure"] == "" for row in await collection.rows())
    good, bad = await collection.rows(TABLE)
    assert (good["failure"], bad["subjects"]) == ("", [])
    assert bad["failure"]
    asked = await answered(model)
    assert asked == {"extract_graph": 4, "extract_claims": 1 + 4}

    await model.change(obedient=False)
    assert await PostgresCatalog(collection.pool).retry_failed(collection.key) == 1
    collection.run_id = uuid4()
    assert (await collection.extract(NAME)).state is DocumentState.DONE
    assert await answered(model) == asked | {"extract_claims": asked["extract_claims"] + 1}


async def test_a_document_may_lack_entities_here_and_claims_there(
    collection: ModelCollection, model: ModelEndpoint
) -> None:
    await model.change(obedient=True)
    nothing = "SIMULATED-MODEL OBEY: I would rather not."
    await collection.wait_with(NAME, [TEXTS[0], NO_CLAIMS, nothing])
    result = await collection.extract(NAME)
    assert result.state is DocumentState.PARTIAL
    assert "1 of 3 text units have no usable answer, " in result.reason
    assert "2 of 3 text units have no usable answer about claims, " in result.reason
    # Without a single extraction, claims make no document.
    await collection.wait_with("nothing.txt", [nothing])
    assert (await collection.extract("nothing.txt")).state is DocumentState.FAILED


async def test_what_is_left_out_of_claims_is_counted(
    collection: ModelCollection, model: ModelEndpoint
) -> None:
    await model.change(obedient=True)
    claim = {"type": "x", "description": "It is said.", "status": "TRUE"}
    told = {
        "entities": [],
        "relationships": [],
        "claims": [
            claim | {"subject": "", "object": "Ada"},
            # In the text below it stands as JSON writes it.
            claim | {"subject": "Ada", "start_date": "in spring", "source_text": "Où?"},
        ],
    }
    await collection.wait_with(NAME, [f"SIMULATED-MODEL OBEY: {json.dumps(told)}"])
    assert (await collection.extract(NAME)).state is DocumentState.DONE
    (row,) = await collection.rows(TABLE)
    assert row["subjects"] == ["ADA"]
    assert json.loads(row["left_out"]) == {
        "without_subject": 1,
        "too_many": 0,
        "wrong_dates": 1,
        "wrong_source_texts": 1,
    }


async def test_claims_go_with_the_text_units_they_are_of(
    collection: ModelCollection, model: ModelEndpoint
) -> None:
    await collection.wait_with(NAME, TEXTS)
    await collection.extract(NAME)
    await PostgresCatalog(collection.pool).delete_collection(collection.key)
    assert await collection.pool.fetchval("SELECT count(*) FROM claim_extractions") == 0
