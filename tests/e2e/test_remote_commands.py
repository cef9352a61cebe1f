"""Commands over GRAPHMILL_URL do what they do over servers: a laptop drives a fleet."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Done, run_with
from tests.support.stack import Stack

TEXT = "Ada Lovelace met Charles Babbage in London. Charles Babbage wrote to Ada Lovelace."


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("remote")
    stack = Stack(home, {"GRAPHMILL_API_REQUIRE_KEYS": "true"})
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def laptop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a machine has in its environment on which nothing runs."""
    code, made = stack.run_json("keys", "create", "a laptop", "--scope", "admin")
    assert code == 0
    assert stack.addresses is not None
    assert stack.addresses.api_url is not None
    return {
        "GRAPHMILL_HOME": str(tmp_path_factory.mktemp("laptop") / "home"),
        "GRAPHMILL_URL": stack.addresses.api_url,
        "GRAPHMILL_API_KEY": made["key"],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.txt").write_text(f"{TEXT} {name}")
    (folder / "broken.pdf").write_text("%PDF-1.7 and nothing after it")
    return folder


def told(done: Done) -> Any:
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_a_folder_is_indexed_asked_and_changed(
    laptop: dict[str, str], folder: Path, stack: Stack
) -> None:
    def remote(*words: str) -> Done:
        return run_with(laptop, *words)

    words = ("index", str(folder), "-c", "papers", "--wait", "--method", "fast", "--json")
    done = remote(*words)
    assert done.returncode == 3, done.stderr  # one is broken
    status = told(done)
    assert status["documents"] == {"total": 4, "done": 3, "failed": 1, "skipped": 0, "partial": 0}
    assert status["failures"][0]["path"] == "broken.pdf"
    # The same as over the servers, to the last key.
    here = stack.run_json("status", "papers")[1]
    there = told(remote("status", "papers", "--json"))
    for clock in ("seconds", "documents_per_hour"):
        here.pop(clock)
        there.pop(clock)
    assert there == here
    again = remote(*words)
    assert "4 files: 0 new, 0 changed, 4 unchanged" in again.stderr
    assert "nothing to do" in again.stderr

    answer = told(remote("query", "Who met Charles Babbage?", "-c", "papers", "--json"))
    assert answer["citations"]
    listed = told(remote("documents", "list", "-c", "papers", "--json"))["documents"]
    assert [one["name"] for one in listed] == ["a.txt", "b.txt", "broken.pdf", "c.txt"]
    shown = told(remote("documents", "show", "a.txt", "-c", "papers", "--json"))
    local = stack.run_json("documents", "show", "a.txt", "-c", "papers")[1]
    assert shown == local

    assert told(remote("retry", "papers", "--json"))["documents"] == 1
    assert remote("status", "papers", "--watch").returncode == 3
    deleted = told(remote("documents", "delete", "broken.pdf", "c.txt", "-c", "papers", "--json"))
    assert len(deleted["deleted"]) == 2
    assert remote("status", "papers", "--watch").returncode == 0

    (folder / "broken.pdf").unlink()
    (folder / "b.txt").unlink()
    pruned = remote(*words, "--prune")
    assert pruned.returncode == 0, pruned.stderr
    assert "1 forgotten" in pruned.stderr
    assert told(remote("collections", "list", "--json")) == stack.run_json("collections", "list")[1]
    assert told(remote("collections", "show", "papers", "--json"))["documents"]["total"] == 2
    assert remote("collections", "delete", "papers", "--yes").returncode == 0
    gone = remote("collections", "show", "papers")
    assert (gone.returncode, "no collection" in gone.stderr) == (1, True)


def test_runs_are_held_and_ended(laptop: dict[str, str], folder: Path) -> None:
    for number in range(200):
        (folder / f"{number}.txt").write_text(f"{TEXT} {number}")
    run_with(laptop, "index", str(folder), "-c", "held", "--method", "fast")
    for order, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert run_with(laptop, order, "held", "--json").returncode == 0
        deadline = time.monotonic() + 30
        while (told(run_with(laptop, "status", "held", "--json"))["state"]) != state:
            assert time.monotonic() < deadline, (order, state)
        if state == "running":
            run_with(laptop, "pause", "held")
    missing = run_with(laptop, "pause", "nothing")
    assert missing.returncode == 1


def test_what_is_gone_is_forgotten_before_the_run_that_was_asked_for(
    laptop: dict[str, str], folder: Path
) -> None:
    words = ("index", str(folder), "-c", "forgotten", "--wait", "--method", "fast", "--json")
    assert run_with(laptop, *words).returncode == 3
    (folder / "broken.pdf").unlink()
    again = run_with(laptop, *words, "--prune", "--force-rebuild")
    assert again.returncode == 0, again.stderr
    assert told(again)["documents"]["total"] == 3


def test_another_tenant_than_the_key_s_is_refused(laptop: dict[str, str]) -> None:
    refused = run_with(laptop, "collections", "list", "--tenant", "acme")
    assert (refused.returncode, "of another tenant" in refused.stderr) == (1, True)
    assert run_with(laptop, "collections", "list", "--tenant", "default").returncode == 0


def test_what_is_not_there_over_http_says_what_it_needs(laptop: dict[str, str]) -> None:
    for words in (
        ("export", "papers", "--output", "tables"),
        ("keys", "list"),
        ("check", "papers"),
        ("schedules", "list"),
    ):
        refused = run_with(laptop, *words)
        assert refused.returncode == 2, refused.stderr
        assert "not over GRAPHMILL_URL" in refused.stderr


def test_a_wrong_key_and_a_server_that_is_away_are_said_plainly(
    laptop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphmill.client.connection._FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("graphmill.client.connection._LONGEST_PAUSE_SECONDS", 0.001)
    wrong = run_with(laptop | {"GRAPHMILL_API_KEY": "gmk_no"}, "collections", "list")
    assert (wrong.returncode, "no API key of graphmill" in wrong.stderr) == (1, True)
    assert "the key that was sent is GRAPHMILL_API_KEY" in wrong.stderr
    none = {name: value for name, value in laptop.items() if name != "GRAPHMILL_API_KEY"}
    needed = run_with(none, "collections", "list").stderr
    assert "an API key is needed" in needed
    assert "set GRAPHMILL_API_KEY" in needed
    assert "`graphmill keys create NAME` makes" in needed
    path = run_with(
        laptop | {"GRAPHMILL_URL": f"{laptop['GRAPHMILL_URL']}/docs"}, "collections", "list"
    )
    assert (path.returncode, "does not answer as graphmill's API" in path.stderr) == (1, True)
    away = run_with(laptop | {"GRAPHMILL_URL": "http://127.0.0.1:1"}, "collections", "list")
    assert (away.returncode, "does not answer" in away.stderr) == (1, True)
    assert laptop["GRAPHMILL_API_KEY"] not in wrong.stderr + away.stderr
    bad = run_with(laptop | {"GRAPHMILL_URL": "graphmill.example"}, "collections", "list")
    assert "expected is an address" in bad.stderr
