"""Histories of real runs replay on the workflows as they are now: an update ends no run under way.

A failure means that a workflow's commands changed. Keep the old way for runs under way
(workflow.patched), then record the new one: python -m tests.replay.record SCENARIO
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowReplayResult

from tests.replay.scenarios import SCENARIOS
from workers.roles.workflow import WORKFLOWS
from workflows import policies

FOLDER = Path(__file__).parent / "histories"
HISTORIES = sorted(FOLDER.glob("*/*.json"))


@pytest.fixture
def recorded_policies(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    path: Path = request.getfixturevalue("path")
    for name, value in SCENARIOS[path.parent.name].policies.items():
        monkeypatch.setattr(policies, name, value)


async def replay(content: dict[str, Any]) -> WorkflowReplayResult:
    history = WorkflowHistory.from_json(content["workflow_id"], content["history"])
    replayer = Replayer(workflows=WORKFLOWS)
    return await replayer.replay_workflow(history, raise_on_replay_failure=False)


@pytest.mark.usefixtures("recorded_policies")
@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_a_recorded_history_replays(path: Path) -> None:
    assert (await replay(json.loads(path.read_text()))).replay_failure is None


def test_every_scenario_and_every_workflow_is_recorded() -> None:
    assert {path.parent.name for path in HISTORIES} == set(SCENARIOS)
    types = {path.stem.split("-", 1)[1] for path in HISTORIES}
    assert types == {workflow.__name__ for workflow in WORKFLOWS}


async def test_a_changed_command_is_found_out() -> None:
    """The replay itself is looked at: it must not pass whatever it is given."""
    path = FOLDER / "normal" / "00-IndexCollection.json"
    text = path.read_text().replace('"name":"merge_graph"', '"name":"fold_graph"')
    result = await replay(json.loads(text))
    assert "fold_graph" in str(result.replay_failure)


def test_histories_name_no_machine() -> None:
    for path in HISTORIES:
        text = path.read_text()
        assert not re.search(r'"identity":"[^"]*@', text), path
        assert not re.search(r"/(home|tmp|work|root|Users)/", text), path
