"""The HTTP API of a running stack: documents in, a run, an answer; and the run's orders."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.stack import Stack, Target


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("api"))
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx.Client]:
    assert stack.addresses is not None
    assert stack.addresses.api_url is not None
    with httpx.Client(base_url=stack.addresses.api_url, trust_env=False, timeout=30) as client:
        yield client


def wait_for(http: httpx.Client, run_id: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        run: dict[str, Any] = http.get(f"/v1/runs/{run_id}").raise_for_status().json()
        if run["state"] in states:
            return run
        assert time.monotonic() < deadline, run
        time.sleep(0.1)


def upload(http: httpx.Client, collection: str, files: dict[str, str]) -> None:
    parts = [("files", (name, text.encode())) for name, text in files.items()]
    http.post(f"/v1/collections/{collection}/documents", files=parts).raise_for_status()


def test_documents_become_answers(http: httpx.Client) -> None:
    upload(
        http,
        "road",
        {
            "ada.txt": "Ada Lovelace worked with Charles Babbage in London.",
            "sub/babbage.md": "# Engines\n\nCharles Babbage met Ada Lovelace in London in 1833.",
            "broken.pdf": "%PDF-1.7 and nothing after it",
        },
    )
    started = http.post("/v1/collections/road/index", json={"method": "fast", "priority": 4})
    assert started.status_code == 202
    run_id = started.json()["run_id"]
    assert http.get(f"/v1/runs/{run_id}").status_code == 200  # from the first moment on
    run = wait_for(http, run_id, "completed", "completed_with_failures")
    assert run["documents"] == {"total": 3, "done": 2, "failed": 1, "skipped": 0, "partial": 0}
    assert run["failures"][0]["path"] == "broken.pdf"

    question = {"question": "Who met Ada Lovelace in London?", "mode": "local"}
    answer = http.post("/v1/collections/road/query", json=question).json()
    assert "Babbage" in answer["answer"]
    assert answer["citations"][0]["title"]

    retried = http.post(f"/v1/runs/{run_id}/retry")
    assert (retried.status_code, retried.json()["documents"]) == (202, 1)
    wait_for(http, retried.json()["run_id"], "completed_with_failures")

    failed = run["failures"][0]["document"]
    deleted = http.delete(f"/v1/collections/road/documents/{failed}")
    assert deleted.status_code == 202
    wait_for(http, deleted.json()["run_id"], "completed")
    assert http.get("/v1/collections/road").json()["documents"]["total"] == 2

    assert http.delete("/v1/collections/road").status_code == 204
    assert http.get("/v1/collections/road").status_code == 404


def test_a_run_is_paused_resumed_and_cancelled(http: httpx.Client) -> None:
    upload(http, "orders", {f"{n}.txt": f"Document number {n}. " * 2000 for n in range(60)})
    run_id = http.post("/v1/collections/orders/index").json()["run_id"]
    # A run takes orders as soon as it is started, whether a worker has opened it or not.
    assert http.post(f"/v1/runs/{run_id}/pause").status_code == 202
    wait_for(http, run_id, "paused")
    again = http.post("/v1/collections/orders/index").json()
    assert (again["run_id"], again["joined"]) == (run_id, True)
    rebuild = http.post("/v1/collections/orders/index", json={"force_rebuild": True})
    assert rebuild.status_code == 409
    unknown = http.get(f"/v1/runs/{uuid4()}")
    assert unknown.status_code == 404
    assert "GET /v1/collections/NAME/run" in unknown.json()["detail"]
    # To another tenant, with a collection of that name or without, there is no such run.
    other = {"X-Tenant": "other"}
    for exists in (False, True):
        if exists:
            http.post("/v1/collections", json={"name": "orders"}, headers=other).raise_for_status()
        assert http.get(f"/v1/runs/{run_id}", headers=other).status_code == 404
        for order in ("pause", "resume", "cancel", "retry"):
            answer = http.post(f"/v1/runs/{run_id}/{order}", headers=other)
            assert answer.status_code == 404, (order, answer.text)
    assert http.get(f"/v1/runs/{run_id}").json()["state"] == "paused"
    assert http.post(f"/v1/runs/{run_id}/resume").status_code == 202
    assert http.post(f"/v1/runs/{run_id}/cancel").status_code == 202
    wait_for(http, run_id, "cancelled")
    assert http.post(f"/v1/runs/{run_id}/cancel").status_code == 409


def test_the_api_outlives_a_kill_of_each_server(
    stack: Stack, http: httpx.Client, tmp_path: Path
) -> None:
    assert http.get("/health").json()["ok"]
    for target in (Target.TEMPORAL, Target.POSTGRES):
        stack.kill(target)
        deadline = time.monotonic() + 60
        steady = 0
        while steady < 5:  # a backend may answer once more before it sees that its server is gone
            well = http.get("/health").json()["ok"]
            well = well and http.get("/v1/collections").status_code == 200
            steady = steady + 1 if well else 0
            assert time.monotonic() < deadline, http.get("/health").text
            time.sleep(0.2)
