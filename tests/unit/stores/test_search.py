import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from graphmill.embedding import LocalEmbedder
from graphmill.errors import InvalidRequest, NotFound
from graphmill.models import Answer, CollectionKey
from graphmill.search import SearchEmbedder, basic_search, local_search
from graphmill.search.answers import NOTHING_FOUND
from graphmill.stores.postgres.search import PostgresSearchStore
from tests.published_graph import publish

KEY = CollectionKey("default", "files")
LOCAL = LocalEmbedder()
EMBEDDER = SearchEmbedder(LOCAL)
Search = Callable[..., Awaitable[Answer]]
SEARCHES = pytest.mark.parametrize("search", [basic_search, local_search])

RIVER = b"""# Bubye River

The Bubye River is a tributary of the Limpopo River in the Beitbridge District of Zimbabwe.
"""
FALLS = b"""# Victoria Falls

Victoria Falls is the largest waterfall of Zimbabwe, and lies on the Zambezi.
"""
OTHER_FALLS = b"""# Metlako Falls

Metlako Falls is a waterfall on Eagle Creek in Hood River County, Oregon.
"""
BREAD = b"""# Bread

Knead the dough of the loaf for ten minutes and bake it for an hour.
"""
VISITORS = b"""# Visitors

Victoria Falls draws most visitors of Zimbabwe, and the Bubye River few.
"""
FILES = {
    "visitors.md": VISITORS,
    "river.md": RIVER,
    "falls.md": FALLS,
    "oregon.md": OTHER_FALLS,
    "bread.md": BREAD,
}


@pytest.fixture
async def store(pool: asyncpg.Pool, tenant_pool: asyncpg.Pool) -> PostgresSearchStore:
    await publish(pool, KEY, FILES)
    return PostgresSearchStore(tenant_pool)


@pytest.fixture
async def dossier(
    pool: asyncpg.Pool, tenant_pool: asyncpg.Pool, project_root: Path
) -> PostgresSearchStore:
    folder = project_root / "examples" / "dossier"
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    await publish(pool, KEY, files)
    return PostgresSearchStore(tenant_pool)


async def test_local_search_follows_an_entity_to_a_second_document(
    store: PostgresSearchStore,
) -> None:
    question = "What is the waterfall in the country where the Bubye River is found?"
    answer = await local_search(store, EMBEDDER, KEY, question)
    assert [citation.title for citation in answer.citations][:2] == [
        "Bubye River",
        "Victoria Falls",
    ]
    assert "ZIMBABWE" in [entity.title for entity in answer.entities]


async def test_the_sample_dossier_s_questions_are_answered_from_two_documents(
    dossier: PostgresSearchStore, project_root: Path
) -> None:
    searches = {"local": local_search, "basic": basic_search}
    questions = json.loads((project_root / "examples" / "questions.json").read_text())
    assert len(questions) >= 3
    for question in questions:
        answer = await searches[question["mode"]](dossier, EMBEDDER, KEY, question["question"])
        for words in question["expect"]:
            assert words in answer.answer, question
        assert len({citation.document_id for citation in answer.citations}) >= 2, question


async def test_two_accounts_that_differ_are_said_to(dossier: PostgresSearchStore) -> None:
    question = "Was hatch number two of the Marrowind closed when she left Port Ellisand?"
    answer = await local_search(dossier, EMBEDDER, KEY, question)
    assert "These accounts differ" in answer.answer


@SEARCHES
async def test_citations_are_numbered_and_quote_their_text_units(
    search: Search, dossier: PostgresSearchStore, pool: asyncpg.Pool
) -> None:
    question = "Who owned the cargo of the Marrowind, and who insured it?"
    answer = await search(dossier, EMBEDDER, KEY, question)
    numbers = [citation.number for citation in answer.citations]
    assert numbers == list(range(1, len(numbers) + 1))
    for citation in answer.citations:
        assert f"[{citation.number}]" in answer.answer
        row = await pool.fetchrow(
            "SELECT document_id, first_page FROM text_units WHERE id = $1", citation.text_unit_id
        )
        assert row is not None
        assert (row["document_id"], row["first_page"]) == (citation.document_id, citation.page)


@SEARCHES
async def test_the_same_question_gets_the_same_answer(
    search: Search, dossier: PostgresSearchStore
) -> None:
    question = "Where did the survey ship Lodestar find the wreck of the Marrowind?"
    one = await search(dossier, EMBEDDER, KEY, question)
    assert one == await search(dossier, SearchEmbedder(LocalEmbedder()), KEY, question)


@SEARCHES
@pytest.mark.parametrize("question", ["Who won the chess tournament of Reykjavik?", "¿¡…!?", "ΩΩΩ"])
async def test_a_question_about_something_else_finds_nothing(
    search: Search, store: PostgresSearchStore, question: str
) -> None:
    answer = await search(store, EMBEDDER, KEY, question)
    assert (answer.answer, answer.citations) == (NOTHING_FOUND, ())


@SEARCHES
async def test_a_collection_without_a_graph_says_so(
    search: Search, tenant_pool: asyncpg.Pool
) -> None:
    await tenant_pool.execute("INSERT INTO collections (tenant, name) VALUES ('default', 'files')")
    answer = await search(PostgresSearchStore(tenant_pool), EMBEDDER, KEY, "Who?")
    assert "no published graph yet" in answer.answer
    assert answer.citations == ()


@SEARCHES
async def test_what_cannot_be_asked_is_refused(search: Search, store: PostgresSearchStore) -> None:
    with pytest.raises(NotFound, match="no collection 'nowhere'"):
        await search(store, EMBEDDER, CollectionKey("default", "nowhere"), "Who?")
    with pytest.raises(NotFound):
        await search(store, EMBEDDER, CollectionKey("other", "files"), "Who?")
    with pytest.raises(InvalidRequest, match="empty"):
        await search(store, EMBEDDER, KEY, " ")


@SEARCHES
@pytest.mark.parametrize(
    "question",
    [
        "'; DROP TABLE text_units; -- Bubye River",
        "where is the Bubye River? & | ! <-> :* ( ) \\ ' \" default/files",
        "Bubye River'::tsquery || $1 %s {0}",
        "Fluß 河 река נהר نهر แม่น้ำ Zimbabwe 🏞️ river",
        "river " * 300,
    ],
)
async def test_hostile_questions_and_any_language_are_only_words(
    search: Search, store: PostgresSearchStore, pool: asyncpg.Pool, question: str
) -> None:
    answer = await search(store, EMBEDDER, KEY, question)
    assert "Bubye River" in [citation.title for citation in answer.citations]
    assert await pool.fetchval("SELECT count(*) FROM text_units") == len(FILES)


async def test_words_are_matched_in_this_collection_s_published_graph_only(
    store: PostgresSearchStore, pool: asyncpg.Pool
) -> None:
    for key in (CollectionKey("default", "elsewhere"), CollectionKey("other", "files")):
        await publish(pool, key, FILES | {"more.md": b"Another river, the Limpopo River."})
    async with store.snapshot(KEY) as graph:
        assert graph is not None
        matches = await graph.match_words(["rivers", "the", "nowhere", "limpopo"], 10)
    assert matches.total == len(FILES)
    # "Hood River County" is a river to a stemmer.
    assert matches.frequencies == (3, 0, 0, 1)
    assert list(matches.words_of.values()) == [frozenset({0, 3}), frozenset({0}), frozenset({0})]


async def test_matches_and_neighbours_are_limited_best_first(store: PostgresSearchStore) -> None:
    vector = LOCAL.embed(["a waterfall"])[0]
    async with store.snapshot(KEY) as graph:
        assert graph is not None
        matches = await graph.match_words(["river", "limpopo"], 1)
        nearest = await graph.nearest_text_units(LOCAL.model, vector, 2)
        passages = await graph.passages(list(nearest))
        assert await graph.similarities(LOCAL.model, vector, list(nearest)) == nearest
        assert await graph.nearest_text_units("another model", vector, 2) == {}
    assert list(matches.words_of.values()) == [frozenset({0, 1})]
    assert {passages[id].document_name for id in nearest} == {"falls.md", "oregon.md"}
    assert list(nearest.values()) == sorted(nearest.values(), reverse=True)


async def test_a_search_sees_one_graph_while_another_is_published(
    store: PostgresSearchStore, pool: asyncpg.Pool
) -> None:
    async with store.snapshot(KEY) as graph:
        assert graph is not None
        await publish(pool, KEY, {"later.md": b"A later river."})
        assert (await graph.match_words(["river"], 10)).total == len(FILES)
    async with store.snapshot(KEY) as graph:
        assert graph is not None
        assert (await graph.match_words(["river"], 10)).total == len(FILES) + 1


async def test_words_are_found_by_the_index_even_in_a_fresh_table(
    store: PostgresSearchStore, pool: asyncpg.Pool
) -> None:
    """A sequential scan would stem every text of the database for every word."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        rows = await connection.fetch(
            "EXPLAIN SELECT id FROM text_units WHERE text_unit_terms(tenant, collection, text)"
            " @@ 'river & ''default/files'''::tsquery"
        )
    assert any("text_units_by_terms" in row[0] for row in rows)


async def test_a_text_unit_of_any_size_can_be_stored(pool: asyncpg.Pool) -> None:
    """A row whose terms do not fit into a tsvector would be refused."""
    await pool.execute("INSERT INTO collections (tenant, name) VALUES ('default', 'files')")
    for i, text in enumerate(
        (" ".join(f"w{n}" for n in range(300_000)), "𝒜" * 3_000_000, "é" * 2_000 + " ")
    ):
        await pool.execute(
            "INSERT INTO text_units (tenant, collection, id, document_id, position, text, n_tokens)"
            " VALUES ('default', 'files', $1, $1, 0, $2, 1)",
            UUID(int=i),
            text,
        )
