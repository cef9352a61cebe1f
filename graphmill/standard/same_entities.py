"""Which entities are the same under several titles: what can be decided without a model, and the
pairs that cannot.

A cascade. Titles that are equal when normalised; then near ones within blocks, judged by string and
by how close their descriptions are; what is left of those is for a model. All of it is a function
of the set of entities: their order is never looked at.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from operator import mul

from rapidfuzz.fuzz import ratio

from graphmill.standard.decisions import Decision, Step
from graphmill.standard.title_forms import title_form, title_key
from graphmill.standard.title_likeness import Likeness, Trust, likeness

SAME_ENTITIES_VERSION = "3"
"""Changes whenever the same entities may be resolved otherwise."""

# Within a block of titles with a common part, all are compared where they are so few, and otherwise
# each with so many that follow it.
_SMALL_BLOCK = 16
_NEIGHBOURS = 4
# Of whole titles, 0 to 100; what is below is looked at no further.
_WORTH_A_LOOK = 60.0
# Near pairs of a title, those first whose titles have most in common. A model is asked about fewer;
# without a bound a text that is full of titles that are all alike would fill the memory.
_MOST_NEAR = 32
_MOST_WORDS = 8
_FEWEST_LETTERS = 5
# Normalised, what is shorter may be an abbreviation of something else (US, IT).
_SHORT_KEY = 4
# WILLIAM and WILLIAMS, JOHANSSON and JOHANSON are names of two families as often as one misspelt.
_PERSON = "person"
# Cosines of "title: description" (docs/decisions/entity-resolution.md).
_NEAR = 0.8
_FAR = 0.35
# Pairs whose vectors are in memory at once: one is 8 kB of Python's floats.
_EMBEDDED_TOGETHER = 1_000
# Doubtful pairs of one entity, under all its titles, that a model is asked about.
_MOST_DOUBTS = 5


@dataclass(frozen=True, slots=True, order=True)
class SeenTitle:
    """An entity of the live extractions: `type` as most saw it, "" if none did; `frequency` is in
    how many text units it was seen."""

    title: str
    type: str
    frequency: int


@dataclass(frozen=True, slots=True, order=True)
class NearPair:
    """Two titles, the smaller first, that may mean one thing."""

    title: str
    other: str
    likeness: Likeness


@dataclass(frozen=True, slots=True)
class FoundPairs:
    """What titles alone decide, and what they do not; both ascend."""

    decided: tuple[Decision, ...]
    near: tuple[NearPair, ...]


def find_pairs(entities: Collection[SeenTitle]) -> FoundPairs:
    """Titles are distinct."""
    decided: list[Decision] = []
    near: dict[tuple[str, str], NearPair] = {}
    met: Counter[str] = Counter()
    leading: list[SeenTitle] = []
    for alike in _by_key(entities):
        groups = _by_type(alike)
        for group in groups:
            leader = min(group, key=_rank)
            leading.append(leader)
            for entity in group:
                if entity is not leader:
                    decided.append(_equal_titles(leader.title, entity.title))
        for one, other in combinations(leading[-len(groups) :][: _MOST_DOUBTS + 1], 2):
            a, b = sorted((one.title, other.title))
            near[a, b] = NearPair(a, b, Likeness(Trust.OPEN, 100, "they differ in type alone"))
    for one, other in _neighbours(sorted(leading)):
        a, b = sorted((one.title, other.title))
        if (a, b) in near or types_contradict(one.type, other.type):
            continue
        if max(met[a], met[b]) >= _MOST_NEAR:
            continue
        found = likeness(title_form(a), title_form(b))
        if found is not None:
            trust = _trust(found.trust, one.type.casefold(), other.type.casefold())
            if trust is not Trust.FAINT:
                near[a, b] = NearPair(a, b, Likeness(trust, found.score, found.difference))
                met.update((a, b))
    certain = {pair for pair in near.values() if pair.likeness.trust is Trust.CERTAIN}
    decided += [_similar(pair, True, pair.likeness.difference) for pair in certain]
    return FoundPairs(
        tuple(sorted(decided)), tuple(sorted(pair for pair in near.values() if pair not in certain))
    )


def weigh(
    pairs: Sequence[NearPair],
    descriptions: Mapping[str, Sequence[str]],
    embed: Callable[[Sequence[str]], Sequence[Sequence[float]]],
) -> tuple[tuple[Decision, ...], tuple[NearPair, ...]]:
    """What descriptions decide, and what stays doubtful. An entity without one decides nothing."""
    decided: list[Decision] = []
    doubtful: list[NearPair] = []
    for start in range(0, len(pairs), _EMBEDDED_TOGETHER):
        part = pairs[start : start + _EMBEDDED_TOGETHER]
        vectors = _vectors(part, descriptions, embed)
        for pair in part:
            one, other = vectors.get(pair.title), vectors.get(pair.other)
            # Of length 1 each.
            cosine = None if one is None or other is None else round(sum(map(mul, one, other)), 2)
            if cosine is not None and cosine < _FAR:
                reason = f"the descriptions are far from each other ({cosine})"
                decided.append(_similar(pair, False, reason))
            elif cosine is not None and cosine >= _NEAR and pair.likeness.trust is Trust.LIKELY:
                reason = f"{pair.likeness.difference}, and the descriptions are near ({cosine})"
                decided.append(_similar(pair, True, reason))
            else:
                doubtful.append(pair)
    return tuple(decided), tuple(doubtful)


def _vectors(
    pairs: Sequence[NearPair],
    descriptions: Mapping[str, Sequence[str]],
    embed: Callable[[Sequence[str]], Sequence[Sequence[float]]],
) -> dict[str, Sequence[float]]:
    """Of "title: descriptions", for pairs of which both have one."""
    told = sorted(
        {
            title
            for pair in pairs
            if descriptions.get(pair.title) and descriptions.get(pair.other)
            for title in (pair.title, pair.other)
        }
    )
    return dict(zip(told, embed([f"{t}: {_evenly(descriptions[t])}" for t in told]), strict=True))


def _evenly(descriptions: Sequence[str]) -> str:
    """None longer than the second longest: a vector is a mean over words, so that one document
    with many words would outweigh all others with few."""
    *_, bound = sorted(map(len, descriptions), reverse=True)[:2]
    return " ".join(description[:bound] for description in descriptions)


def to_ask(
    doubtful: Iterable[NearPair],
    leader: Callable[[str], str],
    known: Collection[tuple[str, str]],
) -> tuple[tuple[str, str], ...]:
    """The pairs that a model is asked about, ascending: of two groups the most alike alone, and
    those of each group that are the most alike.

    Args:
        leader: of the group that a title is in by what is decided already.
        known: pairs of leaders, the smaller first, that need not be asked about.
    """
    best: dict[tuple[str, str], NearPair] = {}
    by_likeness = sorted(doubtful, key=lambda pair: (-pair.likeness.score, pair))
    for pair in by_likeness:
        a, b = sorted((leader(pair.title), leader(pair.other)))
        if a != b and (a, b) not in known:
            best.setdefault((a, b), pair)
    taken: Counter[str] = Counter()
    asked: list[tuple[str, str]] = []
    for (a, b), pair in best.items():
        if max(taken[a], taken[b]) < _MOST_DOUBTS:
            asked.append((pair.title, pair.other))
            taken.update((a, b))
    return tuple(sorted(asked))


def types_contradict(one: str, other: str) -> bool:
    return bool(one and other) and one.casefold() != other.casefold()


def _trust(trust: Trust, one: str, other: str) -> Trust:
    """How far a likeness is trusted between entities of these types, which do not contradict."""
    if trust is Trust.FAINT:
        return Trust.OPEN if _PERSON in (one, other) else Trust.FAINT
    if not (one and other) or (trust is Trust.LIKELY and one == _PERSON):
        return Trust.OPEN
    return trust


def _rank(entity: SeenTitle) -> tuple[int, str]:
    return -entity.frequency, entity.title


def _equal_titles(one: str, other: str) -> Decision:
    a, b = sorted((one, other))
    return Decision(a, b, True, Step.TITLE, "the titles are equal when normalised")


def _similar(pair: NearPair, same: bool, reason: str) -> Decision:
    return Decision(pair.title, pair.other, same, Step.SIMILAR, reason)


def _by_key(entities: Iterable[SeenTitle]) -> Iterator[list[SeenTitle]]:
    """Those with one normalised title; one by one those that have none."""
    keyed = sorted((title_key(entity.title), entity) for entity in entities)
    for key, group in groupby(keyed, key=lambda each: each[0]):
        alike = [entity for _, entity in group]
        if key:
            yield alike
        else:
            yield from ([entity] for entity in alike)


def _by_type(alike: Sequence[SeenTitle]) -> list[list[SeenTitle]]:
    """Those without a type belong to the only one that there is, unless the titles are so short
    that they may be anything."""
    short = len(title_key(alike[0].title)) < _SHORT_KEY
    groups: dict[str, list[SeenTitle]] = {}
    for entity in sorted(alike):
        alone = short and not entity.type
        groups.setdefault(f"\0{entity.title}" if alone else entity.type.casefold(), []).append(
            entity
        )
    if len(groups) == 2 and "" in groups:
        return [[*alike]]
    return list(groups.values())


def _neighbours(entities: Sequence[SeenTitle]) -> Iterator[tuple[SeenTitle, SeenTitle]]:
    """Pairs worth a look: sorted neighbourhoods within blocks of titles that have a part in common.

    Parts: all words in any order; all words but one; the first and the last word; a half of the
    letters. So a title is compared with some dozens of others, however many there are.
    """
    cores = [title_form(entity.title).core for entity in entities]
    for one, other in _in_blocks(
        (" ".join(sorted(core)), entity.title, place)
        for place, (core, entity) in enumerate(zip(cores, entities, strict=True))
    ):
        yield entities[one], entities[other]
    spelt = [" ".join(core) for core in cores]
    for blocks in _passes(cores):
        for one, other in _in_blocks(blocks):
            if ratio(spelt[one], spelt[other], score_cutoff=_WORTH_A_LOOK):
                yield entities[one], entities[other]


def _passes(cores: Sequence[tuple[str, ...]]) -> Iterator[Iterator[tuple[str, str, int]]]:
    """(common part, the rest, place of the title), one pass after another: so few are in memory."""
    for left_out in range(_MOST_WORDS):
        yield (
            (" ".join((*core[:left_out], "", *core[left_out + 1 :])), core[left_out], place)
            for place, core in enumerate(cores)
            if left_out < len(core) <= _MOST_WORDS and len(core) > 1
        )
    yield (
        (f"{core[0]} {core[-1]}", " ".join(core[1:-1]), place)
        for place, core in enumerate(cores)
        if len(core) > 1
    )
    for rounded in (0, 1):
        for from_the_end in (False, True):
            yield _halves(cores, rounded, from_the_end)


def _halves(
    cores: Sequence[tuple[str, ...]], rounded: int, from_the_end: bool
) -> Iterator[tuple[str, str, int]]:
    """Titles that are one edit apart, at most one letter longer, share a half in one rounding."""
    for place, core in enumerate(cores):
        letters = "".join(core)
        if len(letters) >= _FEWEST_LETTERS:
            letters = letters[::-1] if from_the_end else letters
            half = (len(letters) + rounded) // 2
            yield letters[:half], letters[half:], place


def _in_blocks(parts: Iterable[tuple[str, str, int]]) -> Iterator[tuple[int, int]]:
    for _, group in groupby(sorted(parts), key=lambda part: part[0]):
        block = [place for _, _, place in group]
        reach = len(block) if len(block) <= _SMALL_BLOCK else _NEIGHBOURS
        for at, place in enumerate(block):
            for other in block[at + 1 : at + 1 + reach]:
                yield place, other
