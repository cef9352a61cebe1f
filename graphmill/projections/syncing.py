"""A projection is brought up to the published graph: what differs is written, what is beyond it
goes."""

from collections.abc import AsyncIterator, Callable, Sequence
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


@dataclass(frozen=True, slots=True)
class Progress:
    """How far all has been written: records of this kind up to `last`, and all kinds before it."""

    kind: Kind
    last: UUID


@dataclass(frozen=True, slots=True)
class Afresh:
    """All is written, whatever is there; but for what a try before this one has written (`since`).
    `tell` hears how far it has come."""

    since: Progress | None = None
    tell: Callable[[Progress], None] = lambda progress: None


async def sync(
    key: CollectionKey,
    source: ProjectionSource,
    target: Projection,
    *,
    afresh: Afresh | None = None,
) -> Synced:
    """Done again, it goes on from what is there. While it writes, the projection says that it holds
    no graph; a projection that holds this one already is not touched. Written `afresh`, it is the
    same, and the projection goes on saying which graph it holds."""
    held = await target.version(key)
    if held == source.version and afresh is None:
        return Synced(0, 0)
    if held != source.version:
        await target.set_version(key, "")
    written = removed = 0
    surplus: list[Kind] = []
    for kind in target.kinds:
        batch: list[UUID] = []
        there = target.digests(key, kind)
        if afresh is not None:
            there = _unknown(there, _written(target.kinds, kind, afresh.since))
        async for difference in differences(source.digests(kind), there):
            if difference.fault is Fault.SURPLUS:
                if kind not in surplus:
                    surplus.append(kind)
                continue
            batch.append(difference.id)
            if len(batch) == BATCH:
                written += await _write(key, kind, source, target, batch)
                if afresh is not None:
                    afresh.tell(Progress(kind, batch[-1]))
                batch = []
        written += await _write(key, kind, source, target, batch)
    # After all else, the last kinds first: nothing that is still pointed to goes. Compared once
    # more, since there may be millions of them.
    for kind in reversed(surplus):
        removed += await _remove_surplus(key, kind, source, target)
    await target.set_version(key, source.version)
    return Synced(written, removed)


def _written(kinds: Sequence[Kind], kind: Kind, since: Progress | None) -> UUID | None:
    """The last id of this kind that was written before; None: none was."""
    if since is None or since.kind not in kinds:
        return None
    if kind == since.kind:
        return since.last
    return UUID(int=2**128 - 1) if kinds.index(kind) < kinds.index(since.kind) else None


async def _unknown(digests: Digests, last: UUID | None) -> AsyncIterator[tuple[UUID, str]]:
    """Those behind `last` as if they were other ones."""
    async for id, digest in digests:
        yield id, digest if last is not None and id.int <= last.int else ""


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


async def _remove_surplus(
    key: CollectionKey, kind: Kind, source: ProjectionSource, target: Projection
) -> int:
    removed = 0
    batch: list[UUID] = []
    async for difference in differences(source.digests(kind), target.digests(key, kind)):
        if difference.fault is not Fault.SURPLUS:
            continue
        batch.append(difference.id)
        if len(batch) == BATCH:
            await target.remove(key, kind, batch)
            removed += len(batch)
            batch = []
    if batch:
        await target.remove(key, kind, batch)
    return removed + len(batch)
