"""How the server plans what the code runs: each statement is explained as it comes, on the same
connection, in its transaction, under its role and settings."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

Node = dict[str, Any]
_execute = asyncpg.Connection.execute
_EXPLAINED = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "CREATE TEMP TABLE")


@dataclass(frozen=True, slots=True)
class Plan:
    """`generic`: made without a look at the parameters; the server may take that one after a
    statement has come some times."""

    statement: str
    generic: bool
    root: Node

    @property
    def nodes(self) -> Iterator[Node]:
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += node.get("Plans", ())

    @property
    def scanned(self) -> set[str]:
        """Tables that are read from their first row to their last."""
        return {node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan"}

    @property
    def indexes(self) -> dict[str, str]:
        """Indexes that are read, and by what; "": from end to end."""
        return {
            node["Index Name"]: node.get("Index Cond", "")
            for node in self.nodes
            if "Index Name" in node
        }


@contextmanager
def explaining(monkeypatch: pytest.MonkeyPatch) -> Generator[list[Plan]]:
    """Plans of all that is run in the block through asyncpg, by whatever pool, in its order.

    COPY is not among them; cursors are, where they are awaited. A script is run statement by
    statement.
    """
    plans: list[Plan] = []
    with monkeypatch.context() as patch:
        for name in ("fetch", "fetchrow", "fetchval", "execute"):
            patch.setattr(asyncpg.Connection, name, _explained_first(name, plans))
        patch.setattr(asyncpg.Connection, "executemany", _one_by_one(plans))
        patch.setattr(asyncpg.Connection, "cursor", _opened(plans))
        yield plans


def _explained_first(name: str, plans: list[Plan]) -> Any:
    run = getattr(asyncpg.Connection, name)
    fetchval = asyncpg.Connection.fetchval

    async def explained(self: asyncpg.Connection, query: str, *args: Any, **given: Any) -> Any:
        if args:
            plans.extend(await _explain(fetchval, self, query, args))
            return await run(self, query, *args, **given)
        result: Any = None
        for statement in _statements(query):
            plans.extend(await _explain(fetchval, self, statement, ()))
            result = await run(self, statement, **given)
        return result

    return explained


def _one_by_one(plans: list[Plan]) -> Any:
    fetchval, executemany = asyncpg.Connection.fetchval, asyncpg.Connection.executemany

    async def explained(self: asyncpg.Connection, command: str, args: Any, **given: Any) -> None:
        rows = list(args)
        if rows:
            plans.extend(await _explain(fetchval, self, command, rows[0]))
        await executemany(self, command, rows, **given)

    return explained


def _opened(plans: list[Plan]) -> Any:
    fetchval, cursor = asyncpg.Connection.fetchval, asyncpg.Connection.cursor

    async def explained(self: asyncpg.Connection, query: str, *args: Any) -> Any:
        plans.extend(await _explain(fetchval, self, query, args))
        return await cursor(self, query, *args)

    return explained


async def _explain(
    fetchval: Any, connection: asyncpg.Connection, statement: str, args: Any
) -> list[Plan]:
    if not statement.lstrip().startswith(_EXPLAINED):
        return []
    told = [await fetchval(connection, f"EXPLAIN (FORMAT JSON) {statement}", *args)]
    if args:
        nulls = ", ".join(["NULL"] * len(args))
        await _execute(
            connection, f"SET plan_cache_mode = force_generic_plan; PREPARE p AS {statement}"
        )
        told.append(await fetchval(connection, f"EXPLAIN (FORMAT JSON) EXECUTE p ({nulls})"))
        await _execute(connection, "DEALLOCATE p; RESET plan_cache_mode")
    return [
        Plan(statement, generic, json.loads(plan)[0]["Plan"])
        for generic, plan in zip((False, True), told, strict=False)
    ]


def _statements(script: str) -> list[str]:
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    return [one.strip() for one in "\n".join(lines).split(";") if one.strip()]
