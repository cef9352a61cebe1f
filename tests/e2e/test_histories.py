"""The histories of a large run: short, light, and without a word of any document."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from graphmill.application.folder import find_files
from graphmill.index_request import IndexRequest
from graphmill.models import CollectionKey, RunState
from tests.support.corpus import Passage, read_passages, write_file
from tests.support.stack import Stack

# As many as make several pages; in `make soak` the thousands that histories must bear.
DOCUMENTS = (120, pytest.param(2000, marks=pytest.mark.soak))
KEY = CollectionKey("default", "histories")
# 500 words of 5 letters: a page.
PAGE_CHARACTERS = 3000
MOST_EVENTS = 5000
MOST_BYTES = 50_000
# Any run of 40 characters of a text holds one of the blocks of 20 that the text is cut into.
BLOCK = 20

pytestmark = pytest.mark.timeout(900)


@dataclass(slots=True)
class Histories:
    """What was read: `largest` payload in bytes, `texts` of every payload and string."""

    events: dict[str, int] = field(default_factory=dict[str, int])
    types: Counter[str] = field(default_factory=Counter[str])
    largest: int = 0
    texts: set[str] = field(default_factory=set[str])


@pytest.fixture(scope="module", params=DOCUMENTS)
def written(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The documents by name: passages put together to a page, each with a word of its own."""
    passages = read_passages(shared)
    folder = tmp_path_factory.mktemp("pages")
    documents: dict[str, str] = {}
    for number in range(request.param):
        text = _page(passages, number)
        documents[str(folder / f"{number:04}.txt")] = text
        write_file(folder / f"{number:04}.txt", text, number)
    return documents


def _page(passages: list[Passage], number: int) -> str:
    words = [f"{sentinel(number)} is what this page is about."]
    choose = random.Random(number)
    while sum(map(len, words)) < PAGE_CHARACTERS:
        words.append(choose.choice(passages).text)
    return "\n\n".join(words)


def sentinel(number: int) -> str:
    """A name, so that it becomes an entity: of those too nothing may be in a history."""
    return f"Sentinella{number:04}"


@pytest.fixture(scope="module")
def histories(
    written: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Histories]:
    stack = Stack(tmp_path_factory.mktemp("histories") / "home")
    stack.start()
    try:
        yield asyncio.run(_index_and_read(stack, sorted(written)))
    finally:
        stack.kill_everything()


async def _index_and_read(stack: Stack, files: Sequence[str]) -> Histories:
    async with stack.application() as app:
        plan = await app.documents.plan_upload(
            KEY, find_files([Path(files[0]).parent], 1_000_000).files
        )
        await app.documents.upload(KEY, plan.uploads)
        run = await app.runs.start(IndexRequest(KEY.name, KEY.tenant))
        status = [status async for status in app.runs.wait(run)][-1]
        assert status.state is RunState.COMPLETED, status
        assert status.documents.done == len(files)
    assert stack.addresses is not None
    assert stack.addresses.temporal_address is not None
    return await read_histories(await Client.connect(stack.addresses.temporal_address))


async def read_histories(client: Client) -> Histories:
    found = Histories()
    async for execution in client.list_workflows(f"GraphmillCollection = '{KEY.name}'"):
        events = 0
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        async for event in _events(handle):
            events += 1
            _read(event, found)
        found.events[f"{execution.id} {execution.run_id}"] = events
        found.types[execution.workflow_type] += 1
    return found


def _events(handle: Any) -> AsyncIterator[HistoryEvent]:
    return handle.fetch_history_events(page_size=1000)


def _read(message: Message, found: Histories) -> None:
    """Every payload and every string, however deep."""
    if isinstance(message, Payload):
        found.largest = max(found.largest, len(message.data))
        found.texts.add(message.data.decode(errors="replace"))
    for descriptor, value in message.ListFields():
        for inner in _values(value):
            if isinstance(inner, Message):
                _read(inner, found)
            elif isinstance(inner, str):
                found.texts.add(inner)
            elif isinstance(inner, bytes) and descriptor.name != "data":
                found.texts.add(inner.decode(errors="replace"))


def _values(field: Any) -> Iterable[Any]:
    """Of a field that may hold one, many or a map of them. (Protobuf's own have no __iter__.)"""
    if isinstance(field, (str, bytes, int, float, Message)):
        return [field]
    return list(field.values()) if hasattr(field, "values") else list(field)


def test_every_document_has_a_workflow_and_every_history_was_read(
    histories: Histories, written: dict[str, str]
) -> None:
    assert histories.types["IndexDocument"] == len(written)
    assert histories.types["IndexCollection"] >= 1
    assert histories.types["IndexPage"] >= 2
    assert histories.types["BuildCommunities"] == 1
    # The names of documents are there, for people to find them by: so texts would be seen too.
    assert any(f'"{len(written) - 1:04}.txt"' in text for text in histories.texts)


def test_no_history_has_more_than_5000_events(histories: Histories) -> None:
    longest = max(histories.events, key=lambda name: histories.events[name])
    assert histories.events[longest] <= MOST_EVENTS, longest


def test_no_payload_is_larger_than_50_kb(histories: Histories) -> None:
    assert 0 < histories.largest <= MOST_BYTES


def test_no_history_holds_text_of_a_document(histories: Histories, written: dict[str, str]) -> None:
    everything = "\n".join(sorted(histories.texts))
    assert "sentinella" not in everything.casefold()
    blocks = {
        text[start : start + BLOCK]
        for text in written.values()
        for start in range(0, len(text) - BLOCK + 1, BLOCK)
    }
    windows = (everything[start : start + BLOCK] for start in range(len(everything)))
    assert next((window for window in windows if window in blocks), None) is None


def test_text_in_a_history_would_be_found(written: dict[str, str]) -> None:
    """The reading itself is looked at: it must see what lies deep in an event."""
    text = next(iter(written.values()))
    event = HistoryEvent()
    attributes = event.activity_task_completed_event_attributes
    attributes.result.payloads.add(data=text[:100].encode())
    event.user_metadata.summary.data = text[100:200].encode()
    found = Histories()
    _read(event, found)
    event.workflow_execution_started_event_attributes.memo.fields["m"].data = text[200:300].encode()
    _read(event, found)
    assert {text[:100], text[100:200], text[200:300]} <= found.texts
    assert found.largest == 100
