"""What a workflow shows of itself to searches in the Web UI and the temporal CLI."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from graphmill.models import CollectionKey, DocumentState, RunState
    from graphmill.search_attributes import COLLECTION, STATE, TENANT


def show_collection(key: CollectionKey) -> None:
    """For workflows that people start by hand; others carry it from their start."""
    # The SDK leaves a type variable open here.
    workflow.upsert_search_attributes(  # pyright: ignore[reportUnknownMemberType]
        [TENANT.value_set(key.tenant), COLLECTION.value_set(key.name)]
    )


def show_state(state: RunState | DocumentState) -> None:
    workflow.upsert_search_attributes(  # pyright: ignore[reportUnknownMemberType]
        [STATE.value_set(state)]
    )
