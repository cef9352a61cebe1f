"""What a change asks of models, beside the least that it can ask.

The least is what the simulated endpoint saw: another tenant, which has no answers, indexes what the
change leaves, and of its questions those count that nobody had asked before. A scheme that gives
the tables of a fresh index, and keeps answers by their questions, cannot do with fewer. Reports are
another matter: communities are steady, so theirs may be fewer, until they are found afresh.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from graphmill.application.folder import find_files
from graphmill.application.graphmill import Graphmill
from graphmill.application.run_workflows import RunHandle
from graphmill.ids import document_id
from graphmill.index_request import IndexRequest
from graphmill.models import CollectionKey, RunState
from graphmill.tenancy import acting_for
from tests.graph_references import check_references
from tests.support.changed_tables import Change, Exported
from tests.support.corpus import Passage, read_passages, write_file
from tests.support.model_endpoint import Behaviour, ModelEndpoint, running_endpoint
from tests.support.stack import Stack

REPORTS = "community_report"
PASSAGES = 6
"""Of a document; no other has one of them."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncGenerator[ModelEndpoint]:
    async with running_endpoint(Behaviour(places=50, seconds=0.01)) as endpoint:
        yield endpoint


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    model: ModelEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Stack]:
    stack = Stack(
        tmp_path_factory.mktemp("change"),
        {"OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": "a-model"},
    )
    await asyncio.to_thread(stack.start)
    yield stack
    await asyncio.to_thread(stack.stop)


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder of documents, and collections that follow it, of a tenant each."""

    app: Graphmill
    model: ModelEndpoint
    passages: Sequence[Passage]
    folder: Path

    def write(self, number: int, *, first: int) -> None:
        own = self.passages[PASSAGES * number + 1 : PASSAGES * (number + 1)]
        parts = [self.passages[first], *own]
        text = "\n\n".join(f"# {passage.title}\n\n{passage.text}" for passage in parts)
        write_file(self.folder / f"{number:03}.md", text, number)

    def change(self, numbers: Sequence[int]) -> None:
        """Another first passage, of the last ones, which no document began with."""
        for number in numbers:
            self.write(number, first=len(self.passages) - 1 - number % 80)

    def delete(self, numbers: Sequence[int]) -> list[UUID]:
        """The files; the collections still have the documents, whose ids these are."""
        names = [f"{number:03}.md" for number in numbers]
        for name in names:
            (self.folder / name).unlink()
        return [document_id(name) for name in names]

    async def index(self, key: CollectionKey) -> None:
        found = find_files([self.folder], 1_000_000)
        with acting_for(key.tenant):
            plan = await self.app.documents.plan_upload(key, found.files)
            await self.app.documents.upload(key, plan.uploads)
            await self.follow(await self.app.runs.start(IndexRequest(key.name, key.tenant)))

    async def forget(self, key: CollectionKey, documents: Sequence[UUID]) -> None:
        with acting_for(key.tenant):
            await self.follow(await self.app.delete_documents(key, documents))

    async def find_communities_afresh(self, key: CollectionKey) -> None:
        with acting_for(key.tenant):
            await self.follow(await self.app.runs.find_communities_afresh(key))

    async def follow(self, run: RunHandle) -> None:
        *_, ended = [status async for status in self.app.runs.wait(run)]
        assert ended.state is RunState.COMPLETED, ended.reason

    async def tables(self, key: CollectionKey, target: Path) -> dict[str, bytes]:
        with acting_for(key.tenant):
            await self.app.exports.write(key, "jsonl", target)
        assert check_references(target) == []
        return {path.name: path.read_bytes() for path in sorted(target.iterdir())}

    async def counts(self) -> "Counts":
        steps = (await self.model.stats(arrivals=False)).steps
        return Counts(
            Counter({step: found.begun for step, found in steps.items()}),
            Counter({step: found.new for step, found in steps.items()}),
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """By step, what the endpoint was asked, and what of that nobody had asked before."""

    asked: Counter[str]
    new: Counter[str]


@pytest.mark.timeout(1800)
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("documents", "changed", "deleted"),
    [(12, 2, 4), pytest.param(300, 10, 85, marks=pytest.mark.soak)],
)
async def test_a_change_asks_for_no_more_than_what_nobody_ever_asked(
    stack: Stack,
    model: ModelEndpoint,
    shared: Path,
    tmp_path: Path,
    documents: int,
    changed: int,
    deleted: int,
) -> None:
    """One changed, then some, then some deleted; after each, found afresh, the tables of a fresh
    index."""
    key = CollectionKey(f"change-{documents}", "letters")
    every = documents // (changed + 1)
    several = [every * (number + 1) for number in range(changed)]
    # Among them some that were changed.
    gone = [number * documents // deleted for number in range(deleted)]
    async with stack.application() as app:
        archive = Archive(app, model, read_passages(shared), tmp_path / "documents")
        for number in range(documents):
            archive.write(number, first=PASSAGES * number)
        await archive.index(key)
        before = await archive.tables(key, tmp_path / "before")
        for what, numbers in (("changed", [3]), ("changed", several), ("deleted", gone)):
            step = f"{what}-{len(numbers)}"
            forgotten: list[UUID] = []
            if what == "deleted":
                forgotten = archive.delete(numbers)
            else:
                archive.change(numbers)
            start = await archive.counts()
            other = CollectionKey(f"{key.tenant}-{step}", key.name)
            await archive.index(other)
            fresh = await archive.tables(other, tmp_path / f"{step}-fresh")
            middle = await archive.counts()
            if forgotten:
                await archive.forget(key, forgotten)
            else:
                await archive.index(key)
            after = await archive.tables(key, tmp_path / step)
            made = await archive.counts()
            await archive.find_communities_afresh(key)
            assert await archive.tables(key, tmp_path / f"{step}-rebuilt") == fresh
            afresh = (await archive.counts()).asked - made.asked
            check_calls(
                f"{len(numbers)} of {documents} {what}",
                Change(Exported.of(before), Exported.of(after)),
                asked=made.asked - middle.asked,
                least=middle.new - start.new,
                afresh=afresh,
            )
            before = fresh


def check_calls(
    what: str,
    change: Change,
    *,
    asked: Counter[str],
    least: Counter[str],
    afresh: Counter[str],
) -> None:
    """`afresh`: what was asked once communities were found afresh, after `asked`."""
    communities = len(change.after.tables["communities"])
    print(f"\n{what}, {communities} communities then:")
    for step in sorted(asked.keys() | least.keys() | afresh.keys()):
        print(f"  {step}: {asked[step]} asked, least {least[step]}, {afresh[step]} more afresh")
    assert afresh.keys() <= {REPORTS}
    for step in (asked.keys() | least.keys()) - {REPORTS}:
        assert asked[step] == least[step], step
    # Some of those had been asked for before: of communities that came and went.
    assert asked[REPORTS] <= len(change.reports_to_write)
    assert asked[REPORTS] + afresh[REPORTS] >= least[REPORTS]
