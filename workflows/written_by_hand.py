"""What people give to a workflow: refused at once where it is wrong, and not tried again for ever.

The SDK takes an input that it cannot decode for a bug of ours, which a newer worker may not have,
and does the workflow's first task again and again. So it is where a workflow starts another. What
people start takes plain JSON, any number of it, and reads it here; and what they may start though
it is a part of something else says what is wrong by `PlainRefusals`.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import DefaultPayloadConverter
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from graphmill.errors import InvalidRequest
    from graphmill.messages import INDEX_DOCUMENT

T = TypeVar("T")

PARTS = frozenset(
    {"IndexPage", INDEX_DOCUMENT, "BuildCommunities", "AskInBatches", "CancelBatches"}
)
"""Workflows that other workflows start."""


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
    """Of workers: the default, but that a part which somebody starts by hand with what it cannot
    read ends at once."""

    def from_payloads(
        self, payloads: Sequence[Payload], type_hints: list[type] | None = None
    ) -> list[Any]:
        try:
            return super().from_payloads(payloads, type_hints)
        except Exception as error:
            if not workflow.in_workflow():
                raise
            info = workflow.info()
            if info.parent is not None or info.workflow_type not in PARTS:
                raise
            cause = error.__cause__ or error
            raise refused(
                f"{info.workflow_type} is a part of a run and cannot read this input ({cause});"
                " start IndexCollection instead: docs/howto/temporal-cli.md"
            ) from None
