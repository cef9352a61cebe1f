"""A projection is brought up to the published graph: what differs is written, what is beyond it
goes."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from graphmill.models import CollectionKey
from graphmill.projections.comparing import Fault, differences
from graphmill.projections.ports import Digests, Projection, ProjectionSource
from graphmill.projections.records import Kind

BATCH = 1_000
"""Records that are written at once."""


@dataclass(frozen=True, slots=True)
class Synced:
    written: int
    removed: int


async def sync(
    key: CollectionKey, source: ProjectionSource, target: Projection, *, afresh: bool = False
) -> Synced:
    """Done again, it goes on from what is there. While it writes, the projection says that it holds
    no graph; a projection that holds this one already is not touched. `afresh`: all is written,
    whatever is there; as it is the same, the projection goes on saying which graph it holds."""
    held = await target.version(key)
    if held == source.version and not afresh:
        return Synced(0, 0)
    if held != source.version:
        await target.set_version(key, "")
    written = removed = 0
    surplus: dict[Kind, list[UUID]] = {kind: [] for kind in target.kinds}
    for kind in target.kinds:
        batch: list[UUID] = []
        held_digests = target.digests(key, kind)
        if afresh:
            held_digests = _unknown(held_digests)
        async for difference in differences(source.digests(kind), held_digests):
            if difference.fault is Fault.SURPLUS:
                surplus[kind].append(difference.id)
                continue
            batch.append(difference.id)
            if len(batch) == BATCH:
                written += await _write(key, kind, source, target, batch)
                batch = []
        written += await _write(key, kind, source, target, batch)
    # After all else, the last kinds first: nothing that is still pointed to goes.
    for kind in reversed(target.kinds):
        for start in range(0, len(surplus[kind]), BATCH):
            ids = surplus[kind][start : start + BATCH]
            await target.remove(key, kind, ids)
            removed += len(ids)
    await target.set_version(key, source.version)
    return Synced(written, removed)


async def _unknown(digests: Digests) -> AsyncIterator[tuple[UUID, str]]:
    async for id, _ in digests:
        yield id, ""


async def _write(
    key: CollectionKey,
    kind: Kind,
    source: ProjectionSource,
    target: Projection,
    ids: Sequence[UUID],
) -> int:
    if ids:
        await target.upsert(key, kind, await source.records(kind, ids))
    return len(ids)
