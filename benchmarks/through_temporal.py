"""A run as users have it, measured by its own clock."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cpu_time import CpuSample, sample_cpu
from benchmarks.workloads import Workload
from graphmill.application.graphmill import Graphmill
from graphmill.application.run_workflows import RunHandle
from graphmill.index_request import IndexRequest
from graphmill.models import CollectionKey, Method, Phase, RunState
from graphmill.run_status import RunStatus


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds until the last document was read, until the end; CPU while documents were read."""

    documents: int
    documents_seconds: float
    seconds: float
    cpu: CpuSample
    status: RunStatus

    @property
    def per_hour(self) -> float:
        return self.documents / self.documents_seconds * 3600


async def _not_at_all(run: RunHandle) -> None:
    """Nobody wants to hear of it."""


async def measure_run(
    app: Graphmill,
    home: Path,
    workload: Workload,
    collection: str,
    on_start: Callable[[RunHandle], Awaitable[None]] = _not_at_all,
) -> Measured:
    key = CollectionKey("default", collection)
    await app.documents.upload(key, workload.uploads)
    before = sample_cpu(home)
    run = await app.runs.start(IndexRequest(collection, method=Method.FAST))
    await on_start(run)
    documents_seconds, cpu, status = 0.0, None, None
    async for status in app.runs.wait(run):
        if cpu is None and status.phase not in (Phase.STARTING, Phase.DOCUMENTS):
            cpu = sample_cpu(home).since(before)
            documents_seconds = status.seconds
    assert status is not None
    assert cpu is not None
    assert status.state is RunState.COMPLETED, status
    assert status.processed == workload.documents
    return Measured(workload.documents, documents_seconds, status.seconds, cpu, status)
