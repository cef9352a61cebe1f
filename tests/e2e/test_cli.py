"""Every command of the CLI against a running stack.

As a user runs them, in a process of its own, where that proves more: that a command starts, is
interrupted, ends. Else in this process: Python and its libraries are loaded once.
"""

import asyncio
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from graphmill.deletions import DELETE_DOCUMENTS, DeletedDocuments
from graphmill.embedded import processes
from graphmill.ids import document_id
from graphmill.messages import TASK_QUEUE
from tests.support.commands import run, run_json
from tests.support.stack import Stack, command

# Two files that share entities, one without text and one that is no PDF.
_FILES = {
    "ada.txt": "Ada Lovelace worked with Charles Babbage in London. Charles Babbage built engines.",
    "sub/babbage.md": "# Engines\n\nCharles Babbage met Ada Lovelace in London in 1833.",
    "empty.txt": "",
    "broken.pdf": "%PDF-1.7 and nothing after it",
}

# So many that a run takes some seconds on a quiet machine: time enough to interrupt it.
MANY = 60


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("cli"))
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path)


@pytest.fixture(scope="module")
def indexed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A collection of the files, for tests that only read it."""
    folder = write_files(tmp_path_factory.mktemp("indexed"))
    code, _ = run_json(stack, "index", str(folder), "--collection", "indexed", "--wait")
    assert code == 3
    return "indexed"


def write_files(folder: Path) -> Path:
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def collection_of(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("_", "-")[:90]


def test_a_folder_is_indexed_and_its_failures_stand_until_they_change(
    stack: Stack, folder: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    name = collection_of(request)
    words = ("index", str(folder), "--collection", name, "--wait")
    code, told = stack.run_json(*words)
    assert code == 3
    assert told["state"] == "completed_with_failures"
    assert told["documents"] == {"total": 4, "done": 2, "failed": 1, "skipped": 1, "partial": 0}
    assert [(f["path"], f["reason"].split(":")[0]) for f in told["failures"]] == [
        ("broken.pdf", "corrupt")
    ]
    assert told["entities"] > 0

    done = run(stack, *words)
    assert done.returncode == 3
    assert "nothing to do" in done.stderr
    assert f"graphmill retry {name}" in done.stderr
    assert "broken.pdf" in done.stdout

    code, retried = run_json(stack, "retry", name)
    assert (code, retried["documents"]) == (0, 1)
    assert run(stack, "status", name, "--watch").returncode == 3

    (folder / "broken.pdf").unlink()
    code, told = run_json(stack, *words, "--prune")
    assert code == 0
    assert told["documents"] == {"total": 3, "done": 2, "failed": 0, "skipped": 1, "partial": 0}

    code, told = run_json(stack, "status", told["run_id"])
    assert (code, told["state"]) == (0, "completed")


def test_prompts_are_exported_changed_set_and_reset(
    stack: Stack, indexed: str, tmp_path: Path
) -> None:
    def told(verb: str, *words: str) -> Any:
        code, shown = run_json(stack, "prompts", verb, *words, "--collection", indexed)
        assert code == 0
        return shown

    folder = tmp_path / "prompts"
    assert len(told("export", str(folder))["files"]) == 7
    assert told("set", str(folder))["changed"] == []  # as they were written
    assert told("show")["version"] == ""
    (folder / "glean_graph.md").write_text("Look once more.")
    (folder / "extraction.toml").write_text('entity_types = ["ship"]')
    changed = told("set", str(folder))
    assert changed["changed"] == ["glean_graph", "extraction"]
    shown = told("show")
    assert shown["version"] == changed["version"] != ""
    assert shown["extraction"]["entity_types"] == ["ship"]
    own = [prompt["name"] for prompt in shown["prompts"] if prompt["own"]]
    assert own == ["glean_graph"]
    done = run(stack, "prompts", "show", "--collection", indexed)
    assert "(its own)" in done.stdout
    assert "ship" in done.stdout
    # An estimate reckons with them.
    (folder / "extraction.toml").write_text("gleanings = 0")
    told("set", str(folder))
    (tmp_path / "a.txt").write_text("Ada Lovelace met Charles Babbage.")
    environment = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_MODEL": "a-model"}
    words = ("index", str(tmp_path / "a.txt"), "--collection", indexed, "--estimate", "--json")
    estimate = json.loads(run(stack, *words, environment=environment).stdout)
    assert estimate["steps"]["extract_graph"]["calls"] == 1
    shown = told("show")
    (folder / "glean_graph.md").write_text("Look at {{text}} once more.")
    done = run(stack, "prompts", "set", str(folder), "--collection", indexed)
    assert done.returncode == 2
    assert "{{text}} is unknown" in done.stderr
    assert told("show") == shown
    done = run(stack, "prompts", "export", str(folder), "--collection", indexed)
    assert (done.returncode, "not written over" in done.stderr) == (2, True)
    # Without an endpoint there is no draft, and nothing is written.
    draft = tmp_path / "draft"
    done = run(stack, "prompts", "tune", "--collection", indexed, "--dir", str(draft))
    assert done.returncode == 2
    assert "no endpoint is set" in done.stderr
    assert not draft.exists()
    assert told("reset")["version"] == ""
    assert told("show")["extraction"] is None
    # Versions of before are there, and come back by command.
    latest, first = told("history")["versions"]
    assert (latest["version"], first["version"]) == (shown["version"], changed["version"])
    assert (latest["changed"], first["changed"]) == (["extraction"], ["glean_graph", "extraction"])
    assert [one["in_force"] for one in (latest, first)] == [False, False]
    done = run(stack, "prompts", "history", "--collection", indexed)
    assert latest["version"][:12] in done.stdout
    assert "prompts that are shipped" in done.stderr
    assert told("use", first["version"][:8])["changed"] == ["glean_graph", "extraction"]
    assert told("show")["extraction"]["entity_types"] == ["ship"]
    old = tmp_path / "old"
    told("export", str(old), "--version", latest["version"])
    assert told("set", str(old))["version"] == latest["version"]
    done = run(stack, "prompts", "use", "latest", "--collection", indexed)
    assert (done.returncode, "prompts history" in done.stderr) == (2, True)
    told("reset")
    done = run(stack, "prompts", "show", "--collection", "nowhere")
    assert (done.returncode, "does not exist" in done.stderr) == (1, True)


def test_a_bad_file_stops_no_other_and_is_neither_forgotten_nor_kept_silent(
    stack: Stack, folder: Path, request: pytest.FixtureRequest
) -> None:
    name = collection_of(request)
    (folder / "broken.pdf").unlink()
    words = ("index", str(folder), "--collection", name, "--prune")
    limited = {"GRAPHMILL_LIMIT_DOCUMENT_BYTES": "100"}
    code, told = run_json(stack, *words, "--wait")
    assert (code, told["left_out"]) == (0, [])

    (folder / "ada.txt").write_text("Ada Lovelace. " * 100)
    (folder / ".hidden.txt").write_text("hidden")
    (folder / "link.txt").symlink_to(Path(__file__))
    (folder / "empty.txt").unlink()
    done = run(stack, *words, "--wait", "--json", environment=limited)
    told = json.loads(done.stdout)
    assert (done.returncode, told["state"]) == (3, "completed")
    # ada.txt is there and cannot be read now; empty.txt is gone.
    assert told["documents"]["total"] == 2
    [left_out] = told["left_out"]
    assert left_out["path"] == str(folder / "ada.txt")
    assert "GRAPHMILL_LIMIT_DOCUMENT_BYTES" in left_out["reason"]
    assert f"left out: {left_out['path']}: {left_out['reason']}\n" in done.stderr
    assert "1 hidden files and folders, 1 links that lead out of the folder\n" in done.stderr

    done = run(stack, *words, "--json", environment=limited)
    assert (done.returncode, json.loads(done.stdout)["left_out"]) == (3, [left_out])


def test_what_became_of_a_run_that_could_not_be_is_in_status(stack: Stack, folder: Path) -> None:
    words = ("index", str(folder), "--collection", "refused", "--method", "standard")
    done = run(stack, *words)
    assert done.returncode == 0, done.stderr
    assert "graphmill status refused --watch" in done.stderr + done.stdout

    code, told = 0, {"state": "running"}
    deadline = time.monotonic() + 30
    while told.get("state") != "failed" and time.monotonic() < deadline:
        code, told = run_json(stack, "status", "refused")
    assert "no endpoint is set" in told["reason"]
    # One that comes after it reads by the method that is there, and is the one that is told.
    code, told = run_json(stack, "index", str(folder), "--collection", "refused", "--wait")
    assert (code, told["method"]) == (3, "fast")
    assert run_json(stack, "status", "refused")[1]["run_id"] == told["run_id"]


def test_questions_are_answered_with_citations(stack: Stack, indexed: str) -> None:
    name = indexed
    for mode in ("local", "basic"):
        code, answer = run_json(
            stack, "query", "Who met Ada Lovelace in London?", "--collection", name, "--mode", mode
        )
        assert (code, answer["mode"]) == (0, mode)
        assert {"answer", "citations", "seconds"} <= set(answer)
        citation = answer["citations"][0]
        assert {"number", "document_id", "title", "text_unit_id", "text"} <= set(citation)
    done = run(stack, "query", "Who?", "--collection", name, "--mode", "global")
    assert done.returncode != 0
    assert "this release has local and basic" in done.stderr
    done = run(stack, "query", "Who?", "--collection", "not-there")
    assert (done.returncode, done.stdout) == (1, "")


def test_questions_with_known_answers_are_evaluated(
    stack: Stack, indexed: str, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.jsonl"
    asked = {"question": "Where did Charles Babbage meet Ada Lovelace?", "answers": ["London"]}
    lines = [asked | {"gold_ids": ["ada", "babbage"]}, asked | {"gold_ids": ["nothing of this"]}]
    questions.write_text("\n".join(map(json.dumps, lines)))
    code, found = run_json(stack, "eval", indexed, str(questions))
    assert code == 0
    assert found["recall"] == {"2": 0.5, "5": 0.5, "10": 0.5}
    assert found["all_gold_at_5"] == 0.5
    assert 0 < found["f1"] < 1
    shown = run(stack, "eval", indexed, str(questions))
    assert "recall@5" in shown.stdout
    assert run(stack, "eval", indexed, str(tmp_path / "none.jsonl")).returncode == 2


def test_documents_and_collections_are_listed_shown_and_deleted(
    stack: Stack, folder: Path, request: pytest.FixtureRequest
) -> None:
    name = collection_of(request)
    run(stack, "index", str(folder), "--collection", name, "--wait")
    _, listed = run_json(stack, "documents", "list", "--collection", name)
    assert [d["name"] for d in listed["documents"]] == sorted(_FILES)
    table = run(stack, "documents", "list", "--collection", name, "--state", "failed").stdout
    assert "broken.pdf" in table
    assert "ada.txt" not in table
    by_name = {d["name"]: d for d in listed["documents"]}
    _, by_id = run_json(stack, "documents", "show", by_name["ada.txt"]["id"], "--collection", name)
    nothing = {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0, "usd": 0.0}
    assert by_id == by_name["ada.txt"] | {"model": nothing}

    refused = run(stack, "documents", "delete", "ada.txt", "no.txt", "--collection", name)
    assert refused.returncode == 1
    assert f"no document {document_id('no.txt')} in collection" in refused.stderr
    _, shown = run_json(stack, "collections", "show", name)
    assert shown["documents"]["total"] == 4
    code, deleted = run_json(stack, "documents", "delete", "sub/babbage.md", "--collection", name)
    assert (code, deleted["deleted"]) == (0, [by_name["sub/babbage.md"]["id"]])
    run(stack, "status", name, "--watch")
    _, shown = run_json(stack, "collections", "show", name)
    assert shown["documents"]["total"] == 3
    assert shown["text_units"] == 1
    by_hand = asyncio.run(delete_by_hand(stack, name, by_name["ada.txt"]["id"]))
    run(stack, "status", by_hand.run.run_id, "--watch")
    _, shown = run_json(stack, "collections", "show", name)
    assert (shown["documents"]["total"], shown["text_units"]) == (2, 0)
    assert name in run(stack, "collections", "list").stdout

    refused = run(stack, "collections", "delete", name)
    assert refused.returncode == 2  # nobody can be asked
    assert "--yes" in refused.stderr
    code, gone = run_json(stack, "collections", "delete", name, "--yes")
    assert (code, gone) == (0, {"deleted": name})
    assert run(stack, "collections", "show", name).returncode == 1
    _, left = run_json(stack, "collections", "list")
    assert name not in [c["name"] for c in left["collections"]]


async def delete_by_hand(stack: Stack, name: str, document: str) -> DeletedDocuments:
    """As docs/howto/temporal-cli.md has it."""
    assert stack.addresses is not None
    client = await Client.connect(stack.addresses.temporal_address or "")
    return await client.execute_workflow(
        DELETE_DOCUMENTS,
        {"collection": name, "documents": [document]},
        id=f"delete/default/{name}",
        task_queue=TASK_QUEUE,
        result_type=DeletedDocuments,
    )


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_a_graph_is_exported(stack: Stack, indexed: str, tmp_path: Path, format: str) -> None:
    out = tmp_path / "out"
    code, told = run_json(stack, "export", indexed, "--format", format, "--output", str(out))
    assert (code, told["rows"]["documents"]) == (0, 2)
    assert {path.name for path in out.iterdir()} == {f"{table}.{format}" for table in told["rows"]}


def test_a_run_is_paused_resumed_and_cancelled(
    stack: Stack, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    name = collection_of(request)
    write_many(tmp_path)
    code, started = run_json(stack, "index", str(tmp_path), "--collection", name)
    assert (code, started["uploaded"]["new"]) == (0, MANY)
    assert run(stack, "pause", started["run_id"]).returncode == 0
    wait_until_paused(stack, name)
    code, joined = run_json(stack, "index", str(tmp_path), "--collection", name)
    assert (joined["run_id"], joined["joined"]) == (started["run_id"], True)
    assert run(stack, "cancel", name).returncode == 0
    done = run(stack, "status", name, "--watch")
    assert done.returncode == 1
    assert "cancelled" in done.stdout

    run(stack, "index", str(tmp_path), "--collection", name)
    assert run(stack, "pause", name).returncode == 0
    wait_until_paused(stack, name)
    assert run(stack, "resume", name).returncode == 0
    code, told = run_json(stack, "status", name, "--watch")
    assert (code, told["documents"]["done"]) == (0, MANY)
    done = run(stack, "pause", name)
    assert done.returncode == 1
    assert "has ended" in done.stderr


def wait_until_paused(stack: Stack, name: str) -> None:
    deadline = time.monotonic() + 30
    while run_json(stack, "status", name)[1]["state"] != "paused":
        assert time.monotonic() < deadline


def write_many(folder: Path) -> None:
    """Documents that keep a run busy for a while."""
    for number in range(MANY):
        (folder / f"{number}.txt").write_text(f"Document number {number} of Anna Berg. " * 1200)


def hear_interrupts() -> None:
    """Who runs tests in the background of a script has them, and their children, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupting_the_wait_leaves_the_run_going(
    stack: Stack, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    name = collection_of(request)
    write_many(tmp_path)
    waiting = subprocess.Popen(
        command("index", str(tmp_path), "--collection", name, "--wait"),
        env=stack.environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    deadline = time.monotonic() + 30
    while run(stack, "status", name).returncode != 0 and time.monotonic() < deadline:
        assert waiting.poll() is None
    waiting.send_signal(signal.SIGINT)
    _, told = waiting.communicate(timeout=20)
    assert waiting.returncode == 130, told
    assert "the run goes on" in told
    assert "Traceback" not in told
    assert run(stack, "status", name, "--watch").returncode == 0


def test_doctor_finds_a_running_stack_in_order(stack: Stack) -> None:
    deadline = time.monotonic() + 30
    code, told = run_json(stack, "doctor")
    while code != 0 and time.monotonic() < deadline:  # workers begin to poll one after another
        code, told = run_json(stack, "doctor")
    assert (code, told["ok"]) == (0, True), told
    assert {"postgresql", "pgvector", "tables", "connections", "temporal", "workers", "api"} <= {
        check["name"] for check in told["checks"]
    }


def test_a_tenant_sees_its_own_collections_only(
    stack: Stack, folder: Path, request: pytest.FixtureRequest
) -> None:
    run(stack, "index", str(folder), "--collection", "of-tenant-a", "--wait", "--tenant", "a")
    _, theirs = run_json(stack, "collections", "list", "--tenant", "a")
    assert [c["name"] for c in theirs["collections"]] == ["of-tenant-a"]
    _, mine = run_json(stack, "collections", "list")
    assert "of-tenant-a" not in [c["name"] for c in mine["collections"]]
    assert run(stack, "status", "of-tenant-a").returncode == 1


@pytest.mark.parametrize("by", ["--tenant", "GRAPHMILL_TENANT"])
def test_no_command_reaches_what_another_tenant_has(
    stack: Stack, indexed: str, tmp_path: Path, by: str
) -> None:
    """Not by the collection's name, nor by ids of its run and documents."""
    _, status = run_json(stack, "status", indexed)
    _, listed = run_json(stack, "documents", "list", "--collection", indexed)
    id = listed["documents"][0]["id"]
    words = {
        "status": (status["run_id"],),
        "status of a collection": ("status", indexed),
        "pause": (status["run_id"],),
        "resume": (status["run_id"],),
        "cancel": (status["run_id"],),
        "retry": (status["run_id"],),
        "query": ("query", "Who met Ada Lovelace?", "--collection", indexed),
        "export": ("export", indexed, "--output", str(tmp_path / "tables")),
        "rebuild": ("rebuild", indexed, "--communities"),
        "documents list": ("documents", "list", "--collection", indexed),
        "documents show": ("documents", "show", id, "--collection", indexed),
        "documents delete": ("documents", "delete", id, "--collection", indexed),
        "collections show": ("collections", "show", indexed),
        "collections delete": ("collections", "delete", indexed, "--yes"),
        "prompts": ("prompts", "show", "--collection", indexed),
        "entities": ("entities", "decisions", "--collection", indexed),
    }
    for name, given in words.items():
        command = given if len(given) > 1 else (name, *given)
        if by == "--tenant":
            done = run(stack, *command, by, "stranger")
        else:
            done = run(stack, *command, environment={by: "stranger"})
        assert done.returncode == 1, (command, done)
        assert "Ada" not in done.stdout, command
    bad = run(stack, "collections", "list", "--tenant", "stranger' OR '1'='1")
    assert bad.returncode == 2
    assert run_json(stack, "documents", "list", "--collection", indexed)[1] == listed
    assert run_json(stack, "status", indexed)[1]["run_id"] == status["run_id"]


def test_a_command_starts_the_stack_for_its_own_time(tmp_path: Path, folder: Path) -> None:
    alone = Stack(tmp_path / "home")
    code, told = alone.run_json("index", str(folder / "sub"), "-c", "alone", "--wait")
    assert (code, told["documents"]["done"]) == (0, 1)
    code, answer = alone.run_json("query", "Who met Ada Lovelace?", "-c", "alone")
    assert (code, bool(answer["citations"])) == (0, True)
    assert alone.addresses is None
    assert not processes.marked(alone.home.path)


def test_interrupted_it_stops_what_it_started_and_goes_on_next_time(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    alone = Stack(tmp_path / "home")
    documents = tmp_path / "documents"
    documents.mkdir()
    write_many(documents)
    words = ("index", str(documents), "--collection", "c", "--wait")
    waiting = subprocess.Popen(
        command(*words),
        env=alone.environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    assert waiting.stderr is not None
    for line in waiting.stderr:
        if "documents" in line:
            break
    waiting.send_signal(signal.SIGINT)
    _, told = waiting.communicate(timeout=60)
    assert waiting.returncode == 130, told
    assert "the same command goes on" in told
    assert not processes.marked(alone.home.path)
    code, told = alone.run_json(*words)
    assert (code, told["documents"]["done"]) == (0, MANY)


def test_the_demo_answers_its_questions(tmp_path: Path) -> None:
    code, told = Stack(tmp_path / "home").run_json("demo", timeout=280)
    assert (code, told["wrong"]) == (0, []), json.dumps(told, indent=1)
