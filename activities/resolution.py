"""The activity that finds entities which are the same under several titles."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeVar

from temporalio import activity

from activities.fan_out import for_each
from activities.heartbeats import heartbeating
from graphmill.errors import PermanentError
from graphmill.llm.caller import ModelCaller
from graphmill.llm.calls import InvalidAnswer, Payer
from graphmill.llm.faults import QuestionRefused
from graphmill.messages import GraphRef
from graphmill.models import CollectionKey
from graphmill.ports import Embedder, ProcessRunner, ResolutionStore
from graphmill.process_pool import TaskTooLarge
from graphmill.standard.decisions import Decision, Step
from graphmill.standard.entity_groups import group_titles
from graphmill.standard.options import OptionsStore, StandardOptions
from graphmill.standard.resolution import Candidate, read_resolution, resolution_question
from graphmill.standard.same_entities import NearPair, SeenTitle, to_ask, weigh
from graphmill.standard.title_search import FoundTitles, search_titles

T = TypeVar("T")

RESOLVE_ENTITIES = "resolve_entities"
"""The step under which its calls are accounted."""

# Pairs that are asked about at once: more than any endpoint has places.
_AT_ONCE = 500
# Pairs whose descriptions are in memory at once. Finding them reads all extractions.
_DESCRIBED_TOGETHER = 20_000
# A million titles take minutes; this only ends what hangs.
_SEARCH_SECONDS = 6 * 3600


class TooManyTitles(PermanentError):
    """To look for pairs among them takes more memory than there is for it."""


class ResolutionActivities:
    """Queue: llm."""

    def __init__(
        self,
        store: ResolutionStore,
        options: OptionsStore,
        caller: ModelCaller,
        embedder: Embedder,
        processes: ProcessRunner,
    ) -> None:
        self._store = store
        self._options = options
        self._caller = caller
        self._embedder = embedder
        self._processes = processes

    @activity.defn
    async def resolve_entities(self, graph: GraphRef) -> int:
        """Decide which titles of the live extractions mean one thing; returns how many go.

        Done again after a crash, it pays again only for calls that were in the air.
        """
        async with heartbeating():
            return await self._resolve(graph)

    async def _resolve(self, graph: GraphRef) -> int:
        options = await self._options.load_options(graph.key, graph.options)
        decided = list(await self._store.load_verdicts(graph.key))
        found = await self._search(graph.key, decided)
        # From here on only what is in a pair is in memory.
        seen = {one.title: one for one in found.seen}
        decided += found.pairs.decided
        doubtful: list[NearPair] = []
        # In threads: what is left is far less, and gives way to the event loop again and again.
        for pairs in _parts(found.pairs.near):
            told = await self._descriptions(graph.key, ((one.title, one.other) for one in pairs))
            same, open_ = await asyncio.to_thread(weigh, pairs, told, self._embedder.embed)
            decided += same
            doubtful += open_
        asked = await asyncio.to_thread(_to_ask, seen, decided, doubtful)
        decided += await self._ask_all(graph, options, seen, asked)
        groups = await asyncio.to_thread(group_titles, seen, decided)
        await self._store.save_groups(graph.graph_id, groups)
        return len(groups.resolved)

    async def _search(self, key: CollectionKey, verdicts: Sequence[Decision]) -> FoundTitles:
        titles = await self._store.load_titles(key)
        named = sorted({title for one in verdicts for title in (one.title, one.other)})
        count = len(titles)
        try:
            return await self._processes.run(
                search_titles, titles, named, timeout_seconds=_SEARCH_SECONDS
            )
        except TaskTooLarge as error:
            raise TooManyTitles(
                f"to find what is one thing among {count:,} titles, {error}; let fewer documents be"
                " one collection, or run workers of role llm on a machine with more memory"
            ) from None

    async def _descriptions(
        self, key: CollectionKey, pairs: Iterator[tuple[str, str]]
    ) -> Mapping[str, Sequence[str]]:
        return await self._store.load_descriptions(key, set(chain.from_iterable(pairs)))

    async def _ask_all(
        self,
        graph: GraphRef,
        options: StandardOptions,
        seen: Mapping[str, SeenTitle],
        asked: Sequence[tuple[str, str]],
    ) -> list[Decision]:
        payer = Payer(graph.key, graph.run_id, RESOLVE_ENTITIES)
        decided: list[Decision] = []

        async def candidates() -> AsyncIterator[tuple[Candidate, Candidate]]:
            for pairs in _parts(asked):
                told = await self._descriptions(graph.key, iter(pairs))
                for one, other in pairs:
                    yield (
                        Candidate(one, seen[one].type, " ".join(told.get(one, ()))),
                        Candidate(other, seen[other].type, " ".join(told.get(other, ()))),
                    )

        async def ask(pair: tuple[Candidate, Candidate]) -> None:
            decided.append(await self._ask(payer, options, *pair))

        await for_each(candidates(), ask, min(_AT_ONCE, len(asked)))
        return decided

    async def _ask(
        self, payer: Payer, options: StandardOptions, one: Candidate, other: Candidate
    ) -> Decision:
        """What the model says; apart, where it says nothing that can be used."""
        # The model that read the texts: what it says here changes the graph as much as they do, and
        # these are few calls beside those.
        question = resolution_question(one, other, options.extraction_model, options.resolution)
        try:
            answer, _ = await self._caller.ask(payer, question, read_resolution)
        except (InvalidAnswer, QuestionRefused) as error:
            return Decision(one.title, other.title, False, Step.MODEL, str(error))
        return Decision(one.title, other.title, answer.same, Step.MODEL, answer.reason)


def _to_ask(
    seen: Mapping[str, SeenTitle], decided: Collection[Decision], doubtful: Sequence[NearPair]
) -> tuple[tuple[str, str], ...]:
    """Pairs of the groups that there are without a model, without those that a person decided."""
    leaders = group_titles(seen, decided).leaders()

    def leader(title: str) -> str:
        return leaders.get(title, title)

    known = {
        (min(pair), max(pair))
        for pair in (
            (leader(one.title), leader(one.other)) for one in decided if one.step is Step.PERSON
        )
    }
    return to_ask(doubtful, leader, known)


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _DESCRIBED_TOGETHER):
        yield items[start : start + _DESCRIBED_TOGETHER]
