"""The exit code says how a run ended, the summary what it did."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from graphmill.cli.progress import follow, phase_words
from graphmill.cli.summary import exit_code_of, show_summary
from graphmill.gaps import REPORT, SUMMARY, EmbeddingGaps, Missing, ModelGaps
from graphmill.ids import document_id
from graphmill.messages import TEXT_UNIT_TEXT
from graphmill.models import Phase, RunState
from graphmill.run_status import (
    DocumentFailure,
    DocumentTotals,
    ModelUse,
    RunModelUse,
    RunStatus,
)


def status(state: RunState, failed: int, partial: int = 0) -> RunStatus:
    return RunStatus(
        run_id="r",
        workflow_id="index/default/c",
        tenant="default",
        collection="c",
        state=state,
        phase=Phase.DONE,
        reason="",
        documents=DocumentTotals(3, 3 - failed - partial, failed, partial=partial),
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
        (RunState.OVER_BUDGET, 0, 1),
    ],
)
def test_exit_codes(state: RunState, failed: int, code: int) -> None:
    assert exit_code_of(status(state, failed)) == code


def test_a_run_with_partial_documents_ends_as_one_with_failed_ones() -> None:
    assert exit_code_of(status(RunState.COMPLETED_WITH_FAILURES, 0, partial=1)) == 3


def test_a_run_whose_graph_lacks_embeddings_says_how_many_and_why_and_ends_with_3(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = status(RunState.COMPLETED_WITH_FAILURES, 0)
    cut = replace(told, embeddings=EmbeddingGaps(cut=1200))
    assert exit_code_of(cut) == 0
    show_summary(cut)
    assert "1,200 of a text's beginning only" in capsys.readouterr().out
    why = "endpoint 'one' refuses the call (400, content_filter)"
    gaps = EmbeddingGaps(2, 3, (Missing(TEXT_UNIT_TEXT, why, 2),))
    missing = replace(told, embeddings=gaps)
    assert exit_code_of(missing) == 3
    assert exit_code_of(replace(missing, state=RunState.RUNNING)) == 0
    assert missing.to_json()["embeddings"] == {
        **{"missing": 2, "cut": 3},
        "reasons": [{"vector_index": "text_unit_text", "reason": why, "texts": 2}],
    }
    show_summary(missing)
    shown = capsys.readouterr()
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert any(line.startswith("embeddings 2 missing, 3 of a text's") for line in lines)
    assert f"2 text units: {why}" in lines
    assert "graphmill retry c" in " ".join(shown.err.split())


def test_a_run_whose_graph_lacks_what_no_model_gave_says_so_and_ends_with_3(
    capsys: pytest.CaptureFixture[str],
) -> None:
    why = "it holds no JSON object"
    gaps = ModelGaps(1, 1200, (Missing(SUMMARY, why, 1200), Missing(REPORT, why, 1)))
    told = replace(status(RunState.COMPLETED_WITH_FAILURES, 0), model_gaps=gaps)
    assert exit_code_of(told) == 3
    assert exit_code_of(replace(told, state=RunState.RUNNING)) == 0
    assert told.to_json()["model_gaps"] == {
        **{"missing": 1201, "reports": 1, "summaries": 1200},
        "reasons": [
            {"kind": "summary", "reason": why, "count": 1200},
            {"kind": "report", "reason": why, "count": 1},
        ],
    }
    show_summary(told)
    shown = capsys.readouterr()
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert "model gaps 1 report and 1,200 summaries missing" in lines
    assert {f"1,200 summaries: {why}", f"1 report: {why}"} <= set(lines)
    assert "graphmill retry c" in " ".join(shown.err.split())


USE = RunModelUse(
    ModelUse(1234, 56, 7_000_000, 800_000, 2_345_678_901),
    {
        "extract_graph": ModelUse(1200, 50, 6_900_000, 790_000, 2_345_000_000),
        "reports": ModelUse(34, 6, 100_000, 10_000, 678_901),
    },
)


def test_a_summary_tells_calls_and_money_and_what_is_partial(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = replace(
        status(RunState.OVER_BUDGET, 1, partial=1),
        model=USE,
        budget_usd=2.5,
        failures=(DocumentFailure(document_id("a"), "a", "model: 1 of 2 text units"),),
    )
    show_summary(told)
    shown = capsys.readouterr()
    lines = [" ".join(line.split()) for line in (shown.out + shown.err).splitlines()]
    assert "state over budget" in lines
    assert "documents 3: 1 done, 1 failed, 1 partial" in lines
    assert (
        "model 1,234 calls, 56 answered from before, 7,000,000 tokens in, 800,000 out, $2.35"
        " of $2.50"
    ) in lines
    assert (
        "reports: 34 calls, 6 answered from before, 100,000 tokens in, 10,000 out, $0.0007" in lines
    )
    assert any("reads the 1 failed and 1 partial documents once more" in line for line in lines)
    assert any("and 1 more: graphmill documents list" in line for line in lines)


def test_a_summary_of_a_run_without_a_model_has_no_line_of_models(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_summary(status(RunState.COMPLETED, 0))
    assert "model" not in capsys.readouterr().out


async def test_progress_tells_calls_and_money(capsys: pytest.CaptureFixture[str]) -> None:
    running = replace(status(RunState.RUNNING, 0, partial=2), phase=Phase.DOCUMENTS, model=USE)

    async def statuses() -> AsyncIterator[RunStatus]:
        yield running

    assert await follow(statuses()) is running
    assert "reading documents: 3/3 2 partial, 1,234 calls, $2.35" in capsys.readouterr().err


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_words(phase: Phase) -> None:
    assert phase_words(replace(status(RunState.RUNNING, 0), phase=phase))
