"""Method standard over a real model's real answers, with their faults: all of musique100."""

import asyncio
from pathlib import Path

import pytest

from tests.support.corpus import read_passages, write_passages
from tests.support.model_endpoint import Behaviour, running_endpoint
from tests.support.stack import Stack

NAME = "musique"


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_a_whole_corpus_of_real_answers_becomes_a_graph_that_finds_passages(
    shared: Path, tmp_path: Path
) -> None:
    corpus = shared / "corpora" / "musique100"
    passages = read_passages(shared)
    write_passages(tmp_path / "passages", passages)
    async with running_endpoint(Behaviour(places=50, answers="replay"), corpus=corpus) as model:
        environment = {"OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": "a-model"}
        stack = Stack(tmp_path / "home", environment)
        await asyncio.to_thread(stack.start)
        try:
            words = ("index", str(tmp_path / "passages"), "--collection", NAME, "--wait")
            code, status = await asyncio.to_thread(stack.run_json, *words, timeout=900)
            assert (code, status["state"]) == (0, "completed"), status["failures"]
            assert status["documents"]["done"] == len(passages)
            stats = await model.stats(arrivals=False)
            found: dict[str, object] = {}
            for mode in ("local", "basic"):
                code, found[mode] = await asyncio.to_thread(
                    stack.run_json,
                    *("eval", NAME, str(corpus / "questions.jsonl"), "--mode", mode),
                    timeout=300,
                )
                assert code == 0
            print(f"calls {stats.answered}, status {status}, eval {found}")
            # Both ends of triples, and entities: as many as are distinct there and not resolved.
            assert status["entities"] > 15_000
            local = found["local"]
            assert isinstance(local, dict)
            assert local["recall"]["5"] > 0.5
        finally:
            await asyncio.to_thread(stack.stop)
