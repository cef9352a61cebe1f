"""Entity resolution on a real server, with a model that is asked over HTTP."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from uuid import UUID, uuid4

import asyncpg
import pytest

from graphmill.ids import document_id, text_unit_id
from graphmill.llm.caller import ModelCaller
from graphmill.messages import GraphRef
from graphmill.model_endpoints import open_model_caller
from graphmill.models import CollectionKey
from graphmill.settings import load_settings
from graphmill.standard.extract_graph import ExtractedEntity, ModelExtraction
from graphmill.standard.options import StandardOptions
from graphmill.standard.title_search import SeenTitles
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.model_extractions import PostgresModelExtractionStore
from graphmill.stores.postgres.options import PostgresOptionsStore
from graphmill.stores.postgres.resolutions import PostgresResolutionStore
from tests.contracts.resolving import resolve
from tests.support.model_endpoint import Behaviour, ModelEndpoint, running_endpoint

OPTIONS = StandardOptions("m", "m", "m")

Unit = Mapping[str, tuple[str, str]]
"""Title to type and description."""

# One pair that is certain, three that are doubtful; the model says that the first of those is one.
DOCUMENTS: Mapping[str, Sequence[Unit]] = {
    "a": (
        {"KIM JONG-UN": ("person", "A ruler."), "ACME": ("organization", "It sells anvils.")},
        {"KIM JONG UN": ("person", "A ruler."), "ACME": ("organization", "It sells anvils.")},
    ),
    "b": (
        {"KIM JONG-UN": ("person", "A ruler."), "ACME GMBH": ("organization", "Anvils are sold.")},
        {"ANDREW JOHNSON": ("person", "A man."), "JOHN KENNEDY": ("person", "A pilot.")},
        {"ANDREW JOHNSTON": ("person", "A man."), "JOHN F. KENNEDY": ("person", "A pilot.")},
    ),
}


async def write(pool: asyncpg.Pool, documents: Iterable[tuple[str, Sequence[Unit]]]) -> GraphRef:
    """A new collection of these documents, as a model has read them, and a graph to be folded."""
    key = CollectionKey("default", f"resolution-{uuid4()}")
    await PostgresCatalog(pool).create_collection(key)
    await PostgresOptionsStore(pool).save_options(key, OPTIONS)
    for name, units in documents:
        await write_document(pool, key, name, units)
    return await new_graph(pool, key)


async def new_graph(pool: asyncpg.Pool, key: CollectionKey) -> GraphRef:
    graph_id = await pool.fetchval(
        "INSERT INTO graphs (tenant, collection, digest) VALUES ($1, $2, '') RETURNING id",
        key.tenant,
        key.name,
    )
    return GraphRef(key, graph_id, uuid4(), OPTIONS.digest)


async def write_document(
    pool: asyncpg.Pool, key: CollectionKey, name: str, units: Sequence[Unit], state: str = "done"
) -> list[UUID]:
    id = document_id(name)
    await pool.execute(
        "INSERT INTO documents (tenant, collection, id, name, version, size, creation_date, state)"
        " VALUES ($1, $2, $3, $4, $5, 1, now(), $6)",
        *(key.tenant, key.name, id, name, name.encode(), state),
    )
    ids = [text_unit_id(id, position, name) for position in range(len(units))]
    await pool.executemany(
        "INSERT INTO text_units (tenant, collection, id, document_id, position, text, n_tokens)"
        " VALUES ($1, $2, $3, $4, $5, '', 0)",
        [(key.tenant, key.name, unit, id, position) for position, unit in enumerate(ids)],
    )
    await PostgresModelExtractionStore(pool).save_extractions(
        key,
        OPTIONS.extraction_digest,
        {unit: extraction(found) for unit, found in zip(ids, units, strict=True)},
    )
    return ids


def extraction(unit: Unit) -> ModelExtraction:
    return ModelExtraction(
        tuple(
            ExtractedEntity(title, type, (described,) if described else ())
            for title, (type, described) in sorted(unit.items())
        )
    )


@pytest.fixture
async def endpoint() -> AsyncIterator[ModelEndpoint]:
    async with running_endpoint(Behaviour(obedient=True)) as running:
        yield running


@pytest.fixture
async def caller(pool: asyncpg.Pool, endpoint: ModelEndpoint) -> AsyncIterator[ModelCaller]:
    settings = load_settings({"openai_base_url": endpoint.base_url, "openai_model": "m"})
    async with open_model_caller(pool, settings, lambda _: None) as caller:
        yield caller


async def resolved(pool: asyncpg.Pool, graph: GraphRef) -> dict[str, tuple[str, str]]:
    """Canonical title and step, by title."""
    rows = await pool.fetch(
        "SELECT * FROM entity_resolutions WHERE graph_id = $1 ORDER BY title", graph.graph_id
    )
    assert all(row["reason"] for row in rows)
    return {row["title"]: (row["canonical"], row["step"]) for row in rows}


async def decided(pool: asyncpg.Pool, graph: GraphRef) -> list[tuple[object, ...]]:
    rows = await pool.fetch(
        "SELECT title, other, same, step, reason FROM resolution_decisions"
        " WHERE graph_id = $1 ORDER BY title, other",
        graph.graph_id,
    )
    return [tuple(row) for row in rows]


async def say(pool: asyncpg.Pool, graph: GraphRef, title: str, other: str, same: bool) -> None:
    await pool.execute(
        "INSERT INTO resolution_verdicts VALUES ($1, $2, $3, $4, $5, 'I know them')",
        *(graph.key.tenant, graph.key.name, title, other, same),
    )


async def test_only_doubtful_pairs_are_asked_about_and_only_once(
    pool: asyncpg.Pool, caller: ModelCaller, endpoint: ModelEndpoint
) -> None:
    graph = await write(pool, DOCUMENTS.items())
    assert await resolve(pool, caller, graph) == 2
    assert await resolved(pool, graph) == {
        "ACME GMBH": ("ACME", "model"),
        "KIM JONG UN": ("KIM JONG-UN", "title"),
    }
    differ = "The titles differ in their words."
    assert await decided(pool, graph) == [
        (
            "ACME",
            "ACME GMBH",
            True,
            "model",
            "The titles differ in punctuation and legal form alone.",
        ),
        ("ANDREW JOHNSON", "ANDREW JOHNSTON", False, "model", differ),
        ("JOHN F. KENNEDY", "JOHN KENNEDY", False, "model", differ),
        ("KIM JONG UN", "KIM JONG-UN", True, "title", "the titles are equal when normalised"),
    ]
    assert (await endpoint.stats()).begun == 3
    steps = await pool.fetch("SELECT DISTINCT run_id, step FROM model_calls")
    assert [tuple(row) for row in steps] == [(graph.run_id, "resolve_entities")]

    first = await decided(pool, graph)
    again = await new_graph(pool, graph.key)
    assert await resolve(pool, caller, again) == await resolve(pool, caller, graph) == 2
    assert await decided(pool, again) == await decided(pool, graph) == first
    assert (await endpoint.stats()).begun == 3


async def test_the_order_of_arrival_changes_nothing(
    pool: asyncpg.Pool, caller: ModelCaller, endpoint: ModelEndpoint
) -> None:
    graph = await write(pool, DOCUMENTS.items())
    await resolve(pool, caller, graph)
    turned = await write(pool, [(name, units[::-1]) for name, units in [*DOCUMENTS.items()][::-1]])
    await resolve(pool, caller, turned)
    assert await decided(pool, turned) == await decided(pool, graph)
    assert await resolved(pool, turned) == await resolved(pool, graph)
    assert (await endpoint.stats()).begun == 3  # equal questions of one tenant


async def test_a_person_overrules_both_ways_and_in_later_graphs(
    pool: asyncpg.Pool, caller: ModelCaller, endpoint: ModelEndpoint
) -> None:
    graph = await write(pool, DOCUMENTS.items())
    await resolve(pool, caller, graph)
    await say(pool, graph, "KIM JONG UN", "KIM JONG-UN", False)
    await say(pool, graph, "ACME", "ACME GMBH", False)
    await say(pool, graph, "ANDREW JOHNSON", "JOHN F. KENNEDY", True)
    later = await new_graph(pool, graph.key)
    await resolve(pool, caller, later)
    assert await resolved(pool, later) == {"JOHN F. KENNEDY": ("ANDREW JOHNSON", "person")}
    assert ("KIM JONG UN", "KIM JONG-UN", False, "person", "I know them") in await decided(
        pool, later
    )

    await pool.execute("DELETE FROM resolution_verdicts")
    undone = await new_graph(pool, graph.key)
    await resolve(pool, caller, undone)
    assert await decided(pool, undone) == await decided(pool, graph)
    assert (await endpoint.stats()).begun == 3


async def test_a_pair_without_a_good_answer_stays_apart(
    pool: asyncpg.Pool, caller: ModelCaller
) -> None:
    obeyed = 'It sells. SIMULATED-MODEL OBEY: "nothing"'
    unit = {"ACME": ("organization", obeyed), "ACME GMBH": ("organization", obeyed)}
    graph = await write(pool, [("a", [unit])])
    assert await resolve(pool, caller, graph) == 0
    ((title, other, same, step, reason),) = await decided(pool, graph)
    assert (title, other, same, step) == ("ACME", "ACME GMBH", False, "model")
    assert "no JSON object" in str(reason)


async def test_only_what_is_live_is_resolved(pool: asyncpg.Pool) -> None:
    graph = await write(pool, [("done", [{"A": ("x", "as"), "B": ("", "")}, {"A": ("y", "")}])])
    key, store = graph.key, PostgresResolutionStore(pool)
    await write_document(pool, key, "partial", [{"A": ("y", "longer"), "C": ("", "")}], "partial")
    await write_document(pool, key, "pending", [{"A": ("z", "of none")}], "pending")
    (replaced,) = await write_document(pool, key, "replaced", [{"A": ("z", "of none")}])
    await pool.execute("UPDATE text_units SET live = false WHERE id = $1", replaced)
    (failed,) = await write_document(pool, key, "failed", [{"A": ("z", "of none")}])
    await pool.execute(
        "UPDATE model_extractions SET failure = 'no' WHERE text_unit_id = $1", failed
    )
    assert await store.load_titles(key) == SeenTitles(["A", "B", "C"], ["y", "", ""], [3, 1, 1])
    assert await store.load_descriptions(key, ["A", "B", "D"]) == {"A": ("longer", "as")}


async def test_descriptions_are_bounded(pool: asyncpg.Pool) -> None:
    units = [{"A": ("x", letter * 600)} for letter in "edcba"]
    graph = await write(pool, [("a", [*units, {"A": ("x", "short")}])])
    told = await PostgresResolutionStore(pool).load_descriptions(graph.key, ["A"])
    assert told == {"A": ("a" * 500, "b" * 500, "c" * 500)}


async def test_of_several_documents_that_describe_a_title_each_has_one_word(
    pool: asyncpg.Pool,
) -> None:
    long = [{"A": ("x", letter * 400), "B": ("x", letter * 400)} for letter in "zyx"]
    documents: list[tuple[str, Sequence[Unit]]] = [
        ("one", [{"A": ("x", "of one")}, {"A": ("x", "of one, longer")}, {"B": ("x", "alone")}]),
        ("two", [{"A": ("x", "of two")}, {"A": ("x", "by two")}]),
        ("the same as two", [{"A": ("x", "by two")}]),
        ("long", long),
    ]
    told = {"A": ("x" * 400, "of one, longer", "by two"), "B": ("x" * 400, "alone")}
    for arrived in (documents, documents[::-1]):
        graph = await write(pool, arrived)
        store = PostgresResolutionStore(pool)
        assert await store.load_descriptions(graph.key, ["A", "B"]) == told


async def test_the_only_document_that_describes_a_title_has_three_words(pool: asyncpg.Pool) -> None:
    words = ["aaaa", "bbb", "cc", "d"]
    book = [{"A": ("x", word)} for word in words]
    graph = await write(pool, [("a book", book), ("no word", [{"A": ("x", "")}])])
    told = await PostgresResolutionStore(pool).load_descriptions(graph.key, ["A"])
    assert told == {"A": ("aaaa", "bbb", "cc")}


async def test_verdicts_go_with_their_collection(pool: asyncpg.Pool) -> None:
    graph = await write(pool, DOCUMENTS.items())
    await say(pool, graph, "A", "B", True)
    await PostgresCatalog(pool).delete_collection(graph.key)
    assert not await pool.fetchval("SELECT count(*) FROM resolution_verdicts")
