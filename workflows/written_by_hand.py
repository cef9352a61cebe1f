"""What people give to a workflow: refused at once where it is wrong, and not tried again for ever.

The SDK takes an input that it cannot decode for a bug of ours, which a newer worker may not have,
and does the workflow's first task again and again. So it is where a workflow starts another. What
people start takes plain JSON, any number of it, and reads it here; and what they may start though
it is a part of something else says what is wrong by `PlainRefusals`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import DefaultPayloadConverter
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
)

with workflow.unsafe.imports_passed_through():
    from graphmill.batch_messages import AskInBatchesInput, BatchRun
    from graphmill.errors import InvalidRequest
    from graphmill.messages import (
        INDEX_DOCUMENT,
        GraphRef,
        IndexDocumentInput,
        IndexPageInput,
    )
    from graphmill.written_by_hand import read_fields

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

PARTS = frozenset(
    {"IndexPage", INDEX_DOCUMENT, "BuildCommunities", "AskInBatches", "CancelBatches"}
)
"""Workflows that other workflows start."""

STARTED_BY_HAND = (
    "DeleteDocuments",
    "IndexCollection",
    "IndexFolder",
    "ProjectGraph",
    "TunePrompts",
)
"""Those that people may start."""

_INPUTS = (IndexPageInput, IndexDocumentInput, GraphRef, AskInBatchesInput, BatchRun)


def read_request(inputs: Sequence[Any], read: Callable[[object], T]) -> T:
    """The one input.

    Raises:
        ApplicationError: it is not what `read` takes; not retryable.
    """
    try:
        if len(inputs) > 1:
            raise InvalidRequest(f"there are {len(inputs)} inputs; expected is one JSON object")
        return read(inputs[0] if inputs else None)
    except InvalidRequest as error:
        raise refused(str(error)) from None


def refused(words: str) -> ApplicationError:
    return ApplicationError(words, type="InvalidRequest", non_retryable=True)


class PlainRefusals(DefaultPayloadConverter):
    """Of a part that somebody starts by hand: what it cannot read ends it at once."""

    def from_payloads(
        self, payloads: Sequence[Payload], type_hints: list[type] | None = None
    ) -> list[Any]:
        if len(payloads) > 1:  # the SDK gives no hints then; a result is always one
            raise refused(f"there are {len(payloads)} inputs; expected is one JSON object")
        kind = _input_of(type_hints or [])
        if kind is None:  # a result of what it started
            return super().from_payloads(payloads, type_hints)
        try:
            (given,) = super().from_payloads(payloads)
            read_fields(given, [field.name for field in fields(kind)], (), "{}")
            return super().from_payloads(payloads, type_hints)
        except Exception as error:
            raise refused(
                f"this is a part of a run and cannot read its input ({error}); start"
                " IndexCollection instead: docs/howto/temporal-cli.md"
            ) from None


def _input_of(hints: Sequence[Any]) -> "type[DataclassInstance] | None":
    candidates = (one for hint in hints[:1] for one in (hint, *get_args(hint)))
    return next((one for one in candidates if one in _INPUTS), None)


class CheckingRunner(UnsandboxedWorkflowRunner):
    """Runs workflows, and those that somebody starts by hand with care."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return super().create_instance(checked(det))


def checked(details: WorkflowInstanceDetails) -> WorkflowInstanceDetails:
    if details.info.parent is None and details.info.workflow_type in PARTS:
        return dataclasses.replace(
            details,
            payload_converter_factory=PlainRefusals,
            # No input: the SDK calls it with none.
            worker_level_failure_exception_types=[TypeError],
        )
    return details
