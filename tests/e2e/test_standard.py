"""Method standard as a user has it: a stack, a folder, an endpoint over HTTP."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pandas
import pytest
import pytest_asyncio

from graphmill.application.graphmill import Graphmill
from graphmill.export import TABLES
from graphmill.index_request import IndexRequest
from graphmill.models import CollectionKey, RunState
from graphmill.run_status import RunStatus
from graphmill.standard.collection_prompts import CollectionPrompts
from graphmill.tenancy import acting_for
from tests.graph_references import check_references
from tests.support.changed_tables import Change, Exported
from tests.support.corpus import long_documents, read_passages, write_file
from tests.support.model_endpoint import Behaviour, ModelEndpoint, Stats, running_endpoint
from tests.support.stack import Stack, Target
from tests.support.waiting import until

DOCUMENTS = 12
# Calls that are at the endpoint at once.
PLACES = 8
SECONDS = 0.02
NAME = "letters"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncGenerator[ModelEndpoint]:
    async with running_endpoint(Behaviour(places=50, seconds=SECONDS)) as endpoint:
        yield endpoint


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    model: ModelEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("standard"))
    (stack.home.path / "graphmill.toml").write_text(
        # A call that hangs is given up in a time that a test can wait for.
        f"""
        [[endpoints]]
        name = "simulated"
        base_url = "{model.base_url}"
        places = {PLACES}
        timeout_seconds = 3

        [models]
        extraction = "a-model"
        summaries = "a-model"
        reports = "a-model"
        """
    )
    await asyncio.to_thread(stack.start)
    yield stack
    await asyncio.to_thread(stack.stop)


@pytest.fixture(scope="module")
def folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    texts = long_documents(read_passages(shared)[:200], DOCUMENTS, 5_000)
    for number, text in enumerate(texts):
        write_file(folder / f"{number:02}.md", text, number)
    return folder


async def index(
    stack: Stack, folder: Path, *words: str, name: str = NAME, timeout: float = 120
) -> tuple[int, Any]:
    command = ("index", str(folder), "--collection", name, "--wait", *words)
    return await asyncio.to_thread(stack.run_json, *command, timeout=timeout)


@dataclass(frozen=True, slots=True)
class Indexed:
    """A first run: what it said, and what the endpoint counted."""

    status: Any
    stats: Stats


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def indexed(stack: Stack, model: ModelEndpoint, folder: Path) -> Indexed:
    await model.reset()
    code, status = await index(stack, folder)
    assert code == 0, status
    return Indexed(status, await model.stats(arrivals=False))


async def tables(
    stack: Stack, target: Path, name: str = NAME, tenant: str = "default"
) -> dict[str, bytes]:
    words = ("export", name, "--format", "jsonl", "--output", str(target), "--tenant", tenant)
    done = await asyncio.to_thread(stack.run, *words)
    assert done.returncode == 0, done.stderr
    assert check_references(target) == []
    return {path.name: path.read_bytes() for path in sorted(target.iterdir())}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_folder_becomes_a_graph_by_as_few_calls_as_there_can_be(
    stack: Stack, model: ModelEndpoint, folder: Path, indexed: Indexed, tmp_path: Path
) -> None:
    status, stats = indexed.status, indexed.stats
    assert status["state"] == "completed"
    assert status["documents"]["done"] == DOCUMENTS
    assert stats.repeats == 0
    asked = {step: found.answered for step, found in stats.steps.items() if found.answered}
    units = status["text_units"]
    # Extraction and one gleaning for each text unit; a report for each community.
    assert asked["extract_graph"] == 2 * units
    assert asked["community_report"] == status["communities"] == status["reports"]
    assert asked["summarize_description"] > 0
    assert status["model"]["calls"] == stats.answered
    assert status["model"]["prompt_tokens"] == stats.prompt_tokens
    before = await tables(stack, tmp_path / "tables")
    assert before["entities.jsonl"].count(b"\n") == status["entities"] > 50

    code, again = await index(stack, folder)
    assert (code, again["state"]) == (0, "completed")
    assert (await model.stats(arrivals=False)).begun == stats.begun
    assert await tables(stack, tmp_path / "again") == before


@pytest.mark.timeout(400)
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("documents", [12, pytest.param(300, marks=pytest.mark.soak)])
async def test_of_many_documents_a_changed_one_asks_for_its_own_and_what_changed_with_it(
    stack: Stack, model: ModelEndpoint, shared: Path, tmp_path: Path, documents: int
) -> None:
    """What bounds each step is read from the tables of before and after."""
    passages = read_passages(shared)
    folder, tenant = tmp_path / "documents", f"changed-{documents}"

    def write(number: int, *, first: int) -> None:
        """Six passages to a document, of which no other has any."""
        parts = [passages[first], *passages[6 * number + 1 : 6 * number + 6]]
        text = "\n\n".join(f"# {passage.title}\n\n{passage.text}" for passage in parts)
        write_file(folder / f"{number:03}.md", text, number)

    async def read(name: str, place: str) -> tuple[dict[str, bytes], Stats]:
        code, status = await index(stack, folder, "--tenant", tenant, name=name, timeout=180)
        assert code == 0, status
        assert status["documents"]["done"] == documents
        stats = await model.stats(arrivals=False)
        return await tables(stack, tmp_path / place, name, tenant), stats

    for number in range(documents):
        write(number, first=6 * number)
    await model.reset()
    before, first = await read("one", "before")
    write(3, first=6 * documents)
    after, second = await read("one", "after")
    assert second.repeats_of_answered == 0
    asked = {
        step: found.answered - (first.steps[step].answered if step in first.steps else 0)
        for step, found in second.steps.items()
    }

    change = Change(Exported.of(before), Exported.of(after))
    units = change.after.text_units_of(change.document)
    assert not units & change.before.by_id("text_units").keys()
    # Each of its own text units, and its gleaning.
    assert asked.pop("extract_graph") == 2 * len(units) > 0
    # A summary for each set of descriptions that is new; only what it names is described anew.
    assert change.changed_titles <= change.titles
    assert asked.pop("summarize_description") == len(change.new_summaries)
    # A report for each community whose content is new, or that is rolled up from such.
    assert asked.pop("community_report") == len(change.reports_to_write) > 0
    print(
        f"one of {documents} documents changed: {len(change.reports_to_write)} of"
        f" {len(change.after.tables['communities'])} reports written"
    )
    # Under 3 % of them; of few documents, one is more of the graph.
    most = 0.03 if documents == 300 else 0.25
    assert len(change.reports_to_write) < most * len(change.after.tables["communities"])
    # Doubtful pairs of which it names one: all others are decided as they were.
    doubtful = await doubtful_pairs(stack, "one", tenant)
    assert asked.pop("resolve_entities", 0) <= sum(
        not change.titles.isdisjoint(pair) for pair in doubtful
    )
    assert not any(asked.values()), asked

    # A first run over the same files asks only about communities that are others afresh.
    fresh, third = await read("other", "other")
    more = {step: found.answered for step, found in third.steps.items()}
    for step, found in second.steps.items():
        more[step] -= found.answered
    others = Change(Exported.of(after), Exported.of(fresh))
    assert more.pop("community_report") == len(others.reports_to_write)
    assert not any(more.values()), more
    for table in ("documents", "text_units", "entities", "relationships", "covariates"):
        assert fresh[f"{table}.jsonl"] == after[f"{table}.jsonl"]
    # And so has the changed one, once they are found afresh; nothing is left to ask.
    words = ("rebuild", "one", "--communities", "--tenant", tenant)
    code, run = await asyncio.to_thread(stack.run_json, *words)
    assert code == 0, run
    code, _ = await asyncio.to_thread(
        stack.run_json, "status", run["run_id"], "--watch", "--tenant", tenant
    )
    assert code == 0
    assert await tables(stack, tmp_path / "rebuilt", "one", tenant) == fresh
    assert (await model.stats(arrivals=False)).begun == third.begun


async def doubtful_pairs(stack: Stack, name: str, tenant: str) -> list[tuple[str, str]]:
    """Those that the model was asked about."""
    words = ("entities", "decisions", "--collection", name, "--step", "model", "--tenant", tenant)
    code, told = await asyncio.to_thread(stack.run_json, *words)
    assert code == 0, told
    return [(one["title"], one["other"]) for one in told["decisions"]]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_person_says_which_entities_are_one_and_takes_it_back(
    stack: Stack, folder: Path, tmp_path: Path
) -> None:
    async def run(*words: str) -> Any:
        code, told = await asyncio.to_thread(stack.run_json, *words)
        assert code == 0, told
        return told

    await run("index", str(folder), "--collection", "said", "--wait")
    before = await tables(stack, tmp_path / "before", "said")
    titles = sorted(json.loads(line)["title"] for line in before["entities.jsonl"].splitlines())
    one, other = titles[0], titles[-1]

    said = await run(
        "entities", "merge", other.lower(), one, "--collection", "said", "--reason", "I know both"
    )
    assert (said["title"], said["other"], said["same"]) == (one, other, True)
    await run("status", said["run_id"], "--watch")
    told = await run("entities", "decisions", "--collection", "said", "--step", "person")
    assert told["decisions"] == [
        {"title": one, "other": other, "same": True, "step": "person", "reason": "I know both"}
    ]
    merged = await tables(stack, tmp_path / "merged", "said")
    now = {json.loads(line)["title"] for line in merged["entities.jsonl"].splitlines()}
    assert len(now & {one, other}) == 1
    assert len(now) == len(titles) - 1

    gone = await run("entities", "undecide", one, other, "--collection", "said")
    await run("status", gone["run_id"], "--watch")
    afresh = await run("rebuild", "said", "--communities")
    await run("status", afresh["run_id"], "--watch")
    assert await tables(stack, tmp_path / "after", "said") == before


@pytest.mark.asyncio(loop_scope="module")
async def test_own_prompts_ask_again_exactly_what_depends_on_them(
    stack: Stack, model: ModelEndpoint, tmp_path: Path
) -> None:
    for number, place in enumerate(("Turin", "London")):
        text = f"Ada Lovelace wrote to Charles Babbage from {place}. Charles Babbage met Ada."
        write_file(tmp_path / f"{number}.md", text, number)
    code, first = await index(stack, tmp_path, name="own")
    assert code == 0, first
    key = CollectionKey("default", "own")

    async def asked_by_a_run(app: Graphmill) -> tuple[RunStatus, dict[str, int]]:
        await model.reset()
        run = await app.runs.start(IndexRequest(key.name))
        *_, ended = [status async for status in app.runs.wait(run)]
        assert ended.state is RunState.COMPLETED, ended.reason
        steps = (await model.stats(arrivals=False)).steps
        return ended, {step: found.answered for step, found in steps.items() if found.answered}

    async with stack.application() as app:
        words = "Report on the community, in at most {{max_words}} words."
        await app.prompts.set(key, CollectionPrompts.of({"community_report": words}))
        ended, asked = await asked_by_a_run(app)
        assert asked == {"community_report": ended.reports}
        assert ended.entities == first["entities"]

        tune = ("prompts", "tune", "--collection", "own", "--apply")
        code, drafted = await asyncio.to_thread(stack.run_json, *tune)
        assert (code, drafted["applied"], drafted["model"]["calls"]) == (0, True, 1)
        assert drafted["changed"] == [
            *("community_report", "extract_claims", "extract_graph", "resolve_entities"),
            "extraction",
        ]
        assert drafted["text_units"] == first["text_units"] == 2
        ended, asked = await asked_by_a_run(app)
        # The first questions and the gleanings that follow them.
        assert asked["extract_graph"] == 2 * ended.text_units
        assert (await asked_by_a_run(app))[1] == {}


@pytest.mark.asyncio(loop_scope="module")
async def test_faults_of_an_endpoint_change_nothing(
    stack: Stack, model: ModelEndpoint, folder: Path, indexed: Indexed, tmp_path: Path
) -> None:
    """5 % 429, 3 % 500, 2 % truncated, 1 % hang: every document done, the same tables."""
    undisturbed = await tables(stack, tmp_path / "undisturbed")
    tenant = ("--tenant", "faulty")  # answers are a tenant's own: everything is asked anew
    await model.reset()
    await model.change(rate_429=0.05, rate_500=0.03, rate_truncated=0.02, rate_hang=0.01)
    try:
        code, status = await index(stack, folder, *tenant)
    finally:
        await model.change(rate_429=0.0, rate_500=0.0, rate_truncated=0.0, rate_hang=0.0)
    assert code == 0, status
    assert status["documents"]["done"] == DOCUMENTS
    stats = await model.stats(arrivals=False)
    assert sum(stats.faults.values()) > 0
    assert await tables(stack, tmp_path / "faulty", tenant="faulty") == undisturbed


@pytest.mark.timeout(200)
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("target", "share"),
    [
        (Target.LLM_WORKER, 0.4),
        *(
            pytest.param(target, share, marks=pytest.mark.soak)
            for target in (Target.LLM_WORKER, Target.EVERYTHING, None)
            for share in (0.1, 0.7)
        ),
    ],
    ids=lambda given: str(given or "the endpoint"),
)
async def test_after_a_kill_only_calls_in_the_air_are_asked_again(
    stack: Stack,
    model: ModelEndpoint,
    folder: Path,
    indexed: Indexed,
    tmp_path: Path,
    target: Target | None,
    share: float,
) -> None:
    """`share` of the run's calls are answered when this is killed; None: the endpoint."""
    least = indexed.stats.begun
    tenant = f"{target.name.lower() if target else 'endpoint'}-{share * 100:.0f}"
    await model.reset()
    await model.change(seconds=0.1)
    try:
        words = ("index", str(folder), "--collection", NAME, "--tenant", tenant)
        done = await asyncio.to_thread(stack.run, *words)
        assert done.returncode == 0, done.stderr
        while (await model.stats(arrivals=False)).answered < share * least:
            await asyncio.sleep(0.02)
        if target is None:
            before = (await model.stats(arrivals=False)).begun
            model.kill()
            await asyncio.sleep(1)
            await model.start()
        else:
            before = 0
            await asyncio.to_thread(stack.kill, target)
            if target is Target.EVERYTHING:
                await asyncio.to_thread(stack.start)
        ended = await asyncio.to_thread(
            stack.run, "status", NAME, "--watch", "--tenant", tenant, timeout=150
        )
    finally:
        await model.change(seconds=SECONDS)
    assert ended.returncode == 0, ended.stderr
    begun = before + (await model.stats(arrivals=False)).begun
    # What the endpoint had begun between the count and its end is in no count.
    slack = PLACES if target is None else 0
    # In the air is also an answer that is on its way into PostgreSQL: its place is another's then.
    assert least - slack <= begun <= least + 2 * PLACES, (least, begun)
    undisturbed = await tables(stack, tmp_path / "undisturbed")
    assert await tables(stack, tmp_path / "killed", tenant=tenant) == undisturbed


@pytest.mark.asyncio(loop_scope="module")
async def test_in_batches_a_folder_gives_the_same_graph_and_only_doubtful_pairs_are_asked_directly(
    stack: Stack, model: ModelEndpoint, folder: Path, tmp_path: Path
) -> None:
    directly = await tables(stack, tmp_path / "directly")
    tenant = ("--tenant", "batched")  # answers are a tenant's own: everything is asked anew
    await model.change(batch_seconds=0.1)
    await model.reset()
    code, status = await index(stack, folder, "--batch", *tenant)
    assert code == 0, status
    assert status["documents"]["done"] == DOCUMENTS
    stats = await model.stats(arrivals=False)
    assert {step for step, found in stats.steps.items() if found.begun} <= {"resolve_entities"}
    assert (stats.repeats, stats.batch_failed, stats.batch_expired) == (0, 0, 0)
    assert status["model"]["calls"] == stats.answered + stats.batch_answered
    assert status["model"]["cached"] == 0
    assert await tables(stack, tmp_path / "batched", tenant="batched") == directly

    code, again = await index(stack, folder, "--batch", *tenant)
    assert (code, again["state"]) == (0, "completed")
    after = await model.stats(arrivals=False)
    assert (after.begun, after.batches) == (stats.begun, stats.batches)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_run_in_batches_is_cancelled_and_its_collection_deleted_within_seconds(
    stack: Stack, model: ModelEndpoint, folder: Path, tmp_path: Path
) -> None:
    """Though its endpoint does not end the batch that is cancelled for minutes."""
    key = CollectionKey("cancelled", NAME)
    shutil.copy(folder / "00.md", tmp_path)
    await model.reset()
    await model.change(batch_seconds=600)

    async def is_asked(batches: int) -> bool:
        return (await model.stats(arrivals=False)).batches == batches

    async def ask(batches: int) -> None:
        words = ("--collection", NAME, "--tenant", key.tenant, "--batch")
        done = await asyncio.to_thread(stack.run, "index", str(tmp_path), *words)
        assert done.returncode == 0, done.stderr
        await until(lambda: is_asked(batches))

    try:
        async with stack.application() as app:
            await ask(1)
            with acting_for(key.tenant):
                async with asyncio.timeout(20):
                    await app.delete_collection(key)
            assert (await model.stats(arrivals=False)).batches_cancelled == 1
            await ask(2)
            with acting_for(key.tenant):
                run = await app.runs.find(key.tenant, NAME)
                await app.runs.cancel(run)
                async with asyncio.timeout(20):
                    *_, ended = [status async for status in app.runs.wait(run)]
            assert ended.state is RunState.CANCELLED
            assert (await model.stats(arrivals=False)).batches_cancelled == 2
    finally:
        await model.change(batch_seconds=0.1)


@pytest.mark.asyncio(loop_scope="module")
async def test_claims_asked_for_later_cost_their_own_calls_and_are_in_the_tables(
    stack: Stack, model: ModelEndpoint, folder: Path, indexed: Indexed, tmp_path: Path
) -> None:
    """The last but two of this file: the stack goes on with claims. Both runs together are a text
    unit's (1 + gleanings + 1) calls, since what was extracted before is not asked for again."""
    before = await tables(stack, tmp_path / "before")
    await asyncio.to_thread(stack.stop)
    stack.environment["GRAPHMILL_EXTRACTION_CLAIMS"] = "true"
    await asyncio.to_thread(stack.start)
    await model.reset()
    code, status = await index(stack, folder)
    assert (code, status["state"]) == (0, "completed")
    stats = await model.stats(arrivals=False)
    asked = {step: found.answered for step, found in stats.steps.items() if found.answered}
    # Reports on communities about which nothing is claimed are paid for already.
    assert asked.keys() == {"extract_claims", "community_report"}
    units = status["text_units"]
    assert asked["extract_claims"] + indexed.stats.steps["extract_graph"].answered == 3 * units
    steps = status["model"]["steps"]
    assert steps["extract_claims"]["calls"] == asked["extract_claims"] == units
    assert "extract_graph" not in steps

    after = await tables(stack, tmp_path / "after")
    same = {"entities.jsonl", "relationships.jsonl", "communities.jsonl", "documents.jsonl"}
    assert {name for name in before if before[name] == after[name]} == same
    done = await asyncio.to_thread(
        stack.run, "export", NAME, "--format", "parquet", "--output", str(tmp_path / "parquet")
    )
    assert done.returncode == 0, done.stderr
    frame: Any = pandas.read_parquet(tmp_path / "parquet" / "covariates.parquet")  # pyright: ignore[reportUnknownMemberType]
    assert list(frame.columns) == list(TABLES["covariates"])
    assert len(frame) == after["covariates.jsonl"].count(b"\n") > 50
    assert set(frame["covariate_type"]) == {"claim"}
    assert b"[Data: Claims (" in after["community_reports.jsonl"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("refused", "kind", "counted"),
    [
        # What stands of an entity in a community's tables, and nowhere else; and in a question
        # about its descriptions.
        (",ADA,", "report", "reports"),
        pytest.param("title: ADA\n", "summary", "summaries", marks=pytest.mark.soak),
    ],
)
async def test_reports_and_summaries_that_no_model_gave_are_told_and_retried_alone(
    stack: Stack, model: ModelEndpoint, tmp_path: Path, refused: str, kind: str, counted: str
) -> None:
    folder = tmp_path / "documents"
    for number, place in enumerate(("Turin", "London", "Leith")):
        write_file(folder / f"{number}.md", f"Ada wrote from {place} to Babbage.", number)
    for number, land in enumerate(("Peru", "Chile"), 3):
        write_file(folder / f"{number}.md", f"Humboldt sailed with Bonpland to {land}.", number)
    # Tenants of their own: none finds the answers of another.
    of, whole = ("--tenant", f"without-{kind}"), ("--tenant", f"with-{kind}")
    code, status = await index(stack, folder, *whole, name="gaps")
    assert (code, status["model_gaps"]["missing"]) == (0, 0)
    await model.change(filtered=refused)
    try:
        code, status = await index(stack, folder, *of, name="gaps")
    finally:
        await model.change(filtered=None)
    assert (code, status["state"]) == (3, "completed_with_failures")
    told = status["model_gaps"]
    why = "endpoint 'simulated' refuses the call (400, content_filter)"
    count = told["missing"]
    assert 0 < told[counted] == count < status["reports"]
    assert told["reasons"] == [{"kind": kind, "reason": why, "count": count}]
    code, shown = await asyncio.to_thread(stack.run_json, "collections", "show", "gaps", *of)
    assert (code, shown["model_gaps"]) == (0, told)
    done = await asyncio.to_thread(stack.run, "status", "gaps", *of)
    assert (done.returncode, f"{kind}: {why}" in done.stdout) == (3, True), done.stdout
    before = await tables(stack, tmp_path / "before", "gaps", of[1])

    await model.reset()
    code, retried = await asyncio.to_thread(stack.run_json, "retry", "gaps", *of)
    assert (code, retried["documents"], retried["texts"], retried["answers"]) == (0, 0, 0, count)
    code, status = await asyncio.to_thread(stack.run_json, "status", "gaps", "--watch", *of)
    assert (code, status["state"], status["model_gaps"]["missing"]) == (0, "completed", 0)
    after = await tables(stack, tmp_path / "after", "gaps", of[1])
    assert after == await tables(stack, tmp_path / "whole", "gaps", whole[1])
    # Nothing else is asked for than what was missing, and reports on what changed with it.
    reports = [set(files["community_reports.jsonl"].splitlines()) for files in (before, after)]
    asked = {step: use["calls"] for step, use in status["model"]["steps"].items()}
    expected = {"community_reports": len(reports[1] - reports[0])}
    if kind == "summary":
        expected["summarize_descriptions"] = count
    assert {step: calls for step, calls in asked.items() if calls} == expected
    assert (await model.stats(arrivals=False)).answered == sum(expected.values())


@pytest.mark.asyncio(loop_scope="module")
async def test_an_embedding_model_set_later_embeds_the_graph_anew_and_nothing_else_is_asked(
    stack: Stack, model: ModelEndpoint, folder: Path, indexed: Indexed, tmp_path: Path
) -> None:
    """The last but one of this file: the stack goes on with an embedding model."""
    code, status = await index(stack, folder)
    assert code == 0, status
    before = await tables(stack, tmp_path / "before")
    await embed_by_endpoint(stack)
    await model.reset()
    code, status = await index(stack, folder)
    assert (code, status["state"]) == (0, "completed")
    stats = await model.stats(arrivals=False)
    asked = {step: found.answered for step, found in stats.steps.items() if found.answered}
    assert asked.keys() == {"embeddings"}
    # Each text of text units, entities and reports once, in as few calls as they fit into.
    texts = status["text_units"] + status["entities"] + status["reports"]
    assert texts / 16 <= asked["embeddings"] <= texts / 6
    assert status["model"]["steps"].keys() == {"embed"}
    assert status["model"]["calls"] == asked["embeddings"]
    assert status["model"]["prompt_tokens"] == stats.prompt_tokens
    assert await tables(stack, tmp_path / "after") == before
    # A question is embedded by the graph's model, by the API itself.
    assert stack.addresses is not None
    url = f"{stack.addresses.api_url}/v1/collections/{NAME}/query"
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.post(url, json={"question": "Who wrote letters?", "mode": "basic"})
    assert answer.is_success, answer.text
    assert (await model.stats(arrivals=False)).begun == stats.begun + 1


async def embed_by_endpoint(stack: Stack) -> None:
    """Nothing where the stack does so already."""
    settings = stack.home.path / "graphmill.toml"
    if "embeddings" not in settings.read_text():
        await asyncio.to_thread(stack.stop)
        with settings.open("a") as file:
            file.write('embeddings = "vectors"\n')
        await asyncio.to_thread(stack.start)


@pytest.mark.asyncio(loop_scope="module")
async def test_texts_that_an_embedding_model_refuses_end_no_run_and_are_told_and_retried_alone(
    stack: Stack, model: ModelEndpoint, tmp_path: Path
) -> None:
    """Last in this file: the stack goes on with an embedding model."""
    await embed_by_endpoint(stack)
    for number, place in enumerate(("Turin", "London", "Leith")):
        write_file(tmp_path / f"{number}.md", f"Ada Lovelace wrote from {place} to Ada.", number)
    await model.change(filtered="Leith")
    try:
        code, status = await index(stack, tmp_path, "--method", "fast", name="refused")
    finally:
        await model.change(filtered=None)
    assert (code, status["state"]) == (3, "completed_with_failures")
    assert status["documents"]["done"] == 3
    told = status["embeddings"]
    why = "endpoint 'simulated' refuses the call (400, content_filter)"
    assert told["missing"] == sum(one["texts"] for one in told["reasons"]) > 0
    assert {one["reason"] for one in told["reasons"]} == {why}
    code, shown = await asyncio.to_thread(stack.run_json, "collections", "show", "refused")
    assert (code, shown["embeddings"]) == (0, told)
    done = await asyncio.to_thread(stack.run, "collections", "show", "refused")
    assert f"{told['missing']} missing" in done.stdout, done.stderr
    assert "content_filter" in done.stdout

    await model.reset()
    code, retried = await asyncio.to_thread(stack.run_json, "retry", "refused")
    assert (code, retried["documents"], retried["texts"]) == (0, 0, told["missing"])
    code, status = await asyncio.to_thread(stack.run_json, "status", "refused", "--watch")
    assert (code, status["state"]) == (0, "completed")
    assert status["embeddings"] == {"missing": 0, "cut": 0, "reasons": []}
    stats = await model.stats(arrivals=False)
    # For each vector index by itself, what is missing there.
    assert stats.steps.keys() == {"embeddings"}
    assert stats.answered == len({one["vector_index"] for one in told["reasons"]})
    assert status["model"]["calls"] == stats.answered
