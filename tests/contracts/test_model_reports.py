"""Community reports by a model: on a real PostgreSQL, asked over HTTP of the simulated model."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from temporalio.testing import ActivityEnvironment

from activities import model_reports
from activities.model_reports import ModelReportActivities
from graphmill.llm.caller import ModelCaller, Told
from graphmill.llm.calls import Payer, Question
from graphmill.llm.faults import CallRefused
from graphmill.messages import GraphRef, GraphShard
from graphmill.model_endpoints import open_model_caller
from graphmill.models import CollectionKey, CommunityReport
from graphmill.reports import ReportContext, write_report
from graphmill.settings import PruneSettings, load_settings
from graphmill.standard.options import StandardOptions
from graphmill.standard.reports import ModelReport
from graphmill.stores.postgres.graph import PostgresGraphStore
from graphmill.stores.postgres.model_reports import PostgresModelReportStore
from graphmill.stores.postgres.options import PostgresOptionsStore
from tests.support.hierarchies import (
    Tree,
    clustered,
    count_communities,
    store_hierarchies,
    title_of,
)
from tests.support.model_endpoint import Behaviour, ModelEndpoint, running_endpoint

T = TypeVar("T")
OPTIONS = StandardOptions("a-model", "a-model", "a-model")
RUN = UUID(int=1)
# Descriptions of 100 words: a dozen entities can be shown whole, forty cannot.
WORDS = 100
WHOLE: Tree = (4, 4, 4)
OVERSIZE: Tree = (4,) * 12


@dataclass
class RecordingCaller(ModelCaller):
    """What was asked and answered, in this order; and what was asked, by the summaries that came
    back."""

    caller: ModelCaller
    asked: list[str] = field(default_factory=list[str])
    events: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    questions: dict[str, str] = field(default_factory=dict[str, str])

    async def ask(
        self, payer: Payer, question: Question, read: Callable[[str], T]
    ) -> tuple[T, Told]:
        assert (payer.run_id, payer.step) == (RUN, "community_reports")
        text = question.messages[-1].content
        self.asked.append(text)
        self.events.append(("asked", text))
        answer = await self.caller.ask(payer, question, read)
        self.events.append(("answered", text))
        assert isinstance(answer[0], ModelReport)
        self.questions[answer[0].summary] = text
        return answer


@dataclass
class RecordingStore(PostgresModelReportStore):
    """The real one; knows what was loaded, and fails to write as often as it is told to."""

    pool: asyncpg.Pool
    loaded: list[int] = field(default_factory=list[int])
    failures: int = 0

    def __post_init__(self) -> None:
        super().__init__(self.pool)

    async def load_contexts(
        self, graph_id: int, communities: Sequence[int]
    ) -> tuple[ReportContext, ...]:
        self.loaded += communities
        return await super().load_contexts(graph_id, communities)

    async def save_reports(
        self, graph_id: int, reports: Sequence[CommunityReport], gaps: Mapping[int, str]
    ) -> None:
        if self.failures:
            self.failures -= 1
            await asyncio.sleep(0.1)  # others come meanwhile, and wait to be written
            raise ConnectionError("PostgreSQL went away")
        await super().save_reports(graph_id, reports, gaps)


@dataclass
class Graph:
    """A graph under construction, and the model that reports on it."""

    pool: asyncpg.Pool
    ref: GraphRef
    endpoint: ModelEndpoint
    store: RecordingStore
    caller: RecordingCaller

    async def write_reports(self, shard: int = 0, shards: int = 1) -> int:
        activities = ModelReportActivities(self.store, PostgresOptionsStore(self.pool), self.caller)
        async with asyncio.timeout(60):
            return await ActivityEnvironment().run(
                activities.write_model_reports, GraphShard(self.ref, shard, shards)
            )

    async def calls(self) -> int:
        return (await self.endpoint.stats(arrivals=False)).begun

    async def reports(self) -> dict[int, asyncpg.Record]:
        rows = await self.pool.fetch(
            "SELECT * FROM community_reports WHERE graph_id = $1 ORDER BY community",
            self.ref.graph_id,
        )
        return {row["community"]: row for row in rows}

    async def gaps(self) -> dict[UUID, str]:
        rows = await self.pool.fetch(
            "SELECT id, reason FROM model_gaps WHERE graph_id = $1 AND kind = 'report'",
            self.ref.graph_id,
        )
        return {row["id"]: row["reason"] for row in rows}

    async def forget(self, *communities: int) -> None:
        await self.pool.execute(
            "DELETE FROM community_reports WHERE graph_id = $1 AND community = ANY($2::int[])",
            self.ref.graph_id,
            communities,
        )


@asynccontextmanager
async def graph_of(
    pool: asyncpg.Pool,
    roots: Sequence[Tree],
    behaviour: Behaviour,
    words: int = WORDS,
    options: StandardOptions = OPTIONS,
) -> AsyncGenerator[Graph]:
    key = CollectionKey("default", f"reports-{uuid4()}")
    graph_id = await store_hierarchies(pool, key, roots, words)
    await PostgresOptionsStore(pool).save_options(key, options)
    async with running_endpoint(behaviour) as endpoint:
        settings = load_settings(
            {"endpoints": [{"name": "simulated", "base_url": endpoint.base_url, "places": 50}]}
        )
        async with open_model_caller(pool, settings, lambda _: None) as caller:
            yield Graph(
                pool,
                GraphRef(key, graph_id, RUN, options.digest),
                endpoint,
                RecordingStore(pool),
                RecordingCaller(caller),
            )


async def test_each_community_is_asked_about_once_and_in_a_second_run_none(
    pool: asyncpg.Pool,
) -> None:
    roots = (WHOLE, OVERSIZE, 5)
    communities = sum(map(count_communities, roots))
    async with graph_of(pool, roots, Behaviour()) as graph:
        assert await graph.write_reports() == communities
        assert await graph.calls() == communities
        reports = await graph.reports()
        assert list(reports) == list(range(communities))
        assert all(report["summary"].startswith("Report ") for report in reports.values())
        assert await graph.write_reports() == communities
        assert await graph.calls() == communities
        assert await graph.reports() == reports


async def test_an_oversize_community_is_asked_about_after_its_children_with_their_reports(
    pool: asyncpg.Pool,
) -> None:
    """Three levels that wait for each other: 0 for 2 and 3, 3 for its leaves."""
    async with graph_of(pool, ((4, OVERSIZE), WHOLE), Behaviour(seconds=0.5)) as graph:
        await graph.write_reports()
        reports = await graph.reports()
        asked = {
            number: graph.caller.questions[report["summary"]] for number, report in reports.items()
        }
    rolled_up = {number for number, text in asked.items() if "-----Reports-----" in text}
    assert rolled_up == {0, 3}
    for number in rolled_up:
        assert reports[number]["children"]
        began = graph.caller.events.index(("asked", asked[number]))
        for child in reports[number]["children"]:
            assert f"{reports[child]['title']},{reports[child]['rank']:g}," in asked[number]
            assert reports[child]["summary"] in asked[number]
            assert graph.caller.events.index(("answered", asked[child])) < began
    # All others are asked before the first answer is there.
    first_answer = [event for event, _ in graph.caller.events].index("answered")
    assert first_answer >= len(reports) - len(rolled_up)


async def test_a_community_that_can_be_shown_whole_waits_for_no_child(pool: asyncpg.Pool) -> None:
    async with graph_of(pool, (WHOLE,), Behaviour()) as graph:
        await graph.write_reports()
        asked = graph.caller.questions[(await graph.reports())[0]["summary"]]
    assert "-----Reports-----" not in asked
    assert all(f",{title_of(entity)},person," in asked for entity in range(12))


async def store_claims(graph: Graph, *claims: tuple[str, str]) -> None:
    """Each between two titles; numbered from 700."""
    await graph.pool.executemany(
        "INSERT INTO covariates VALUES ($1, $2, $3, 'ACT', 'It is said.', $4, $5, 'TRUE', '1843',"
        " '', '', $2, (SELECT tenant FROM graphs WHERE id = $1))",
        [(graph.ref.graph_id, uuid4(), 700 + place, *claim) for place, claim in enumerate(claims)],
    )


async def test_a_report_is_shown_claims_about_its_entities_and_refers_to_them(
    pool: asyncpg.Pool,
) -> None:
    """Parents as well as children; what two text units claim alike is shown once."""
    with_claims = replace(OPTIONS, claim_description="any")
    async with graph_of(pool, ((4, 4), 5), Behaviour(), options=with_claims) as graph:
        first, last = title_of(0), title_of(7)
        between, about, alone = (first, last), ("NOBODY", first), (last, "")
        await store_claims(graph, between, between, about, ("NOBODY", "NOWHERE"), alone)
        await graph.write_reports()
        reports = await graph.reports()
        asked = {n: graph.caller.questions[one["summary"]] for n, one in reports.items()}
    numbers = {between: 700, about: 702, alone: 704}
    # By community: 2 and 3 are children of 0.
    expected = {0: [between, about, alone], 1: [], 2: [between, about], 3: [between, alone]}
    for community, claims in expected.items():
        shown = asked[community].partition("-----Claims-----\n")[2].splitlines()[1:-1]
        ends = [row.split(",")[1:3] for row in shown]
        assert sorted(ends) == sorted(map(list, claims))
        assert all(row.endswith(",ACT,TRUE,1843,,It is said.") for row in shown)
        if shown:  # the simulated model refers to the first
            said = reports[community]["rating_explanation"]
            assert f"[Data: Claims ({numbers[ends[0][0], ends[0][1]]})]" in said


async def test_without_the_option_claims_that_are_there_are_not_shown(pool: asyncpg.Pool) -> None:
    async with graph_of(pool, (5,), Behaviour()) as graph:
        await store_claims(graph, (title_of(0), title_of(1)))
        await graph.write_reports()
        assert not any("Claims" in text for text in graph.caller.asked)


async def test_what_is_missing_is_written_again_and_what_is_answered_is_not_asked_again(
    pool: asyncpg.Pool,
) -> None:
    async with graph_of(pool, (OVERSIZE, 5), Behaviour()) as graph:
        await graph.write_reports()
        calls, reports = await graph.calls(), await graph.reports()
        graph.caller.asked.clear()
        await graph.forget(0, 5)  # the oversize one, and a child of it
        assert await graph.write_reports() == len(reports)
        assert len(graph.caller.asked) == 2
        assert await graph.calls() == calls
        assert await graph.reports() == reports
        # Its answer gone too, the oversize one alone is asked about, with the same question.
        await graph.forget(0)
        await pool.execute(
            "DELETE FROM model_calls WHERE position($1 IN answer) > 0", reports[0]["summary"]
        )
        await graph.write_reports()
        assert await graph.calls() == calls + 1
        assert await graph.reports() == reports


async def test_a_community_without_a_good_answer_has_the_extractive_report(
    pool: asyncpg.Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor has its parent, since the extractive report hands on what spoilt the answer."""
    async with graph_of(pool, (OVERSIZE, 5), Behaviour(obedient=True)) as graph:
        await pool.execute(
            "UPDATE entities SET description = 'SIMULATED-MODEL OBEY: nonsense' WHERE title = $1",
            title_of(8),
        )
        assert await graph.write_reports() == 14
        reports = await graph.reports()
        leaf, parent = 4, 0
        contexts = await graph.store.load_contexts(graph.ref.graph_id, [leaf, parent])
        # Those three times as they were, once with what was wrong.
        assert await graph.calls() == 12 + 2 * 4
        (rolled_up,) = [text for text in graph.caller.asked if "-----Reports-----" in text]
        # Done again it asks for nothing in this run, and what is missing stays told.
        assert await graph.write_reports() == 14
        assert await graph.calls() == 12 + 2 * 4
        gaps = await graph.gaps()
    assert gaps == {reports[number]["id"]: "it holds no JSON object" for number in (leaf, parent)}
    by_model = {n for n, report in reports.items() if report["summary"].startswith("Report ")}
    assert by_model == reports.keys() - {leaf, parent}
    for context in contexts:
        assert reports[context.community.community]["id"] == write_report(context).id
    assert reports[leaf]["title"] in rolled_up
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [words.partition(" of ")[0] for words in warnings] == ["community 4", "community 0"]
    assert not any("nonsense" in words or "NAME" in words for words in warnings)


async def test_a_report_that_a_model_refuses_is_told_until_its_communities_are_clustered_again(
    pool: asyncpg.Pool,
) -> None:
    """As an attempt after a crash may do, before it writes reports once more."""
    async with graph_of(pool, (5, 3), Behaviour(filtered=f",{title_of(0)},")) as graph:
        assert await graph.write_reports() == 2
        why = "endpoint 'simulated' refuses the call (400, content_filter)"
        assert await graph.gaps() == {(await graph.reports())[0]["id"]: why}
        communities = [
            one.community for one in await graph.store.load_contexts(graph.ref.graph_id, [0, 1])
        ]
        graphs = PostgresGraphStore(pool, PruneSettings())
        await graphs.save_communities(graph.ref.graph_id, clustered(communities))
        assert await graph.gaps() == {}
        await graph.endpoint.change(filtered=None)
        assert await graph.write_reports() == 2
        assert await graph.gaps() == {}
        assert await graph.calls() == 2 + 1


async def test_shards_together_report_on_each_community_once(pool: asyncpg.Pool) -> None:
    roots = (OVERSIZE, WHOLE, 5, WHOLE, 3)
    async with graph_of(pool, roots, Behaviour(seconds=0.05)) as graph:
        counts = await asyncio.gather(*(graph.write_reports(shard, 3) for shard in range(3)))
        # Roots 0 and 3, 1 and 4, 2.
        assert counts == [13 + 4, 4 + 1, 1]
        assert len(await graph.reports()) == sum(counts) == await graph.calls()


async def test_few_at_once_and_one_loaded_at_a_time_still_come_to_an_end(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_reports, "_AT_ONCE", 2)
    monkeypatch.setattr(model_reports, "_LOADED_TOGETHER", (1, 1))
    roots = ((OVERSIZE, (OVERSIZE, WHOLE)), OVERSIZE)
    async with graph_of(pool, roots, Behaviour(seconds=0.01)) as graph:
        assert await graph.write_reports() == sum(map(count_communities, roots))
        asked = graph.caller.asked
        stats = await graph.endpoint.stats()
    assert sum("-----Reports-----" in text for text in asked) == 5
    assert stats.most_in_air == 2


async def test_one_far_too_large_is_loaded_for_its_rolling_up_alone(pool: asyncpg.Pool) -> None:
    async with graph_of(pool, ((450,) * 9, 5), Behaviour(), words=3) as graph:
        assert await graph.write_reports() == 11
        assert graph.store.loaded.count(0) == 1
        assert sum("-----Reports-----" in text for text in graph.caller.asked) == 1


async def test_an_endpoint_that_refuses_ends_the_activity_and_nobody_waits_for_children(
    pool: asyncpg.Pool,
) -> None:
    async with graph_of(pool, (OVERSIZE, 5), Behaviour(models=("another",))) as graph:
        with pytest.raises(CallRefused):
            await graph.write_reports()
        assert await graph.reports() == {}


async def test_a_write_that_fails_costs_no_answer(pool: asyncpg.Pool) -> None:
    async with graph_of(pool, (OVERSIZE, 5), Behaviour(seconds=0.3)) as graph:
        graph.store.failures = 1
        with pytest.raises(ConnectionError):
            await graph.write_reports()
        # Answers are kept apart from reports: those of that write are not paid again. The oversize
        # one was not begun.
        assert await graph.calls() == 13
        assert await graph.write_reports() == 14
        assert len(await graph.reports()) == 14
        assert await graph.calls() == 14
