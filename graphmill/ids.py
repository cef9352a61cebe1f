"""Ids made from content: doing a thing again gives the same id, so a write done twice overwrites.

Ids are unique within a (tenant, collection), which is part of every key; they do not depend on its
name, so that the same folder in two collections gives the same tables. The SQL function content_id
(migration 0001) computes the same ids; a test compares the two.
"""

import hashlib
from collections.abc import Iterable
from uuid import UUID

_SEPARATOR = "\x1f"


def content_id(kind: str, *parts: str | int | UUID) -> UUID:
    """The first 16 bytes of the SHA-256 of kind and parts, joined by U+001F, in UTF-8.

    At most one part, the last, may be free text; the others must not contain U+001F.
    """
    joined = _SEPARATOR.join((kind, *map(str, parts)))
    return UUID(bytes=hashlib.sha256(joined.encode()).digest()[:16])


def document_id(name: str) -> UUID:
    """A document is its source name within a collection; its bytes are its version."""
    return content_id("document", name)


def text_unit_id(document_id: UUID, position: int, text: str) -> UUID:
    return content_id("text_unit", document_id, position, text)


def entity_id(title: str) -> UUID:
    return content_id("entity", title)


def relationship_id(source: str, target: str) -> UUID:
    return content_id("relationship", source, target)


def covariate_id(text_unit_id: UUID, *claim: str) -> UUID:
    """A claim is its text unit and all that it says: subject, object, type, status, start and end
    date, source text, description; none of them has control characters."""
    return content_id("covariate", text_unit_id, *claim)


def community_id(level: int, entity_ids: Iterable[UUID]) -> UUID:
    """A community is its level and its members, in any order."""
    return content_id("community", level, " ".join(sorted(map(str, entity_ids))))


def community_report_id(full_content_json: str) -> UUID:
    """A report is its content."""
    return content_id("community_report", full_content_json)


def community_embedding_id(text: str) -> UUID:
    """What is embedded of a report (graphmill.reports.embedded_content)."""
    return content_id("community_full_content", text)
