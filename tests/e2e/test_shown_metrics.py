"""What alert rules and dashboards ask for is what a deployment that works really tells."""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client

from graphmill.memory_limit import LIMIT_METRIC, memory_limit
from graphmill.roles import Role
from tests.support.go_checkers import BUILDS
from tests.support.model_endpoint import Behaviour, running_endpoint
from tests.support.ports import free_ports
from tests.support.shown_metrics import Selector, recorded, selectors, targets
from tests.support.stack import Stack

pytestmark = BUILDS


# Prometheus's own, and labels that it adds to all.
_MADE_BY_PROMETHEUS = {"up", "ALERTS"}
# Told where the machine tells it (tests/unit has both): a limit of memory, if there is one.
_OF_THE_MACHINE: set[str] = set() if memory_limit() else {LIMIT_METRIC}
_ADDED = {"job", "service", "instance"}
_WAIT_SECONDS = 60

_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Told = Mapping[str, list[dict[str, str]]]
"""Labels of each sample, by its name."""


def _read(text: str) -> dict[str, list[dict[str, str]]]:
    told: dict[str, list[dict[str, str]]] = defaultdict(list)
    for name, labels in _SAMPLE.findall(text):
        told[name].append(dict(_LABEL.findall(labels)))
    return told


def _missing(wanted: Selector, told: Told) -> str | None:
    """What of it nobody tells."""
    if wanted.metric not in told:
        return wanted.metric
    for label, values in wanted.labels.items():
        if label in _ADDED:
            continue
        have = {sample.get(label) for sample in told[wanted.metric]}
        for value in values.split("|"):
            if value not in have:
                return f"{wanted.metric}{{{label}={value!r}}}"
    return None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Told]:
    """What API, workers and Temporal's server tell after a run by a model, with a document that
    fails, a second that is over its budget, and a store that does not answer."""
    folder = tmp_path_factory.mktemp("documents")
    for number in range(3):
        (folder / f"{number}.md").write_text(f"# Letter {number}\n\nAda Lovelace met Mary.\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing of one")
    home = tmp_path_factory.mktemp("shown")
    async with running_endpoint(Behaviour(places=50)) as model:
        (home / "graphmill.toml").write_text(
            f"""
            [[endpoints]]
            name = "simulated"
            base_url = "{model.base_url}"
            prompt_price = 100
            completion_price = 100

            [models]
            extraction = "a-model"
            """
        )
        stack = Stack(
            home,
            {
                "GRAPHMILL_API_REQUIRE_KEYS": "true",
                "GRAPHMILL_METRICS_PORT": str(free_ports(3)),
                "NEO4J_URI": "bolt://127.0.0.1:1",
                "GRAPHMILL_DEPLOYMENT_WORKFLOW": "1",
                "GRAPHMILL_DEPLOYMENT_CPU": "1",
                "GRAPHMILL_DEPLOYMENT_LLM_EMBEDDING_STORE_PROJECTION": "2",
            },
        )
        await asyncio.to_thread(stack.start)
        try:
            yield await asyncio.to_thread(_work_and_ask, stack, folder)
        finally:
            await asyncio.to_thread(stack.stop)


def _work_and_ask(stack: Stack, folder: Path) -> Told:
    code, run = stack.run_json("index", str(folder), "-c", "all", "--wait")
    assert (code, run["documents"]["failed"]) == (3, 1), run
    # Another letter: what was asked about those above is paid for.
    (folder / "dear.md").write_text("# Letter of another\n\nMichael Faraday met Mary in London.\n")
    code, run = stack.run_json("index", str(folder), "-c", "dear", "--wait", "--budget", "0.001")
    assert (code, run["state"]) == (1, "over_budget"), run
    code, made = stack.run_json("keys", "create", "prometheus", "--scope", "operator")
    assert code == 0
    assert stack.addresses is not None
    assert stack.addresses.temporal_address is not None
    asyncio.run(_ask_for_what_nobody_does(stack.addresses.temporal_address))
    first = int(stack.environment["GRAPHMILL_METRICS_PORT"])
    server = re.search(r"Metrics:\s+(http://\S+)", stack.home.log("temporal").read_text())
    assert server
    urls = [
        f"{stack.addresses.api_url}/metrics",
        *(f"http://127.0.0.1:{port}/metrics" for port in range(first, first + 3)),
        server[1],
    ]
    deadline = time.monotonic() + _WAIT_SECONDS
    with httpx.Client(
        trust_env=False, headers={"Authorization": f"Bearer {made['key']}"}
    ) as client:
        while True:
            answers = [client.get(url).raise_for_status().text for url in urls]
            found = _read("\n".join(answers))
            # The last to come: the store's workflow has tried, and the figures are counted anew.
            failing = found["temporal_activity_execution_failed_total"]
            ended = re.search(r'ended_last_hour\{state="over_budget"\} 1', answers[0])
            if (failing and ended) or time.monotonic() > deadline:
                return found
            time.sleep(1)


async def _ask_for_what_nobody_does(address: str) -> None:
    """A task without a poller. Whether the stack's own had one in time, as it began, is luck."""
    client = await Client.connect(address)
    await client.start_workflow("Nothing", id="nobody", task_queue="of-nobody")


@pytest.mark.asyncio(loop_scope="module")
async def test_every_metric_of_a_rule_or_dashboard_is_told(told: Told, project_root: Path) -> None:
    deployment = project_root / "deployment"
    made = recorded(deployment) | _MADE_BY_PROMETHEUS | _OF_THE_MACHINE
    shown = targets(deployment)
    missing = {
        (words, target.place)
        for target, asked in zip(shown, selectors(one.expression for one in shown), strict=True)
        for selector in asked
        if selector.metric not in made and (words := _missing(selector, told))
    }
    assert missing == set()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_metric_or_label_that_nobody_tells_is_found(told: Told) -> None:
    [[misspelt], [unknown]] = selectors(
        ["graphmill_document", 'graphmill_documents{state=~"done|finished"}']
    )
    assert _missing(misspelt, told) == "graphmill_document"
    assert _missing(unknown, told) == "graphmill_documents{state='finished'}"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_run_over_its_budget_and_the_memory_of_processes_are_told(told: Told) -> None:
    states = {sample["state"] for sample in told["graphmill_runs_ended_last_hour"]}
    assert {"over_budget", "completed", "cancelled"} <= states
    assert len(told["graphmill_process_memory_bytes"]) == 4  # the API and three workers
    assert len(told["process_start_time_seconds"]) == 3  # the API's would be any of its processes'
    roles = {sample["role"] for sample in told["graphmill_workers_expected"]}
    assert roles == set(Role)
