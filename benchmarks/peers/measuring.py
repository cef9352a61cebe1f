"""One index of a folder of documents, by each of the three, and what their endpoint saw of it."""

import asyncio
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from benchmarks.cpu_time import sample_cpu
from benchmarks.peers.environments import Peer, is_installed, python_of, token_tables
from tests.support.model_endpoint import Behaviour, ModelEndpoint
from tests.support.model_endpoint.stats import Stats
from tests.support.stack import Stack

PLACES = 50
SECONDS = 0.5
BEHAVIOUR = Behaviour(places=PLACES, seconds=SECONDS)
# Of each of the three; what takes longer is not waited for.
MOST_SECONDS = 600
_EMBEDDINGS = "embeddings"
# What a user's shell may have set for models of their own.
_FOREIGN = ("OPENAI_", "ANTHROPIC_", "LIGHTRAG_", "GRAPHRAG_", "AZURE_")


class NotMeasured(Exception):
    """The words say why."""


@dataclass(frozen=True, slots=True)
class Graph:
    """How much was made: rows of each kind."""

    documents: int
    text_units: int
    entities: int
    relationships: int
    reports: int


@dataclass(frozen=True, slots=True)
class Calls:
    """What the endpoint counted.

    Attributes:
        steps: answered calls, by what they asked for.
        share: of what its places could have given between the first call and the last: busy.
        chat_seconds: from the first chat call to the last one's end.
        unanswered: calls that were refused, failed or given up.
    """

    steps: dict[str, int]
    share: float
    chat_seconds: float
    unanswered: int

    @classmethod
    def of(cls, stats: Stats) -> Self:
        chats = [step for name, step in stats.steps.items() if name != _EMBEDDINGS]
        starts = [step.first_start for step in chats if step.first_start is not None]
        ends = [step.last_end for step in chats if step.last_end is not None]
        return cls(
            {name: step.answered for name, step in sorted(stats.steps.items())},
            stats.busy_share,
            max(ends, default=0.0) - min(starts, default=0.0),
            stats.begun - stats.answered,
        )

    @property
    def chat(self) -> int:
        return sum(self.steps.values()) - self.embeddings

    @property
    def embeddings(self) -> int:
        return self.steps.get(_EMBEDDINGS, 0)


@dataclass(frozen=True, slots=True)
class Indexed:
    """`seconds` of the whole index, `cpu_seconds` of what works at it, servers included."""

    seconds: float
    cpu_seconds: float
    graph: Graph
    calls: Calls


@dataclass(frozen=True, slots=True)
class _Said:
    """What a driver prints as its last line."""

    seconds: float
    cpu_seconds: float
    graph: Graph


_SAID = TypeAdapter(_Said)


async def measure_index(folder: Path, home: Path, endpoint: ModelEndpoint) -> Indexed:
    """graphmill's: from the command on a stack that runs to its end, the command's own start
    included.

    Raises:
        NotMeasured: it did not end, or not well.
    """
    stack = Stack(home)
    stack.environment = _without_foreign(stack.environment) | {
        "OPENAI_BASE_URL": endpoint.base_url,
        "OPENAI_MODEL": "a-model",
        # As the peers are told: so many calls at once.
        "GRAPHMILL_LLM_CONCURRENCY": str(PLACES),
    }
    loop = asyncio.get_running_loop()
    try:
        await asyncio.to_thread(stack.start)
        await endpoint.reset()
        before, began = sample_cpu(home), loop.time()
        words = ("index", str(folder), "--collection", "bench", "--method", "standard", "--wait")
        code, status = await asyncio.to_thread(stack.run_json, *words, timeout=MOST_SECONDS)
        seconds = loop.time() - began
        cpu = sample_cpu(home).since(before)
        stats = await endpoint.stats(arrivals=False)
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"not done after {MOST_SECONDS} s") from None
    except (RuntimeError, AssertionError) as error:  # it does not start; it says no JSON
        raise NotMeasured(_last_line(str(error))) from error
    finally:
        await asyncio.to_thread(stack.kill_everything)
    if code != 0 or status["state"] != "completed":
        raise NotMeasured(f"ended with {code}: {status.get('reason') or status['state']}")
    graph = Graph(
        status["documents"]["done"],
        status["text_units"],
        status["entities"],
        status["relationships"],
        status["reports"],
    )
    return Indexed(seconds, sum(cpu.seconds.values()), graph, Calls.of(stats))


async def measure_peer(peer: Peer, folder: Path, work: Path, endpoint: ModelEndpoint) -> Indexed:
    """A peer's, by its own API: from the call to its end; what it imports and opens before is not
    counted.

    Raises:
        NotMeasured: it is not installed, or did not end, or not well.
    """
    if not is_installed(peer):
        raise NotMeasured("it is not installed")
    work.mkdir(parents=True)
    await endpoint.reset()
    log = work.with_suffix(".log")
    environment = _without_foreign(dict(os.environ)) | {
        # Its price list would be fetched at its start.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "NO_PROXY": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
    }
    if (tables := token_tables()) is not None:
        environment["TIKTOKEN_CACHE_DIR"] = str(tables)
    words = (str(folder), str(work), endpoint.base_url, str(PLACES), str(BEHAVIOUR.dimensions))
    said = await _run_driver(python_of(peer), peer.driver, words, work, log, environment)
    graph = said.graph
    stats = await endpoint.stats(arrivals=False)
    if graph.documents != sum(1 for _ in folder.iterdir()):
        raise NotMeasured(f"{graph.documents} documents were indexed, not all")
    if not graph.entities or not graph.relationships:
        raise NotMeasured("the graph is empty: it did not understand the endpoint's answers")
    return Indexed(said.seconds, said.cpu_seconds, graph, Calls.of(stats))


async def _run_driver(
    python: Path,
    driver: Path,
    words: tuple[str, ...],
    work: Path,
    log: Path,
    environment: dict[str, str],
) -> _Said:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(str(python), str(driver), *words),
            cwd=work,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
        )
        try:
            async with asyncio.timeout(MOST_SECONDS):
                printed, _ = await process.communicate()
        except TimeoutError:
            raise NotMeasured(f"not done after {MOST_SECONDS} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode:
        why = _last_line(log.read_text(errors="replace"))
        raise NotMeasured(f"ended with {process.returncode}: {why}")
    try:
        return _SAID.validate_json(_last_line(printed.decode(errors="replace")))
    except ValidationError:
        raise NotMeasured("its driver printed no result") from None


def _without_foreign(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(_FOREIGN)}


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
