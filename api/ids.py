"""Ids in paths. What is none is refused with words that say where ids are told, and not with the
parser's."""

from collections.abc import Callable
from typing import Annotated, Any, LiteralString
from uuid import UUID

from fastapi import Path
from pydantic import WrapValidator
from pydantic_core import PydanticCustomError


def _refused_with(words: LiteralString) -> WrapValidator:
    def check(given: Any, read: Callable[[Any], UUID]) -> UUID:
        try:
            return read(given)
        except ValueError:
            raise PydanticCustomError("no_id", words) from None

    return WrapValidator(check)


_LIKE: LiteralString = "a UUID such as 7f8c1a52-3c1e-4a52-9d0c-5b5e2f6a1c11"
_OF_RUN: LiteralString = (
    "`run_id` of POST /v1/collections/NAME/index, or of GET /v1/collections/NAME/run"
)
_OF_DOCUMENT: LiteralString = "`id` of GET /v1/collections/NAME/documents"
_OF_ENTITY: LiteralString = "`id` of GET /v1/collections/NAME/entities"

RunId = Annotated[
    UUID,
    Path(description=f"The run's id: {_OF_RUN}."),
    _refused_with(f"the id of a run is {_LIKE}: {_OF_RUN}"),
]
DocumentId = Annotated[
    UUID,
    Path(description=f"The document's id: {_OF_DOCUMENT}."),
    _refused_with(f"the id of a document is {_LIKE}: {_OF_DOCUMENT}"),
]
EntityId = Annotated[
    UUID,
    Path(description=f"The entity's id: {_OF_ENTITY}."),
    _refused_with(f"the id of an entity is {_LIKE}: {_OF_ENTITY}"),
]
