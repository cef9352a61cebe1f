"""A folder that is indexed again and again: each change once, none twice, and gone with its
collection."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import run, run_json
from tests.support.stack import Stack
from tests.support.temporal import find_program

TEXT = "Ada Lovelace met Charles Babbage in London. Charles Babbage wrote to Ada Lovelace."


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("schedules"))
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.txt").write_text(f"{TEXT} {name}")
    return folder


def until(stack: Stack, collection: str, true: Callable[[dict[str, Any]], bool]) -> None:
    deadline = time.monotonic() + 60
    while True:
        asked = run(stack, "status", collection, "--json")
        if asked.returncode == 0 and true(json.loads(asked.stdout)):
            return
        assert time.monotonic() < deadline, (asked.stdout, asked.stderr)
        time.sleep(0.2)


def done(count: int) -> Callable[[dict[str, Any]], bool]:
    def true(status: dict[str, Any]) -> bool:
        documents = status["documents"]
        return (status["state"], documents["done"], documents["total"]) == (
            "completed",
            count,
            count,
        )

    return true


def standing(stack: Stack, collection: str) -> dict[str, Any] | None:
    code, listed = run_json(stack, "schedules", "list")
    assert code == 0
    found = [one for one in listed["schedules"] if one["collection"] == collection]
    return found[0] if found else None


def test_a_folder_is_indexed_at_once_and_again_when_it_changes(stack: Stack, folder: Path) -> None:
    code, made = run_json(
        stack, "schedule", "kept", "--every", "1m", "--prune", "--method", "fast", str(folder)
    )
    assert (code, made["every_seconds"], made["paths"]) == (0, 60, [str(folder)])
    assert (made["paused"], made["known_to_temporal"]) == (False, True)
    until(stack, "kept", done(2))
    first = run_json(stack, "status", "kept")[1]["run_id"]
    # Set again it stands in the other's place, and its first time is at once too.
    (folder / "a.txt").unlink()
    (folder / "c.txt").write_text(f"{TEXT} c, which is new")
    code, again = run_json(
        stack, "schedule", "kept", "--every", "1h", "--prune", "--method", "fast", str(folder)
    )
    assert (code, again["every_seconds"]) == (0, 3600)
    until(stack, "kept", lambda status: status["run_id"] != first and done(2)(status))
    code, documents = run_json(stack, "documents", "list", "-c", "kept")
    assert [one["name"] for one in documents["documents"]] == ["b.txt", "c.txt"]
    # Nothing has changed: no run.
    second = run_json(stack, "status", "kept")[1]["run_id"]
    trigger(stack, "kept")
    assert run_json(stack, "status", "kept")[1]["run_id"] == second


def trigger(stack: Stack, collection: str) -> None:
    """As the time comes; returns when what was started has ended."""
    program = find_program(stack.home)
    assert stack.addresses is not None
    address = str(stack.addresses.temporal_address)
    ids = f"WorkflowId STARTS_WITH 'folder/default/{collection}/'"

    def count(query: str) -> int:
        listed = temporal(program, address, "workflow", "count", "--query", query)
        return int(listed.split()[-1])

    before = count(f"{ids} AND ExecutionStatus != 'Running'")
    schedule = f"folder/default/{collection}"
    temporal(program, address, "schedule", "trigger", "--schedule-id", schedule)
    deadline = time.monotonic() + 30
    while count(f"{ids} AND ExecutionStatus != 'Running'") == before:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def temporal(program: str, address: str, *words: str) -> str:
    ended = subprocess.run(
        [program, *words, "--address", address],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_schedule_is_paused_resumed_and_deleted(stack: Stack, folder: Path) -> None:
    assert run(stack, "schedule", "held", "--every", "2d", str(folder)).returncode == 0
    assert run(stack, "schedules", "pause", "held", "--reason", "moving").returncode == 0
    found = standing(stack, "held")
    assert found is not None
    assert (found["paused"], found["note"]) == (True, "moving")
    assert "paused: moving" in run(stack, "schedules", "list").stdout
    assert run(stack, "schedules", "resume", "held").returncode == 0
    found = standing(stack, "held")
    assert found is not None
    assert not found["paused"]
    assert found["next_at"] is not None
    until(stack, "held", done(2))
    assert run(stack, "schedules", "delete", "held").returncode == 0
    assert standing(stack, "held") is None
    assert run(stack, "schedules", "delete", "held").returncode == 1
    until(stack, "held", done(2))  # its documents stay


def test_a_paused_schedule_that_is_set_again_says_that_it_is_paused(
    stack: Stack, folder: Path
) -> None:
    made = run(stack, "schedule", "still", "--every", "2d", str(folder))
    assert (made.returncode, "it is paused" in made.stderr) == (0, False)
    found = standing(stack, "still")
    assert found is not None
    assert f"now and next at {found['next_at'][:16].replace('T', ' ')}Z" in made.stderr
    assert run(stack, "schedules", "pause", "still").returncode == 0
    again = run(stack, "schedule", "still", "--every", "1d", str(folder))
    assert again.returncode == 0
    assert "it is paused" in again.stderr
    assert "next at" not in again.stderr
    assert "graphmill schedules resume still" in again.stderr


@pytest.mark.parametrize("order", ["pause", "resume", "delete"])
def test_where_there_is_no_schedule_those_there_are_are_pointed_to(
    stack: Stack, order: str
) -> None:
    missing = run(stack, "schedules", order, "misspelt")
    assert missing.returncode == 1
    assert "'misspelt' (tenant 'default') has no schedule" in missing.stderr
    assert "`graphmill schedules list` shows those there are" in missing.stderr
    assert "make one" not in missing.stderr


def test_method_standard_without_a_model_endpoint_is_warned_of(stack: Stack, folder: Path) -> None:
    words = ("schedule", "modelless", "--every", "1d", str(folder))
    warning = "no model endpoint is set here"
    warned = run(stack, *words, "--method", "standard")
    assert (warned.returncode, warning in warned.stderr) == (0, True)
    # Another machine's workers may well have one.
    assert stack.addresses is not None
    fleet = {
        "DATABASE_URL": stack.addresses.database_url,
        "TEMPORAL_ADDRESS": str(stack.addresses.temporal_address),
    }
    model = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_MODEL": "m"}
    for environment in (fleet, model):
        silent = run(stack, *words, "--method", "standard", environment=environment)
        assert (silent.returncode, warning in silent.stderr) == (0, False)
    assert warning not in run(stack, *words, "--method", "fast").stderr


def test_paused_without_a_reason_none_is_told(stack: Stack, folder: Path) -> None:
    assert run(stack, "schedule", "mute", "--every", "2d", str(folder)).returncode == 0
    assert run(stack, "schedules", "pause", "mute").returncode == 0
    found = standing(stack, "mute")
    assert found is not None
    assert (found["paused"], found["note"]) == (True, "")
    assert run(stack, "schedules", "resume", "mute").returncode == 0
    found = standing(stack, "mute")
    assert found is not None
    assert (found["paused"], found["note"]) == (False, "")
    assert stack.addresses is not None
    address = str(stack.addresses.temporal_address)
    words = ("schedule", "toggle", "--pause", "--schedule-id", "folder/default/mute")
    temporal(find_program(stack.home), address, *words)
    found = standing(stack, "mute")
    assert found is not None
    assert (found["paused"], found["note"]) == (True, "")


def test_a_schedule_goes_with_its_collection(stack: Stack, folder: Path) -> None:
    assert run(stack, "schedule", "gone", "--every", "1d", str(folder)).returncode == 0
    until(stack, "gone", done(2))
    assert run(stack, "collections", "delete", "gone", "--yes").returncode == 0
    assert standing(stack, "gone") is None
    assert stack.addresses is not None
    listed = temporal(
        find_program(stack.home), str(stack.addresses.temporal_address), "schedule", "list"
    )
    assert "folder/default/gone" not in listed


def test_a_folder_that_is_gone_forgets_nothing(stack: Stack, folder: Path) -> None:
    assert run(stack, "schedule", "lost", "--every", "1d", "--prune", str(folder)).returncode == 0
    until(stack, "lost", done(2))
    found = standing(stack, "lost")
    assert found is not None
    assert (found["last_state"], found["last_reason"]) == ("completed", "")
    shutil.rmtree(folder)
    trigger(stack, "lost")
    found = standing(stack, "lost")
    assert found is not None
    assert found["last_state"] == "failed"
    assert found["last_reason"].startswith(f"{folder} does not exist")
    assert f"failed: {folder} does not exist" in run(stack, "schedules", "list").stdout
    folder.mkdir()  # as where a disk is not mounted
    trigger(stack, "lost")
    until(stack, "lost", done(2))


def test_one_of_several_folders_that_is_gone_forgets_nothing(
    stack: Stack, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "o.txt").write_text(f"{TEXT} o")
    words = ("schedule", "both", "--every", "1d", "--prune", str(folder), str(other))
    assert run(stack, *words).returncode == 0
    until(stack, "both", done(3))
    (other / "o.txt").unlink()
    trigger(stack, "both")
    until(stack, "both", done(3))
    pruned = run(stack, "index", str(folder), str(other), "-c", "both", "--prune", "--wait")
    assert (pruned.returncode, "nothing is forgotten" in pruned.stderr) == (2, True)
    until(stack, "both", done(3))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("x", "--every", "1y", "{folder}"), "every is '1y'"),
        (("x", "--every", "0d", "{folder}"), "every is '0d'"),
        (("x", "--every", "1d", "{folder}/nowhere"), "does not exist"),
        (("a/b", "--every", "1d", "{folder}"), "collection name is"),
        (("x", "--every", "1d", "--budget", "-1", "{folder}"), "budget_usd is -1"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_set(
    stack: Stack, folder: Path, words: tuple[str, ...], said: str
) -> None:
    given = [word.replace("{folder}", str(folder)) for word in words]
    refused = run(stack, "schedule", *given)
    assert refused.returncode in (1, 2)
    assert said in refused.stderr
    assert standing(stack, "x") is None
