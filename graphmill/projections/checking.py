"""Whether a projection holds just the graph that it is to hold: counts and checksums, kind by
kind."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from uuid import UUID

from graphmill.models import CollectionKey
from graphmill.projections.comparing import Fault, differences
from graphmill.projections.ports import Digests, Projection, ProjectionSource
from graphmill.projections.records import Kind


class _Counted:
    """Digests on their way, counted and summed: 16 hexadecimal digits of BLAKE2b over all of
    them."""

    def __init__(self, digests: Digests) -> None:
        self._digests = digests
        self._sum = blake2b(digest_size=8)
        self.records = 0

    async def __aiter__(self) -> AsyncIterator[tuple[UUID, str]]:
        async for id, digest in self._digests:
            self.records += 1
            self._sum.update(id.bytes + digest.encode())
            yield id, digest

    @property
    def checksum(self) -> str:
        return self._sum.hexdigest()


@dataclass(frozen=True, slots=True)
class KindCheck:
    """`records` and `checksum`: of the graph, and of the projection. `faults`: how many records
    differ."""

    kind: Kind
    records: tuple[int, int]
    checksum: tuple[str, str]
    faults: Mapping[Fault, int] = field(default_factory=dict[Fault, int])

    @property
    def ok(self) -> bool:
        return not self.faults


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """`current`: the store says that it holds this graph, whole."""

    store: str
    current: bool
    kinds: tuple[KindCheck, ...]

    @property
    def ok(self) -> bool:
        return self.current and all(kind.ok for kind in self.kinds)


async def check(key: CollectionKey, source: ProjectionSource, target: Projection) -> StoreCheck:
    """
    Raises:
        Unavailable: the store does not answer.
    """
    current = await target.version(key) == source.version
    kinds = [await _check_kind(key, kind, source, target) for kind in target.kinds]
    return StoreCheck(target.name, current, tuple(kinds))


async def _check_kind(
    key: CollectionKey, kind: Kind, source: ProjectionSource, target: Projection
) -> KindCheck:
    ours, theirs = _Counted(source.digests(kind)), _Counted(target.digests(key, kind))
    faults: dict[Fault, int] = {}
    async for difference in differences(aiter(ours), aiter(theirs)):
        faults[difference.fault] = faults.get(difference.fault, 0) + 1
    return KindCheck(kind, (ours.records, theirs.records), (ours.checksum, theirs.checksum), faults)
