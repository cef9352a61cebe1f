"""One index of a folder of documents, by each of the three, and what their endpoint saw of it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from benchmarks.peers.environments import Peer, is_installed, python_of, token_tables
from benchmarks.standard_run import (
    MOST_SECONDS,
    NotMeasured,
    last_line,
    measure_standard,
    without_foreign,
)
from tests.support.model_endpoint import Behaviour, ModelEndpoint
from tests.support.model_endpoint.stats import Stats

PLACES = 50
SECONDS = 0.5
BEHAVIOUR = Behaviour(places=PLACES, seconds=SECONDS)
_EMBEDDINGS = "embeddings"


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
    """graphmill's, told of as many calls at once as the peers are.

    Raises:
        NotMeasured: it did not end, or not well.
    """
    run = await measure_standard(folder, home, endpoint, PLACES)
    graph = Graph(
        run.status["documents"]["done"],
        run.status["text_units"],
        run.status["entities"],
        run.status["relationships"],
        run.status["reports"],
    )
    return Indexed(run.seconds, sum(run.cpu.seconds.values()), graph, Calls.of(run.stats))


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
    environment = without_foreign() | {
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
        why = last_line(log.read_text(errors="replace"))
        raise NotMeasured(f"ended with {process.returncode}: {why}")
    try:
        return _SAID.validate_json(last_line(printed.decode(errors="replace")))
    except ValidationError:
        raise NotMeasured("its driver printed no result") from None
