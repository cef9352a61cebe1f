"""Pairs of titles that are the same become groups; what contradicts each other never joins, not
even through a third."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product

from graphmill.standard.decisions import Decision, Step
from graphmill.standard.same_entities import SeenTitle, types_contradict
from graphmill.standard.title_forms import title_form, title_key
from graphmill.standard.title_likeness import contradiction

# Members of a group are compared with each other; nothing has more names, a broken text may.
_MOST_MEMBERS = 200
# What is decided first counts more.
_ORDER = {step: place for place, step in enumerate((Step.PERSON, Step.TITLE, Step.SIMILAR))}


@dataclass(frozen=True, slots=True, order=True)
class ResolvedTitle:
    """A title goes into the canonical one of its group, by this step."""

    title: str
    canonical: str
    step: Step
    reason: str


@dataclass(frozen=True, slots=True)
class Groups:
    """
    Attributes:
        resolved: titles that go into another, ascending.
        decisions: what was decided of each pair in the end, ascending: a pair that was the same
            but for its group is not, and its reason says so.
    """

    resolved: tuple[ResolvedTitle, ...]
    decisions: tuple[Decision, ...]

    def leaders(self) -> dict[str, str]:
        return {one.title: one.canonical for one in self.resolved}


def group_titles(entities: Mapping[str, SeenTitle], decisions: Iterable[Decision]) -> Groups:
    """The canonical title is the most frequent, of equals the smallest.

    A person's decision goes over all others on the same pair; decisions on titles that are not
    among the entities are left out.
    """
    by_pair: dict[tuple[str, str], Decision] = {}
    for decision in sorted(decisions, key=_priority):
        if decision.title in entities and decision.other in entities:
            by_pair.setdefault((decision.title, decision.other), decision)
    joining = _Joining(entities, by_pair.values())
    final: list[Decision] = []
    most_seen_first = sorted(
        by_pair.values(),
        key=lambda one: (
            _priority(one)[0],
            -entities[one.title].frequency - entities[one.other].frequency,
            one,
        ),
    )
    for decision in most_seen_first:
        objection = joining.join(decision) if decision.same else ""
        if objection:
            reason = f"{decision.reason}; but {objection}"
            decision = replace(decision, same=False, reason=reason)
        final.append(decision)
    return Groups(tuple(sorted(joining.resolved())), tuple(sorted(final)))


def _priority(decision: Decision) -> tuple[int, Decision]:
    return _ORDER.get(decision.step, len(_ORDER)), decision


class _Joining:
    """Groups under construction, each under the title of one of its members."""

    def __init__(self, entities: Mapping[str, SeenTitle], decisions: Collection[Decision]) -> None:
        self._entities = entities
        self._group: dict[str, str] = {}
        self._members: dict[str, list[str]] = {}
        self._joined: dict[str, list[Decision]] = {}
        self._apart: dict[str, dict[str, Step]] = {}
        for one in decisions:
            if not one.same:
                self._apart.setdefault(one.title, {})[one.other] = one.step
                self._apart.setdefault(one.other, {})[one.title] = one.step

    def join(self, decision: Decision) -> str:
        """Why it cannot be; "" if it is done."""
        one, other = self._of(decision.title), self._of(decision.other)
        if one == other:
            return ""
        objection = self._objection(decision, one, other)
        if not objection:
            one, other = sorted((one, other), key=lambda group: (-len(self._members[group]), group))
            for member in self._members[other]:
                self._group[member] = one
            self._members[one] += self._members.pop(other)
            self._joined.setdefault(decision.title, []).append(decision)
            self._joined.setdefault(decision.other, []).append(decision)
        return objection

    def resolved(self) -> Iterable[ResolvedTitle]:
        for members in self._members.values():
            canonical = min(members, key=lambda title: (-self._entities[title].frequency, title))
            reached = {canonical}
            waiting = [canonical]
            for towards in waiting:
                for decision in self._joined.get(towards, ()):
                    title = decision.other if decision.title == towards else decision.title
                    if title not in reached:
                        reached.add(title)
                        waiting.append(title)
                        through = "" if towards == canonical else f", with {towards}"
                        yield ResolvedTitle(
                            title, canonical, decision.step, f"{decision.reason}{through}"
                        )

    def _of(self, title: str) -> str:
        if title not in self._group:
            self._group[title] = title
            self._members[title] = [title]
        return self._group[title]

    def _objection(self, decision: Decision, one: str, other: str) -> str:
        members, others = self._members[one], self._members[other]
        if len(members) + len(others) > _MOST_MEMBERS:
            return f"a group has at most {_MOST_MEMBERS} titles"
        told_apart = {
            (self._apart[a][b], *sorted((a, b)))
            for a in members
            for b in self._apart.get(a, {}).keys() & set(others)
            # What a person joins, only a person parts.
            if decision.step is not Step.PERSON or self._apart[a][b] is Step.PERSON
        }
        if told_apart:
            step, a, b = min(told_apart)
            return f"{a} and {b} were told apart ({step})"
        if decision.step is Step.PERSON:
            return ""
        for a, b in sorted((*sorted(pair),) for pair in product(members, others)):
            if contradicts := self._contradiction(a, b):
                return f"of {a} and {b} {contradicts}"
        return ""

    def _contradiction(self, a: str, b: str) -> str:
        if title_key(a) == title_key(b):
            return ""
        if types_contradict(self._entities[a].type, self._entities[b].type):
            return "the types differ"
        return contradiction(title_form(a), title_form(b))
