"""Method standard as a user has it: a stack, a folder, an endpoint over HTTP."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.graph_references import check_references
from tests.support.corpus import long_documents, read_passages, write_file
from tests.support.model_endpoint import Behaviour, ModelEndpoint, running_endpoint
from tests.support.stack import Stack

DOCUMENTS = 12
NAME = "letters"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncGenerator[ModelEndpoint]:
    async with running_endpoint(Behaviour(places=50, seconds=0.02)) as endpoint:
        yield endpoint


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    model: ModelEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Stack]:
    environment = {"OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": "a-model"}
    stack = Stack(tmp_path_factory.mktemp("standard"), environment)
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


async def index(stack: Stack, folder: Path, *words: str, name: str = NAME) -> tuple[int, Any]:
    return await asyncio.to_thread(
        stack.run_json, "index", str(folder), "--collection", name, "--wait", *words
    )


async def tables(stack: Stack, target: Path, name: str = NAME) -> dict[str, bytes]:
    done = await asyncio.to_thread(
        stack.run, "export", name, "--format", "jsonl", "--output", str(target)
    )
    assert done.returncode == 0, done.stderr
    assert check_references(target) == []
    return {path.name: path.read_bytes() for path in sorted(target.iterdir())}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_folder_becomes_a_graph_by_as_few_calls_as_there_can_be(
    stack: Stack, model: ModelEndpoint, folder: Path, tmp_path: Path
) -> None:
    await model.reset()
    code, status = await index(stack, folder)
    assert code == 0, status
    assert status["state"] == "completed"
    assert status["documents"]["done"] == DOCUMENTS
    stats = await model.stats(arrivals=False)
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


@pytest.mark.asyncio(loop_scope="module")
async def test_a_changed_document_asks_for_its_own_and_gives_the_graph_of_a_first_run(
    stack: Stack, model: ModelEndpoint, folder: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(folder, changed)
    code, status = await index(stack, changed, name="one")
    assert code == 0, status
    await model.reset()
    text = "Ada Lovelace wrote to Charles Babbage from Turin. Charles Babbage lived in London."
    write_file(changed / "03.md", text, 3)
    code, status = await index(stack, changed, name="one")
    assert code == 0, status
    asked = (await model.stats(arrivals=False)).steps
    assert asked["extract_graph"].answered == 2
    assert asked["community_report"].answered < status["communities"]

    code, _ = await index(stack, changed, name="other")
    assert code == 0
    one = await tables(stack, tmp_path / "one", "one")
    assert one == await tables(stack, tmp_path / "other", "other")


@pytest.mark.asyncio(loop_scope="module")
async def test_faults_of_an_endpoint_change_nothing(
    stack: Stack, model: ModelEndpoint, folder: Path, tmp_path: Path
) -> None:
    """5 % 429, 3 % 500, 2 % truncated, 1 % hang: every document done, the same tables."""
    undisturbed = await tables(stack, tmp_path / "undisturbed")
    tenant = ("--tenant", "faulty")  # answers are a tenant's own: everything is asked anew
    await model.reset()
    await model.change(rate_429=0.05, rate_500=0.03, rate_truncated=0.02)
    try:
        code, status = await index(stack, folder, *tenant)
    finally:
        await model.change(rate_429=0.0, rate_500=0.0, rate_truncated=0.0)
    assert code == 0, status
    assert status["documents"]["done"] == DOCUMENTS
    stats = await model.stats(arrivals=False)
    assert sum(stats.faults.values()) > 0
    done = await asyncio.to_thread(
        stack.run,
        *("export", NAME, "--format", "jsonl", "--output", str(tmp_path / "faulty"), *tenant),
    )
    assert done.returncode == 0, done.stderr
    disturbed = {path.name: path.read_bytes() for path in sorted((tmp_path / "faulty").iterdir())}
    assert disturbed == undisturbed


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
    done = await asyncio.to_thread(
        stack.run,
        *("export", NAME, "--format", "jsonl", "--output", str(tmp_path / "batched"), *tenant),
    )
    assert done.returncode == 0, done.stderr
    batched = {path.name: path.read_bytes() for path in sorted((tmp_path / "batched").iterdir())}
    assert batched == directly

    code, again = await index(stack, folder, "--batch", *tenant)
    assert (code, again["state"]) == (0, "completed")
    after = await model.stats(arrivals=False)
    assert (after.begun, after.batches) == (stats.begun, stats.batches)
