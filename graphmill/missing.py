"""What is not there, in words for commands and for HTTP, which raise the same errors: each says
where to see what there is."""

from uuid import UUID

from graphmill.errors import NotFound
from graphmill.models import CollectionKey

_COLLECTIONS = "`graphmill collections list` or GET /v1/collections"


def no_collection(key: CollectionKey) -> NotFound:
    return NotFound(
        f"there is no collection {key.name!r} (tenant {key.tenant!r});"
        f" {_COLLECTIONS} shows those there are"
    )


def no_run(id: UUID) -> NotFound:
    return NotFound(
        f"there is no run {id}; `graphmill status NAME` or GET /v1/collections/NAME/run shows the"
        " latest of a collection"
    )


def no_run_or_collection(tenant: str, given: str) -> NotFound:
    return NotFound(
        f"there is no run {given!r}, and no run of a collection of that name (tenant {tenant!r});"
        f" {_COLLECTIONS} shows the collections"
    )


def no_document(key: CollectionKey, id: UUID) -> NotFound:
    return NotFound(
        f"there is no document {id} in collection {key.name!r};"
        f" `graphmill documents list --collection {key.name}` or"
        f" GET /v1/collections/{key.name}/documents shows those there are"
    )


def no_entity(key: CollectionKey, id: UUID) -> NotFound:
    return NotFound(
        f"the graph of {key.name!r} has no entity {id};"
        f" GET /v1/collections/{key.name}/entities shows those it has"
    )
