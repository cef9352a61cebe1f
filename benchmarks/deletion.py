"""One in a hundred documents goes out of a large collection, beside indexing all; as a table.

Method fast on the embedded stack, as `graphmill documents delete` does it: DeleteDocuments, then
the run that publishes the graph without them.
"""

import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from rich.console import Console
from rich.table import Table

from benchmarks.through_temporal import measure_run
from benchmarks.workloads import pairs_workload
from graphmill.application.graphmill import Graphmill
from graphmill.bootstrap import open_application
from graphmill.embedded.stack import Parts, running_stack
from graphmill.ids import document_id
from graphmill.models import CollectionKey, RunState
from graphmill.settings import load_settings
from graphmill.stores.postgres.database import close_pool, open_pool
from graphmill.stores.postgres.deletion import PostgresDeletion
from graphmill.tenancy import acting_for
from tests.support.corpus import read_passages

QUICK = 500
FULL = 5_000
"""Documents of the collection."""

_ONE_IN = 100
_KEY = CollectionKey("default", "large")


@dataclass(frozen=True, slots=True)
class _Deleted:
    """Seconds until the documents were forgotten, and until a graph without them was published."""

    documents: int
    forgotten: float
    published: float


async def measure_deletion(documents: int, shared: Path, console: Console) -> None:
    """Measure and print."""
    workload = pairs_workload(read_passages(shared), documents)
    ids = [document_id(upload.name) for upload in workload.uploads]
    first, second = ids[::_ONE_IN], ids[1::_ONE_IN]
    folder = Path(tempfile.mkdtemp(prefix="graphmill-bench-"))
    settings = load_settings({"home": folder, "temporal_address": None, "database_url": None})
    try:
        async with AsyncExitStack() as stack:
            addresses = await stack.enter_async_context(running_stack(settings, Parts.RUN))
            app = await stack.enter_async_context(open_application(settings, addresses))
            stack.enter_context(acting_for(_KEY.tenant))
            indexed = await measure_run(app, settings.home, workload, _KEY.name)
            deleted = await _delete(app, first)
            statements = await _delete_in_database(addresses.database_url, second)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    table = Table(
        title=f"{deleted.documents} of {documents:,} documents deleted, method fast, seconds",
        title_justify="left",
        box=None,
    )
    table.add_column()
    table.add_column("seconds", justify="right")
    table.add_column("of indexing all", justify="right")
    for words, seconds in (
        (f"{documents:,} documents indexed", indexed.seconds),
        ("statements alone", statements),
        ("documents forgotten (DeleteDocuments)", deleted.forgotten),
        ("graph without them published", deleted.published),
    ):
        table.add_row(words, f"{seconds:.2f}", f"{seconds / indexed.seconds:.1%}")
    console.print()
    console.print(table)


async def _delete(app: Graphmill, ids: Sequence[UUID]) -> _Deleted:
    began = time.monotonic()
    run = await app.delete_documents(_KEY, ids)
    forgotten = time.monotonic() - began
    *_, ended = [status async for status in app.runs.wait(run)]
    published = time.monotonic() - began
    assert ended.state is RunState.COMPLETED, ended
    return _Deleted(len(ids), forgotten, published)


async def _delete_in_database(url: str, ids: Sequence[UUID]) -> float:
    pool = await open_pool(url, 1)
    try:
        began = time.monotonic()
        assert await PostgresDeletion(pool).delete(_KEY, ids) == len(ids)
        return time.monotonic() - began
    finally:
        await close_pool(pool)
