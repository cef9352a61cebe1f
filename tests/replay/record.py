"""`python -m tests.replay.record [SCENARIO...]`: record histories on a real server, to be replayed.

Run it when a workflow's commands change on purpose, behind workflow.patched() where runs may be
under way; keep the old histories, under a name of their own (`Scenario.past`), for as long as such
runs may live.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from temporalio.client import Client, WorkflowExecution

from graphmill.index_request import INDEX_COLLECTION, IndexRequest
from tests.replay.scenarios import SCENARIOS
from tests.support.index_run import IndexRun
from tests.support.road import Road, working
from tests.support.temporal import temporal_server
from workflows import policies

FOLDER = Path(__file__).parent / "histories"
# Without it a history would name the process and the machine that it was recorded on.
_IDENTITY = "recorder"
_RECORDED_TODAY = [name for name, scenario in SCENARIOS.items() if not scenario.past]


async def record(client: Client, name: str) -> None:
    scenario, road = SCENARIOS[name], Road()
    with patch.dict(vars(policies), scenario.policies):
        async with working(client, road):
            await scenario.happen(IndexRun(client, IndexRequest(name)), road)
            await asyncio.sleep(1)  # what ends after the run: cancelled and terminated children
    (FOLDER / name).mkdir(parents=True, exist_ok=True)
    for number, execution in enumerate(await _executions(client, name)):
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        history: Any = json.loads((await handle.fetch_history()).to_json())
        path = FOLDER / name / f"{number:02}-{execution.workflow_type}.json"
        content = {"workflow_id": execution.id, "history": _anonymous(history)}
        path.write_text(json.dumps(content, separators=(",", ":"), sort_keys=True) + "\n")
        print(f"{path.relative_to(FOLDER)}: {len(history['events'])} events")


async def _executions(client: Client, collection: str) -> Sequence[WorkflowExecution]:
    """A run's workflows in the order of their start; of the smaller ones, one of each kind."""
    query = f"GraphmillCollection = '{collection}'"
    found = [execution async for execution in client.list_workflows(query)]
    chosen: list[WorkflowExecution] = []
    kinds: set[tuple[str, object, int]] = set()
    for execution in sorted(found, key=lambda e: (e.start_time, e.id)):
        kind = (execution.workflow_type, execution.status, execution.history_length)
        if execution.workflow_type != INDEX_COLLECTION and kind in kinds:
            continue
        kinds.add(kind)
        chosen.append(execution)
    return chosen


def _anonymous(value: Any) -> Any:
    """Without stack traces, which name folders of the machine, and are not replayed."""
    if isinstance(value, dict):
        items = cast(dict[str, Any], value).items()
        return {name: _anonymous(inner) for name, inner in items if name != "stackTrace"}
    if isinstance(value, list):
        return [_anonymous(inner) for inner in cast(list[Any], value)]
    return value


async def _main(address: str, names: Sequence[str]) -> None:
    client = await Client.connect(address, identity=_IDENTITY)
    for name in names:
        assert name in _RECORDED_TODAY, f"{name} cannot be made to happen any more"
        for old in (FOLDER / name).glob("*.json"):
            old.unlink()
        await record(client, name)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, temporal_server(Path(folder)) as address:
        asyncio.run(_main(address, sys.argv[1:] or _RECORDED_TODAY))
