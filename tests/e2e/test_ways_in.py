"""By whatever way a folder comes in, the same tables come of it; and a program that follows a run
does so through a kill of the API."""

import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from graphmill import Client, SyncClient
from graphmill.client import InvalidKey, NotAllowed
from graphmill.http_api.schemas import Run
from graphmill.roles import Role
from tests.support.ports import free_ports
from tests.support.stack import Stack, Target
from tests.support.temporal import find_program

FILES = {
    f"{folder}{n}.md": (
        f"# Chapter {n} {folder}\n\nAda Lovelace met Charles Babbage in London. Charles Babbage"
        " wrote to Michael Faraday of the Difference Engine. Ada Lovelace saw the Difference Engine"
        f" {n}."
    )
    for folder in ("", "letters/", "letters/Ünï cöde/")
    for n in range(4)
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Its API asks for keys."""
    home = tmp_path_factory.mktemp("ways")
    environment = {
        "GRAPHMILL_API_REQUIRE_KEYS": "true",
        "GRAPHMILL_METRICS_PORT": str(free_ports(3)),
    }
    stack = Stack(home, environment)
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    return create_key(stack, "index")


@pytest.fixture
async def client(stack: Stack, key: str) -> AsyncIterator[Client]:
    async with Client(url_of(stack), api_key=key) as client:
        yield client


def create_key(stack: Stack, scope: str) -> str:
    code, made = stack.run_json("keys", "create", f"tests that {scope}", "--scope", scope)
    assert code == 0
    key: str = made["key"]
    return key


def url_of(stack: Stack) -> str:
    assert stack.addresses is not None
    assert stack.addresses.api_url is not None
    return stack.addresses.api_url


def tables(stack: Stack, collection: str, into: Path) -> dict[str, bytes]:
    done = stack.run("export", collection, "--format", "jsonl", "--output", str(into))
    assert done.returncode == 0, done.stderr
    return {file.name: file.read_bytes() for file in into.iterdir()}


def curl(key: str, *words: str) -> Any:
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--fail-with-body", "--noproxy", "*"),
            *("--header", f"Authorization: Bearer {key}", *words),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def upload_by_curl(url: str, key: str, folder: Path, collection: str) -> None:
    words: list[str] = []
    for name in FILES:
        date = datetime.fromtimestamp((folder / name).stat().st_mtime_ns // 1000 / 1e6, UTC)
        words += ["--form", f"creation_date={date.isoformat()}"]
        words += ["--form", f"files=@{folder / name};filename={name}"]
    stored = curl(key, f"{url}/v1/collections/{collection}/documents", *words)
    assert stored["new"] == len(FILES)


def test_a_folder_gives_the_same_tables_by_cli_curl_client_and_temporal(
    stack: Stack, key: str, folder: Path, tmp_path: Path
) -> None:
    url = url_of(stack)
    code, run = stack.run_json("index", str(folder), "-c", "by-cli", "--wait")
    assert (code, run["documents"]["done"]) == (0, len(FILES))

    assert shutil.which("curl"), "curl is one of the ways in that are tested"
    upload_by_curl(url, key, folder, "by-curl")
    started = curl(key, "--request", "POST", f"{url}/v1/collections/by-curl/index")
    with SyncClient(url, api_key=key) as client:
        assert client.wait(started["run_id"]).state == "completed"
        client.upload("by-client", folder)
        assert client.wait(client.index("by-client").run_id).state == "completed"
        client.upload("by-temporal", folder)

    assert stack.addresses is not None
    done = subprocess.run(
        [
            *(find_program(stack.home), "workflow", "execute", "--output", "json"),
            *("--address", str(stack.addresses.temporal_address)),
            *("--type", "IndexCollection", "--task-queue", "graphmill"),
            *("--workflow-id", "index/default/by-temporal"),
            *("--input", '{"collection": "by-temporal"}'),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr

    ways = ("by-cli", "by-curl", "by-client", "by-temporal")
    all_tables = [tables(stack, way, tmp_path / way) for way in ways]
    empty = [name for name, content in all_tables[0].items() if not content]
    assert (len(all_tables[0]), empty) == (7, ["covariates.jsonl"])
    for way, found in zip(ways, all_tables, strict=True):
        assert found == all_tables[0], way


def test_the_temporal_cli_is_told_at_once_of_a_misspelt_type(stack: Stack) -> None:
    assert stack.addresses is not None
    done = subprocess.run(
        [
            *(find_program(stack.home), "workflow", "execute"),
            *("--address", str(stack.addresses.temporal_address)),
            *("--type", "IndexColection", "--task-queue", "graphmill"),
            *("--workflow-id", "index/default/misspelt", "--input", '{"collection": "misspelt"}'),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "no workflow 'IndexColection'; those to start by hand are DeleteDocuments" in done.stdout


async def test_a_run_is_followed_through_a_kill_of_the_api(
    stack: Stack, folder: Path, client: Client
) -> None:
    await client.upload("followed", folder)
    run = await client.index("followed")
    await client.pause(run.run_id)
    states: list[Run] = []
    killed = False
    async for state in client.follow(run.run_id):
        states.append(state)
        if state.state == "paused" and not killed:
            stack.kill(Target.API)
            killed = True
            await client.resume(run.run_id)  # waits for the API to be back
    assert killed
    assert states[-1].state == "completed"
    assert states[-1].documents.done == len(FILES)
    assert [str(state.state) for state in states].count("completed") == 1


def test_keys_are_made_listed_and_revoked_by_command(stack: Stack) -> None:
    key = create_key(stack, "read")
    with SyncClient(url_of(stack), api_key=key) as client:
        list(client.collections())
        with pytest.raises(NotAllowed):
            client.create_collection("mine")
        code, listed = stack.run_json("keys", "list")
        assert code == 0
        (mine,) = [one for one in listed["keys"] if one["scopes"] == ["read"]]
        assert key not in str(listed)
        assert stack.run("keys", "revoke", mine["id"]).returncode == 0
        with pytest.raises(InvalidKey):
            list(client.collections())
    with SyncClient(url_of(stack)) as client, pytest.raises(InvalidKey):
        list(client.collections())


def test_pools_tell_of_every_role_to_operators(stack: Stack, key: str) -> None:
    operator = create_key(stack, "operator")
    pools = f"{url_of(stack)}/health/pools"
    roles: dict[str, Any] = {}
    deadline = time.monotonic() + 30
    while not all(roles.get(role, {}).get("workers") for role in Role):
        roles = curl(operator, pools)["roles"]
        assert time.monotonic() < deadline, roles
    assert set(roles) == set(Role)
    assert roles["workflow"]["active"] is None
    assert roles["llm"]["size"] == 200
    assert all(role["queued"] is not None for role in roles.values())
    with httpx.Client(trust_env=False) as http:
        refused = http.get(pools, headers={"Authorization": f"Bearer {key}"})
        assert refused.status_code == 403
    assert curl(operator, "--request", "POST", f"{pools}/log")["roles"].keys() == roles.keys()
    assert "pool llm: 1 workers" in (stack.home.log("api")).read_text()


def families(text: str) -> dict[str, list[Sample]]:
    return {family.name: list(family.samples) for family in text_string_to_metric_families(text)}


def test_every_worker_and_the_api_tell_their_metrics(stack: Stack) -> None:
    first = int(stack.environment["GRAPHMILL_METRICS_PORT"])
    told: dict[str, list[Sample]] = {}
    with httpx.Client(trust_env=False) as http:
        for port in range(first, first + 3):
            answer = http.get(f"http://127.0.0.1:{port}/metrics")
            assert answer.status_code == 200
            for name, samples in families(answer.text).items():
                told.setdefault(name, []).extend(samples)
        # In seconds, and with the suffixes that Prometheus wants.
        assert "temporal_activity_schedule_to_start_latency_seconds" in told
        assert "temporal_request" in told  # temporal_request_total: a parser takes that off
        queues = {
            one.labels["task_queue"]
            for one in told["temporal_worker_task_slots_available"]
            if one.labels["worker_type"] == "ActivityWorker"
        }
        assert {"graphmill-cpu", "graphmill-llm", "graphmill-store"} <= queues
        sizes = {
            one.labels["role"]: one.value
            for one in told["graphmill_worker_activities"]
            if one.labels["kind"] == "size"
        }
        assert sizes["llm"] == 200
        assert all(one.value >= 0 for one in told["graphmill_worker_database_connections"])

        operator = {"Authorization": f"Bearer {create_key(stack, 'operator')}"}
        ours = families(http.get(f"{url_of(stack)}/metrics", headers=operator).text)
    by_role = {one.labels["role"]: one.value for one in ours["graphmill_workers"]}
    assert by_role == dict.fromkeys(map(str, Role), 1)
    documents = {one.labels["state"]: one.value for one in ours["graphmill_documents"]}
    assert documents["done"] >= len(FILES)
    allowed = ours["graphmill_database_connections_allowed"][0].value
    assert 0 < ours["graphmill_database_connections_of_all"][0].value < allowed
