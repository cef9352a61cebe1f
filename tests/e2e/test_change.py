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
from typing import Any

import pytest
import pytest_asyncio

from tests.graph_references import check_references
from tests.support.changed_tables import Change, Exported
from tests.support.corpus import Passage, read_passages, write_file
from tests.support.model_endpoint import Behaviour, ModelEndpoint, running_endpoint
from tests.support.stack import Stack

NAME = "letters"
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
    """A folder of documents, and the tenant whose collection follows it."""

    stack: Stack
    model: ModelEndpoint
    passages: Sequence[Passage]
    documents: int
    folder: Path
    tenant: str

    def write(self, number: int, *, first: int) -> None:
        own = self.passages[PASSAGES * number + 1 : PASSAGES * (number + 1)]
        parts = [self.passages[first], *own]
        text = "\n\n".join(f"# {passage.title}\n\n{passage.text}" for passage in parts)
        write_file(self.folder / f"{number:03}.md", text, number)

    def change(self, *numbers: int) -> tuple[str, ...]:
        """Another first passage, of the last ones, which no document began with."""
        for number in numbers:
            self.write(number, first=len(self.passages) - 1 - number % 80)
        return ()

    def delete(self, *numbers: int) -> tuple[str, ...]:
        """Their names; the collection still has them."""
        names = tuple(f"{number:03}.md" for number in numbers)
        for name in names:
            (self.folder / name).unlink()
        return names

    async def run(self, *words: str, tenant: str = "") -> Any:
        of = ("--tenant", tenant or self.tenant)
        code, told = await asyncio.to_thread(self.stack.run_json, *words, *of, timeout=400)
        assert code == 0, told
        return told

    async def index(self, tenant: str = "") -> None:
        await self.run("index", str(self.folder), "--collection", NAME, "--wait", tenant=tenant)

    async def follow(self, started: Any) -> None:
        await self.run("status", started["run_id"], "--watch")

    async def tables(self, target: Path, tenant: str = "") -> dict[str, bytes]:
        words = ("export", NAME, "--format", "jsonl", "--output", str(target))
        await self.run(*words, tenant=tenant)
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
    [(16, 2, 5), pytest.param(300, 10, 85, marks=pytest.mark.soak)],
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
    passages = read_passages(shared)
    archive = Archive(
        stack, model, passages, documents, tmp_path / "documents", f"change-{documents}"
    )
    for number in range(documents):
        archive.write(number, first=PASSAGES * number)
    await archive.index()
    before = await archive.tables(tmp_path / "before")

    every = documents // (changed + 1)
    several = [every * (number + 1) for number in range(changed)]
    # Among them some that were changed.
    gone = [number * documents // deleted for number in range(deleted)]
    for what, numbers in (
        ("1 changed", [3]),
        (f"{changed} changed", several),
        (f"{deleted} deleted", gone),
    ):
        names = archive.delete(*numbers) if "deleted" in what else archive.change(*numbers)
        start = await archive.counts()
        other = f"{archive.tenant}-{what.replace(' ', '-')}"
        await archive.index(other)
        fresh = await archive.tables(tmp_path / f"{what}, fresh", other)
        middle = await archive.counts()
        least = middle.new - start.new
        if names:
            told = await archive.run("documents", "delete", *names, "--collection", NAME)
            await archive.follow(told)
        else:
            await archive.index()
        after = await archive.tables(tmp_path / what)
        made = await archive.counts()
        asked = made.asked - middle.asked
        await archive.follow(await archive.run("rebuild", NAME, "--communities"))
        assert await archive.tables(tmp_path / f"{what}, rebuilt") == fresh
        afresh = (await archive.counts()).asked - made.asked

        change = Change(Exported.of(before), Exported.of(after))
        steps = sorted(asked.keys() | least.keys() | afresh.keys())
        communities = len(change.after.tables["communities"])
        print(f"\n{what} of {documents}, {communities} communities then:")
        for step in steps:
            print(f"  {step}: {asked[step]} asked, least {least[step]}, {afresh[step]} afresh")
        before = fresh
        assert asked
        assert afresh.keys() <= {REPORTS}
        for step in steps:
            if step != REPORTS:
                assert asked[step] == least[step], step
        assert asked[REPORTS] == len(change.reports_to_write)
