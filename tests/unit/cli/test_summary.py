"""The exit code says how a run ended."""

import pytest

from graphmill.cli.summary import exit_code_of
from graphmill.models import Phase, RunState
from graphmill.run_status import DocumentTotals, RunStatus


def status(state: RunState, failed: int) -> RunStatus:
    return RunStatus(
        run_id="r",
        workflow_id="index/default/c",
        tenant="default",
        collection="c",
        state=state,
        phase=Phase.DONE,
        reason="",
        documents=DocumentTotals(total=3, done=3 - failed, failed=failed),
        failures=(),
        text_units=0,
        entities=0,
        relationships=0,
        communities=0,
        reports=0,
        processed=0,
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("state", "failed", "code"),
    [
        (RunState.COMPLETED, 0, 0),
        (RunState.COMPLETED_WITH_FAILURES, 1, 3),
        (RunState.FAILED, 0, 1),
        (RunState.FAILED, 1, 1),
        (RunState.CANCELLED, 1, 1),
        (RunState.RUNNING, 1, 0),
        (RunState.PAUSED, 0, 0),
    ],
)
def test_exit_codes(state: RunState, failed: int, code: int) -> None:
    assert exit_code_of(status(state, failed)) == code
