"""In which order communities are reported on, where some wait for reports on their children."""

import heapq
from collections.abc import Sequence

from graphmill.ports import PlacedCommunity


class ReportOrder:
    """Communities of whole hierarchies, of those that can be taken always the deepest first, since
    others may wait for them.

    One that is put off comes again when all its children have reports. Nobody waits for one that
    was not taken before: it can be taken now, or is itself put off, and the deepest never are.
    """

    def __init__(self, communities: Sequence[PlacedCommunity]) -> None:
        self._placed = {one.community: one for one in communities}
        self._reported = {one.community for one in communities if one.reported}
        self._ready = [(-one.level, one.community) for one in communities if not one.reported]
        heapq.heapify(self._ready)
        self._put_off: set[int] = set()
        self._missing: dict[int, set[int]] = {}

    @property
    def left(self) -> bool:
        """Whether any are still to be taken, now or later."""
        return bool(self._ready or self._missing)

    def take(self, most: int, most_entities: int) -> list[PlacedCommunity]:
        """The next; none where all that are left are put off.

        So many at most, with so many entities together, children whose reports have to be loaded
        with them included; one that has more comes alone.
        """
        taken: list[PlacedCommunity] = []
        while self._ready:
            one = self._placed[self._ready[0][1]]
            loaded = [one]
            if self.is_put_off(one.community):
                loaded += [self._placed[child] for child in one.children]
            most -= len(loaded)
            most_entities -= sum(each.size for each in loaded)
            if taken and (most < 0 or most_entities < 0):
                break
            heapq.heappop(self._ready)
            taken.append(one)
        return taken

    def put_off(self, community: int) -> None:
        """Until its children have reports."""
        self._put_off.add(community)
        missing = set(self._placed[community].children) - self._reported
        if missing:
            self._missing[community] = missing
        else:
            self._make_ready(community)

    def is_put_off(self, community: int) -> bool:
        """Also once it has come again."""
        return community in self._put_off

    def note_report(self, community: int) -> None:
        """Its report is stored."""
        self._reported.add(community)
        parent = self._placed[community].parent
        missing = self._missing.get(parent)
        if missing is not None:
            missing.discard(community)
            if not missing:
                del self._missing[parent]
                self._make_ready(parent)

    def _make_ready(self, community: int) -> None:
        heapq.heappush(self._ready, (-self._placed[community].level, community))
