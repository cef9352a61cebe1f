"""How far a store is behind, whatever happens to it and to its collection."""

import asyncpg
import pytest

from graphmill.models import CollectionKey
from graphmill.stores.postgres.projection_standings import PostgresProjectionStandings

KEY = CollectionKey("default", "files")


@pytest.fixture
async def standings(pool: asyncpg.Pool) -> PostgresProjectionStandings:
    await pool.execute("INSERT INTO collections (tenant, name) VALUES ('default', 'files')")
    return PostgresProjectionStandings(pool)


async def publish(pool: asyncpg.Pool, version: str, ago: str) -> None:
    await pool.execute(
        "WITH made AS (INSERT INTO graphs"
        " (tenant, collection, digest, published, published_at, version)"
        " VALUES ('default', 'files', '', true, now() - $2::text::interval, $1) RETURNING id)"
        " UPDATE collections SET graph_id = (SELECT id FROM made)",
        version,
        ago,
    )


async def lag(standings: PostgresProjectionStandings) -> float | None:
    (found,) = await standings.load(KEY)
    return None if found.behind_seconds is None else round(found.behind_seconds)


async def test_a_store_stays_behind_since_the_first_graph_that_it_did_not_take(
    standings: PostgresProjectionStandings, pool: asyncpg.Pool
) -> None:
    await publish(pool, "1", "5 days")
    await standings.expect(KEY, ["Neo4j"])
    await standings.note_failed(KEY, "Neo4j", "away")
    # An alert on the lag would never come, if each new graph began it anew.
    await publish(pool, "2", "1 minute")
    await standings.expect(KEY, ["Neo4j"])
    assert await lag(standings) == 5 * 24 * 3600
    (figures,) = await standings.figures()
    assert (figures.behind, figures.failing) == (1, 1)
    await standings.note_synced(KEY, "Neo4j", "2")
    assert await lag(standings) is None
    await publish(pool, "3", "1 minute")
    assert await lag(standings) == 60


async def test_a_store_that_was_forgotten_meanwhile_is_told_of_again(
    standings: PostgresProjectionStandings, pool: asyncpg.Pool
) -> None:
    await publish(pool, "1", "1 minute")
    await standings.expect(KEY, ["Neo4j"])
    await standings.forget(KEY, "Neo4j")
    await standings.note_failed(KEY, "Neo4j", "away")
    assert await lag(standings) == 60
    await standings.forget(KEY, "Neo4j")
    await standings.note_synced(KEY, "Neo4j", "1")
    assert await lag(standings) is None
    assert await standings.is_held(KEY)
