"""The client by which Qdrant is reached, and what its errors mean."""

import json
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import (
    ApiException,
    ResponseHandlingException,
    UnexpectedResponse,
)

from graphmill.errors import Unavailable
from graphmill.telemetry.spans import call_span

# The longest that one request may take; a batch takes a few hundredths of a second.
_SECONDS = 30
_MAX_WORDS = 200


class NoSuchCollection(Unavailable):
    """The Qdrant collection is not there, or not any more."""


@asynccontextmanager
async def open_client(url: str, api_key: str | None) -> AsyncGenerator[AsyncQdrantClient]:
    """Connected to when it is first used."""
    client = AsyncQdrantClient(
        url=url,
        api_key=api_key or None,
        timeout=_SECONDS,
        # It would ask from a thread of its own at once, and speak to stderr.
        check_compatibility=False,
    )
    try:
        yield client
    finally:
        await client.close()


@contextmanager
def answering(operation: str, collection: str = "") -> Generator[None]:
    """Around every call of the client: a span; and its errors as ours, in plain words, without the
    address, the key and what was sent.

    Args:
        operation: the client's method.
        collection: Qdrant's, where it is about one.

    Raises:
        NoSuchCollection, Unavailable.
    """
    attributes = {"db.system.name": "qdrant", "db.operation.name": operation}
    if collection:
        attributes["db.collection.name"] = collection
    try:
        with call_span(f"{operation} {collection}".strip(), attributes):
            yield
    except UnexpectedResponse as error:
        raise _refusal(error) from None
    except ResponseHandlingException as error:
        raise _silence(error.source) from None
    except ResourceExhaustedResponse as error:
        unavailable = Unavailable("Qdrant has too much to do (429)")
        unavailable.retry_in = float(error.retry_after_s)
        raise unavailable from None
    except (ApiException, QdrantException, OSError) as error:
        raise _silence(error) from None
    except ValueError as error:
        # The client's local mode has no status codes.
        if "not found" in str(error):
            raise NoSuchCollection("the Qdrant collection is not there") from None
        raise


def _silence(error: Exception) -> Unavailable:
    kind = type(error).__name__
    return Unavailable(f"Qdrant does not answer ({kind}); check that it runs and QDRANT_URL")


def _refusal(error: UnexpectedResponse) -> Unavailable:
    match error.status_code:
        case 401 | 403:
            return Unavailable("Qdrant refuses the key; check QDRANT_API_KEY")
        case 404:
            return NoSuchCollection("the Qdrant collection is not there; check QDRANT_URL too")
        case status:
            return Unavailable(f"Qdrant refuses with status {status}{_words(error.content)}")


def _words(content: bytes) -> str:
    """Qdrant's own; nothing of what something between us and it may say."""
    try:
        told = json.loads(content)["status"]["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {told[:_MAX_WORDS]}" if isinstance(told, str) else ""
