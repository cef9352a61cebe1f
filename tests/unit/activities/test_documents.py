"""What becomes of a document whose process dies, hangs or grows too large."""

from collections.abc import Callable
from typing import Any, cast
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.documents import DocumentActivities
from graphmill.messages import IndexDocumentInput, IndexDocumentResult, Recipe
from graphmill.models import (
    CollectionKey,
    DocumentState,
    Method,
    ParsedDocument,
    ProcessedDocument,
)
from graphmill.ports import IndexingStore, StoredDocument
from graphmill.process_pool import ProcessDied, TaskTimedOut
from graphmill.settings import LimitSettings

KEY = CollectionKey("default", "sample")
DOCUMENT = StoredDocument(uuid4(), "a.pdf", b"version", 3, DocumentState.PENDING, "")
PROCESSED = ProcessedDocument(ParsedDocument("pdf", "a", "text"), (), ())


class Store:
    """One waiting document, in memory."""

    def __init__(self) -> None:
        self.ended: tuple[DocumentState, str] | None = None
        self.content = b"abc"

    async def load_document(self, *_: object) -> StoredDocument:
        return DOCUMENT

    async def load_content(self, *_: object) -> bytes:
        return self.content

    async def save_processed(self, *_: object) -> bool:
        self.ended = (DocumentState.DONE, "")
        return True

    async def save_ended(
        self, _: object, __: object, ___: object, state: DocumentState, reason: str, *____: object
    ) -> bool:
        self.ended = (state, reason)
        return True


class Processes:
    """Ends each try as it is told to; remembers whether it was careful."""

    def __init__(self, *ends: BaseException | ProcessedDocument) -> None:
        self._ends = list(ends)
        self.careful: list[object] = []

    async def run(
        self, function: Callable[..., Any], /, *args: object, timeout_seconds: float
    ) -> Any:
        self.careful.append(args[-1])
        end = self._ends.pop(0)
        if isinstance(end, BaseException):
            raise end
        return end


async def process(store: Store, processes: Processes) -> IndexDocumentResult:
    activities = DocumentActivities(
        cast(IndexingStore, store), processes, LimitSettings(), lambda recipe: b"recipe"
    )
    document = IndexDocumentInput(KEY, Recipe(Method.FAST, 1200, 100), DOCUMENT.id)
    return await ActivityEnvironment().run(activities.process_document, document)


async def test_a_process_that_is_killed_once_leaves_the_same_text_as_if_it_had_not_been() -> None:
    store, processes = Store(), Processes(ProcessDied(-9), PROCESSED)
    assert (await process(store, processes)).state is DocumentState.DONE
    assert processes.careful == [False, False]


async def test_a_document_that_kills_its_process_is_read_by_the_careful_parsers() -> None:
    store, processes = Store(), Processes(ProcessDied(-11), ProcessDied(-11), PROCESSED)
    assert (await process(store, processes)).state is DocumentState.DONE
    assert processes.careful == [False, False, True]


async def test_a_document_that_kills_the_careful_parsers_too_ends_failed() -> None:
    store, processes = Store(), Processes(*[ProcessDied(-11)] * 3)
    result = await process(store, processes)
    assert result.state is DocumentState.FAILED
    assert result.reason.startswith("crashed: ")
    assert store.ended == (DocumentState.FAILED, result.reason)


async def test_a_document_that_hangs_ends_failed_with_the_setting_to_change() -> None:
    store = Store()
    result = await process(store, Processes(TaskTimedOut()))
    assert result.state is DocumentState.FAILED
    assert "GRAPHMILL_LIMIT_PARSE_SECONDS" in result.reason


async def test_bytes_that_went_meanwhile_are_looked_for_again() -> None:
    store = Store()
    store.content = b""
    with pytest.raises(Exception, match="no longer there"):
        await process(store, Processes())
    assert store.ended is None
