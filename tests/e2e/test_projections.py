"""A user's Neo4j follows their collections, whatever happens to it, and no run waits for it."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, LiteralString

import pytest

from tests.support.commands import run, run_json
from tests.support.neo4j import Neo4jServer
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(400)

_FILES = {
    "a.txt": "Ada Lovelace met Charles Babbage in London. Ada Lovelace wrote to Mary Somerville.",
    "b.txt": "Charles Babbage built the Difference Engine in London. Mary Somerville saw it.",
    "c.txt": "The Difference Engine pleased Ada Lovelace. London admired Charles Babbage.",
}
_SECONDS = 90.0


@pytest.fixture
def neo4j(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neo4jServer]:
    server = Neo4jServer(tmp_path_factory.mktemp("neo4j"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def stack(neo4j: Neo4jServer, tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "home", {"NEO4J_URI": neo4j.uri, "NEO4J_SEARCH": "true"})
    stack.start()
    yield stack
    stack.stop()


def index(stack: Stack, folder: Path, files: Mapping[str, str]) -> Any:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    code, ended = run_json(stack, "index", str(folder), "--collection", "letters", "--wait")
    assert (code, ended["state"]) == (0, "completed"), ended
    return ended


def standing(stack: Stack) -> Any:
    _, status = run_json(stack, "status", "letters")
    (neo4j,) = status["projections"]
    return neo4j


def until_current(stack: Stack) -> None:
    deadline = time.monotonic() + _SECONDS
    while not (found := standing(stack))["current"]:
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def test_neo4j_follows(neo4j: Neo4jServer, stack: Stack, tmp_path: Path) -> None:
    index(stack, tmp_path / "files", _FILES)
    until_current(stack)
    code, checked = run_json(stack, "check", "letters")
    assert (code, checked["ok"], checked["dangling"]) == (0, True, {})
    (store,) = checked["stores"]
    assert {one["kind"]: one["records"]["store"] for one in store["kinds"]}["document"] == 3
    code, answer = run_json(stack, "query", "Who met Charles Babbage?", "--collection", "letters")
    assert code == 0
    assert answer["citations"]

    # Somebody's hand in the store is told, and mended.
    ask(neo4j, "MATCH (e:Entity {title: 'LONDON'}) DETACH DELETE e")
    code, checked = run_json(stack, "check", "letters")
    assert (code, checked["ok"]) == (1, False)
    assert run(stack, "rebuild", "letters", "--wait").returncode == 0
    assert run_json(stack, "check", "letters")[0] == 0

    # Indexing and questions go on while it is away, and are not slowed down.
    neo4j.kill()
    index(stack, tmp_path / "files", {"d.txt": "Charles Babbage walked with Ada Lovelace."})
    behind = standing(stack)
    assert not behind["current"]
    assert behind["behind_seconds"] > 0
    assert "d.txt" not in behind["reason"]
    code, answer = run_json(stack, "query", "Who met Charles Babbage?", "--collection", "letters")
    assert (code, bool(answer["citations"])) == (0, True)
    code, checked = run_json(stack, "check", "letters")
    assert code == 1
    assert "Neo4j" in checked["unavailable"]
    neo4j.start()
    until_current(stack)
    code, checked = run_json(stack, "check", "letters")
    assert (code, checked["ok"]) == (0, True), checked

    assert run(stack, "collections", "delete", "letters", "--yes").returncode == 0
    deadline = time.monotonic() + _SECONDS
    while ask(neo4j, "MATCH (n) RETURN n LIMIT 1"):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def ask(neo4j: Neo4jServer, query: LiteralString) -> list[Any]:
    async def answer() -> list[Any]:
        async with neo4j.open_driver() as driver:
            return (await driver.execute_query(query)).records

    return asyncio.run(answer())
