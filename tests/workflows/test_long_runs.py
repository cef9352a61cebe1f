"""A long run is several traces: what comes late begins its own, with a link to where it belongs."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.opentelemetry import create_tracer_provider
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from graphmill.telemetry import long_runs, spans
from graphmill.telemetry.temporal import tracing_plugins

PAGES, STEPS = 5, 4
_kept = InMemorySpanExporter()


@activity.defn
async def step(number: int) -> None:
    """Nothing."""


@workflow.defn(name="IndexPage")
class Page:
    @workflow.run
    async def run(self, number: int) -> None:
        await workflow.execute_activity(step, -1, start_to_close_timeout=timedelta(seconds=9))


@workflow.defn(name="IndexCollection")
class Collection:
    @workflow.run
    async def run(self, again: bool) -> None:
        for number in range(STEPS):
            await workflow.execute_activity(
                step, number, start_to_close_timeout=timedelta(seconds=9)
            )
        for number in range(PAGES):
            await workflow.execute_child_workflow(
                Page.run, number, id=f"{workflow.info().workflow_id}/{number}"
            )
        if again:
            workflow.continue_as_new(False)


@pytest.fixture(scope="module")
def provider() -> None:
    """The process's, which is set once."""
    provider = create_tracer_provider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(_kept))
    trace.set_tracer_provider(provider)


@pytest.fixture
def traced(provider: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    monkeypatch.setattr(long_runs, "MOST_ACTIVITIES", 3)
    spans.trace_with(trace.get_tracer("test"))
    _kept.clear()
    yield _kept
    spans.trace_with(None)


def named(kept: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    """In the order of their start."""
    found = [span for span in kept.get_finished_spans() if span.name == name]
    return sorted(found, key=lambda span: span.start_time or 0)


def trace_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.trace_id


async def test_what_comes_late_is_a_trace_of_its_own(
    temporal_address: str, traced: InMemorySpanExporter
) -> None:
    client = await Client.connect(temporal_address, plugins=tracing_plugins())
    worker = Worker(
        client,
        task_queue="long-runs",
        workflows=[Collection, Page],
        activities=[step],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=0,  # each task is a replay, which must come to the same
    )
    async with worker:
        with spans.root_span("command"):
            await client.execute_workflow(
                Collection.run, True, id="long-runs", task_queue="long-runs"
            )
    (command,) = named(traced, "command")
    first, second = named(traced, "RunWorkflow:IndexCollection")
    assert trace_of(first) == trace_of(command)
    # Another history of it.
    assert trace_of(second) != trace_of(first)
    assert links_of(second) == [trace_of(first)]

    pages, steps = named(traced, "RunWorkflow:IndexPage"), named(traced, "RunActivity:step")
    assert (len(pages), len(steps)) == (2 * PAGES, 2 * (STEPS + PAGES))
    for run, its in ((first, pages[:PAGES]), (second, pages[PAGES:])):
        assert [trace_of(page) for page in its[:3]] == [trace_of(run)] * 3
        own = [trace_of(page) for page in its[3:]]
        assert len({trace_of(run), *own}) == 1 + len(own)  # each has one
        for page in its[3:]:
            assert links_of(page) == [trace_of(run)]
            # And goes on in it.
            assert [trace_of(one) for one in steps].count(trace_of(page)) == 1
        # The run's own but the last, and one of each page that is in its trace.
        assert [trace_of(one) for one in steps].count(trace_of(run)) == 3 + 3
        (late,) = (one for one in steps if links_of(one) == [trace_of(run)])
        assert late.parent is None


def links_of(span: ReadableSpan) -> list[int]:
    return [link.context.trace_id for link in span.links]


async def test_runs_go_on_where_tracing_began_or_ended_meanwhile(
    temporal_address: str, traced: InMemorySpanExporter
) -> None:
    """Workers are updated one by one: commands of a workflow are the same either way."""
    histories: list[WorkflowHistory] = []
    for plugins in (tracing_plugins(), []):
        client = await Client.connect(temporal_address, plugins=plugins)
        worker = Worker(
            client,
            task_queue="half-traced",
            workflows=[Collection, Page],
            activities=[step],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with worker:
            handle = await client.start_workflow(
                Collection.run, False, id="half-traced", task_queue="half-traced"
            )
            await handle.result()
        histories.append(await handle.fetch_history())
    # The first was traced, and the second was not.
    assert len(named(traced, "RunWorkflow:IndexCollection")) == 1
    headers = [
        history.events[0].workflow_execution_started_event_attributes.header.fields
        for history in histories
    ]
    assert [len(fields) for fields in headers] == [1, 0]
    for history, plugins in ((histories[0], []), (histories[1], tracing_plugins())):
        await Replayer(
            workflows=[Collection, Page],
            plugins=plugins,
            workflow_runner=UnsandboxedWorkflowRunner(),
        ).replay_workflow(history)
