"""A collection's own prompts in PostgreSQL, and text to draft some from."""

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from graphmill.errors import InvalidRequest, NotFound
from graphmill.models import CollectionKey
from graphmill.standard.collection_prompts import CollectionPrompts


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """`prompts`: None where this release wants other placeholders than the one that stored them."""

    version: str
    stored_at: datetime
    prompts: CollectionPrompts | None


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
            raise _no_version(key, version)
        return _read(row["content"])

    async def find_version(self, key: CollectionKey, begins: str) -> str:
        """The one version that begins so.

        Raises:
            InvalidRequest: several do.
            NotFound: none does.
        """
        rows = await self._pool.fetch(
            "SELECT version FROM collection_prompts"
            " WHERE tenant = $1 AND collection = $2 AND starts_with(version, $3) LIMIT 2",
            key.tenant,
            key.name,
            begins,
        )
        if not rows:
            raise _no_version(key, begins)
        if len(rows) > 1:
            raise InvalidRequest(
                f"several versions of prompts of {key.name!r} begin with {begins!r}; write more of"
                " the one that is meant"
            )
        return rows[0]["version"]

    async def versions(self, key: CollectionKey, most: int) -> tuple[str, list[StoredVersion]]:
        """The version in force ("": none is), and what is stored, so much of it, the latest first.

        Raises:
            NotFound: there is no such collection.
        """
        rows = await self._pool.fetch(
            "SELECT c.prompts AS used, p.version, p.stored_at, p.content"
            " FROM collections c LEFT JOIN collection_prompts p"
            " ON p.tenant = c.tenant AND p.collection = c.name"
            " WHERE c.tenant = $1 AND c.name = $2"
            " ORDER BY p.stored_at DESC, p.version DESC LIMIT $3",
            key.tenant,
            key.name,
            most,
        )
        if not rows:
            raise _no_collection(key)
        stored = [
            StoredVersion(row["version"], row["stored_at"], _read_old(row["content"]))
            for row in rows
            if row["version"] is not None
        ]
        return rows[0]["used"] or "", stored

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
            raise _no_version(key, version) from None
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


def _read_old(content: str) -> CollectionPrompts | None:
    try:
        return _read(content)
    except InvalidRequest:
        return None


def _no_version(key: CollectionKey, version: str) -> NotFound:
    return NotFound(
        f"collection {key.name!r} has no prompts of version {version!r}; those that there are:"
        f" graphmill prompts history --collection {key.name}"
    )


def _no_collection(key: CollectionKey) -> NotFound:
    return NotFound(
        f"collection {key.name!r} of tenant {key.tenant!r} does not exist; it comes to be with its"
        f" first documents: graphmill index PATH --collection {key.name}"
    )
