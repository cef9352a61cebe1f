"""Input of workflows that people write by hand, as JSON: checked field by field, in plain words."""

from collections.abc import Sequence
from typing import cast

from graphmill.errors import InvalidRequest
from graphmill.models import CollectionKey
from graphmill.names import check_collection_name, check_tenant_name


def read_fields(
    value: object, known: Sequence[str], required: Sequence[str], example: str
) -> dict[str, object]:
    """The fields of an object.

    Raises:
        InvalidRequest: it is none, or one is missing or misspelt.
    """
    if not isinstance(value, dict):
        raise InvalidRequest(f"input must be a JSON object such as {example}")
    fields = cast(dict[str, object], value)
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise InvalidRequest(
            f"input has unknown field {', '.join(unknown)}; known are {', '.join(known)}"
        )
    for name in required:
        if name not in fields:
            raise InvalidRequest(f"input lacks the field {name!r}; it is such as {example}")
    return fields


def read_key(fields: dict[str, object]) -> CollectionKey:
    """
    Raises:
        InvalidRequest: the collection or the tenant has no such name.
    """
    tenant = check_tenant_name(fields.get("tenant", "default"))
    return CollectionKey(tenant, check_collection_name(fields["collection"]))


def read_flag(fields: dict[str, object], name: str) -> bool:
    """False where it is left out.

    Raises:
        InvalidRequest: it is neither true nor false.
    """
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} is {value!r}; expected is true or false")
    return value
