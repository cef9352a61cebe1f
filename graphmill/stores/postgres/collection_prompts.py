"""A collection's own prompts in PostgreSQL, and text to draft some from."""

import json
from uuid import UUID

import asyncpg

from graphmill.errors import NotFound
from graphmill.models import CollectionKey
from graphmill.standard.collection_prompts import CollectionPrompts


class PostgresPromptStore:
    """What stands under a version never changes; which one is in force does."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def load_prompts(self, key: CollectionKey) -> CollectionPrompts:
        """Those in force.

        Raises:
            NotFound: there is no such collection.
        """
        row = await self._pool.fetchrow(
            "SELECT p.content FROM collections c LEFT JOIN collection_prompts p"
            " ON p.tenant = c.tenant AND p.collection = c.name AND p.version = c.prompts"
            " WHERE c.tenant = $1 AND c.name = $2",
            key.tenant,
            key.name,
        )
        if row is None:
            raise _no_collection(key)
        return _read(row["content"])

    async def load_version(self, key: CollectionKey, version: str) -> CollectionPrompts:
        """
        Raises:
            NotFound: nothing is stored under this version.
        """
        row = await self._pool.fetchrow(
            "SELECT content FROM collection_prompts"
            " WHERE tenant = $1 AND collection = $2 AND version = $3",
            key.tenant,
            key.name,
            version,
        )
        if row is None:
            raise NotFound(f"collection {key.name!r} has no prompts of version {version!r}")
        return _read(row["content"])

    async def save_prompts(self, key: CollectionKey, prompts: CollectionPrompts) -> None:
        """Under their version; they are not in force by that.

        Raises:
            NotFound: there is no such collection.
        """
        try:
            await self._pool.execute(
                "INSERT INTO collection_prompts (tenant, collection, version, content)"
                " VALUES ($1, $2, $3, $4::jsonb) ON CONFLICT DO NOTHING",
                key.tenant,
                key.name,
                prompts.version,
                json.dumps(prompts.to_json(), ensure_ascii=False),
            )
        except asyncpg.ForeignKeyViolationError:
            raise _no_collection(key) from None

    async def use_prompts(self, key: CollectionKey, version: str) -> None:
        """A stored version is in force from now on; "": none is.

        Raises:
            NotFound: there is no such collection, or nothing is stored under this version.
        """
        try:
            known = await self._pool.fetchval(
                "UPDATE collections SET prompts = nullif($3, '')"
                " WHERE tenant = $1 AND name = $2 RETURNING true",
                key.tenant,
                key.name,
                version,
            )
        except asyncpg.ForeignKeyViolationError:
            raise NotFound(
                f"collection {key.name!r} has no prompts of version {version!r}"
            ) from None
        if not known:
            raise _no_collection(key)

    async def open_tuning(self, key: CollectionKey, id: UUID, budget_usd: float | None) -> None:
        """Write down what a tuning may cost. Done again, it changes nothing.

        Raises:
            NotFound: there is no such collection.
        """
        try:
            await self._pool.execute(
                "INSERT INTO prompt_tunings VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                id,
                key.tenant,
                key.name,
                None if budget_usd is None else round(budget_usd * 1e9),
            )
        except asyncpg.ForeignKeyViolationError:
            raise _no_collection(key) from None

    async def sample(self, key: CollectionKey, most: int) -> tuple[str, ...]:
        """Texts of so many live text units, of all where there are fewer.

        By their ids, which are digests: as good as drawn by lot, and the same each time.
        """
        rows = await self._pool.fetch(
            "SELECT text FROM text_units WHERE tenant = $1 AND collection = $2 AND live"
            " ORDER BY id LIMIT $3",
            key.tenant,
            key.name,
            most,
        )
        return tuple(row["text"] for row in rows)


def _read(content: str | None) -> CollectionPrompts:
    if content is None:
        return CollectionPrompts()
    return CollectionPrompts.from_json(json.loads(content))


def _no_collection(key: CollectionKey) -> NotFound:
    return NotFound(
        f"collection {key.name!r} of tenant {key.tenant!r} does not exist; it comes to be with its"
        f" first documents: graphmill index PATH --collection {key.name}"
    )
