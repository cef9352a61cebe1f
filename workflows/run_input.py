"""What IndexCollection is given: by people, and by itself where it goes on as new."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import workflow

from workflows.own_id import check_own_id
from workflows.written_by_hand import read_request

with workflow.unsafe.imports_passed_through():
    from graphmill.index_request import IndexRequest, index_workflow_id
    from graphmill.messages import DocumentCounts, Recipe


@dataclass(frozen=True, slots=True)
class Carried:
    """What goes on as new: IndexCollection's second input, never written by people."""

    recipe: Recipe
    cursor: int
    pages: int
    counts: DocumentCounts
    paused: bool
    afresh: bool
    read_only: bool = False


def read_input(inputs: Sequence[Any]) -> tuple[IndexRequest, Carried | None]:
    """Refuse bad input at once, in plain words.

    Raises:
        ApplicationError: not retryable.
    """
    carried = None
    if workflow.info().continued_run_id:
        *inputs, carried = inputs
        converter = workflow.payload_converter()
        carried = converter.from_payload(converter.to_payload(carried), Carried)
    request = read_request(inputs, IndexRequest.from_json)
    check_own_id(
        index_workflow_id(request.key), "a collection is indexed by one workflow at a time"
    )
    return request, carried
