"""A long run is more than one trace: no viewer shows one of a million spans.

A run's first pages of documents, and a workflow's first activities, are in its trace. Each that
comes later, and each history that goes on from another (continue-as-new), begins a trace of its
own, with a link: a run of a few hundred documents is one trace, one of 500,000 is a trace for each
page of a hundred, and a sampler (OTEL_TRACES_SAMPLER) chooses among those.
"""

from typing import Any, NoReturn

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.converter import PayloadConverter
from temporalio.worker import (
    ActivityInboundInterceptor,
    ContinueAsNewInput,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    Interceptor,
    StartActivityInput,
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

# Where the SDK's own interceptor keeps what is traced, and where we put it.
_TRACE = "_tracer-data"
_LINK = "graphmill-trace-link"

MOST_PAGES = 3
MOST_ACTIVITIES = 200
"""Of one workflow's history, in its own trace. A page has a hundred documents."""
_PAGE = "IndexPage"


class Cut(ClientInterceptor, Interceptor):
    """Takes what is started late out of the trace of who starts it. It is a client's too, as the
    SDK's own is, since those come before all that are workers' alone."""

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        return _Counting


class Link(Interceptor):
    """Says in what was taken out where it belongs."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Activity(next)

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        return _Workflow


class _Counting(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Steps(outbound))


class _Activity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        _link(input.headers.get(_LINK))
        return await super().execute_activity(input)


class _Workflow(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        _link(input.headers.get(_LINK))
        return await super().execute_workflow(input)


class _Steps(WorkflowOutboundInterceptor):
    """Counts those of one history, the same in each replay."""

    def __init__(self, next: WorkflowOutboundInterceptor) -> None:
        super().__init__(next)
        self._pages = self._activities = 0

    async def start_child_workflow(
        self, input: StartChildWorkflowInput
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        self._pages += input.workflow == _PAGE
        if input.workflow == _PAGE and self._pages > MOST_PAGES:
            _cut(input)
        return await super().start_child_workflow(input)

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        self._activities += 1
        if self._activities > MOST_ACTIVITIES:
            _cut(input)
        return super().start_activity(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        _cut(input)
        super().continue_as_new(input)


def _cut(input: StartChildWorkflowInput | StartActivityInput | ContinueAsNewInput) -> None:
    headers = dict(input.headers)
    carried = headers.pop(_TRACE, None)
    if carried is not None:
        headers[_LINK] = carried
    input.headers = headers


def _link(carried: Payload | None) -> None:
    """From the span that is open to where this was started."""
    if carried is None:
        return
    carrier: dict[str, str] = PayloadConverter.default.from_payload(carried)
    context = TraceContextTextMapPropagator().extract(carrier)
    from_there = trace.get_current_span(context).get_span_context()
    if from_there.is_valid:
        trace.get_current_span().add_link(from_there)
