"""What a process is given to look for pairs among all titles, and what it gives back.

For a million titles find_pairs takes minutes and a good part of a gigabyte: in the process of a
worker it would hold up the event loop, and with it every call that is in the air.
"""

import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from graphmill.standard.same_entities import FoundPairs, SeenTitle, find_pairs


@dataclass(slots=True)
class SeenTitles:
    """Entities of the live extractions, each a place in three lists, as the fields of SeenTitle.

    Lists of plain values pass to a process in a tenth of the time that as many objects take, in
    which the event loop that sends them stands still.
    """

    titles: list[str] = field(default_factory=list[str])
    types: list[str] = field(default_factory=list[str])
    frequencies: list[int] = field(default_factory=list[int])

    def extend(self, entities: Iterable[tuple[str, str, int]]) -> None:
        """Title, type and frequency of each; titles are distinct."""
        for title, type, frequency in entities:
            self.titles.append(title)
            self.types.append(sys.intern(type))  # a million titles are of a few types
            self.frequencies.append(frequency)

    def __len__(self) -> int:
        return len(self.titles)


@dataclass(frozen=True, slots=True)
class FoundTitles:
    """`seen`: the entities of all pairs found, and those that were named, ascending by title."""

    pairs: FoundPairs
    seen: tuple[SeenTitle, ...]


def search_titles(entities: SeenTitles, named: Collection[str]) -> FoundTitles:
    """find_pairs; whoever goes on with the pairs needs a small part of a million entities.

    Args:
        named: titles that are wanted back whether or not they are in a pair, where there are such
            entities.
    """
    seen = list(map(SeenTitle, entities.titles, entities.types, entities.frequencies))
    pairs = find_pairs(seen)
    wanted = {
        *named,
        *(title for pair in (*pairs.decided, *pairs.near) for title in (pair.title, pair.other)),
    }
    return FoundTitles(pairs, tuple(sorted(one for one in seen if one.title in wanted)))
