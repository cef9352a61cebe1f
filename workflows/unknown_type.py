"""A workflow of a type that no code here knows: refused where somebody has misspelt it.

The SDK takes it for one that a newer worker has, and does its first task again for ever: right
while an upgrade goes on, wrong for a misspelling. Whatever graphmill starts has a parent, or its
tenant as a search attribute from its start; what people start by hand has neither.
"""

from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from graphmill.search_attributes import TENANT
    from workflows.written_by_hand import STARTED_BY_HAND, refused


@workflow.defn(dynamic=True)
class UnknownType:
    @workflow.run
    async def run(self, inputs: Sequence[RawValue]) -> None:
        """
        Raises:
            ApplicationError: somebody started it by hand; not retryable.
        """
        info = workflow.info()
        if info.parent is not None or TENANT in info.typed_search_attributes:
            # No failure of the workflow but of this task, which a newer worker does in its place.
            raise RuntimeError(f"unknown type {info.workflow_type!r}; a newer worker may have it")
        raise refused(
            f"graphmill has no workflow {info.workflow_type!r}; those to start by hand are"
            f" {', '.join(STARTED_BY_HAND)}: docs/howto/temporal-cli.md"
        )
