"""Names that users give to collections, tenants and documents: what is allowed."""

import re
import unicodedata

from graphmill.errors import InvalidRequest

COLLECTION_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
TENANT_NAME = r"[a-z0-9][a-z0-9_-]{0,62}"

_NAME = re.compile(COLLECTION_NAME)
_TENANT = re.compile(TENANT_NAME)


def check_collection_name(value: object) -> str:
    """A collection's name: 1 to 100 ASCII letters, digits, dots, hyphens and underscores.

    Raises:
        InvalidRequest: it is not.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise InvalidRequest(
            f"collection name is {value!r}; expected are 1 to 100 letters, digits, '.', '-' or '_',"
            " beginning with a letter or digit"
        )
    return value


def check_tenant_name(value: object) -> str:
    """A tenant's name: 1 to 63 lower-case letters, digits, hyphens and underscores.

    Raises:
        InvalidRequest: it is not.
    """
    if not isinstance(value, str) or not _TENANT.fullmatch(value):
        raise InvalidRequest(
            f"tenant name is {value!r}; expected are 1 to 63 lower-case letters, digits, '-' or"
            " '_', beginning with a letter or digit"
        )
    return value


def check_document_name(value: str) -> str:
    """A document's source name: a relative path with '/' between its parts, NFC, without '..'.

    Raises:
        InvalidRequest: it is empty, absolute, climbs out of its folder, is longer than 1,000
            characters or has control characters.
    """
    name = unicodedata.normalize("NFC", value)
    parts = name.split("/")
    if (
        not name
        or len(name) > 1000
        or len(name.encode("utf-8", "replace")) > 2000  # a key of an index holds 2,704 bytes
        or any(part in ("", ".", "..") for part in parts)
        or any(unicodedata.category(c) in ("Cc", "Cs") for c in name)
    ):
        raise InvalidRequest(
            f"document name is {value!r}; expected is a relative path of at most 1,000 characters"
            " (2,000 bytes) without '..' and control characters"
        )
    return name
