"""What a model is shown of a community: tables of its records, within a number of tokens.

A community that is too large to be shown whole is rolled up: reports on its children first, then
the records that lie between the children, which no child's report can know.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NewType

from graphmill.errors import InvalidRequest
from graphmill.ids import entity_id
from graphmill.models import Community, CommunityReport
from graphmill.references import TABLES, KnownIds, rewrite_references
from graphmill.reports import ReportContext, ReportEntity, ReportRelationship
from graphmill.standard.cleaning import one_line
from graphmill.standard.extracted import ClaimStatus
from graphmill.standard.tokens import CountTokens, fit

_MIN_TOKENS = 1_000
# A share of the tokens for claims at most, for one cell, and for the reports of a roll-up.
_CLAIMS_SHARE = 4
_CELL_SHARE = 8
_REPORTS_SHARE = 0.75

_Cell = NewType("_Cell", str)
"""A text as it stands in a row of CSV: it can begin neither another row nor another cell."""


@dataclass(frozen=True, slots=True)
class ReportClaim:
    """A claim about an entity of the community, or between two."""

    human_readable_id: int
    subject: str
    object: str
    type: str
    description: str
    status: ClaimStatus
    start_date: str = ""
    end_date: str = ""


@dataclass(frozen=True, slots=True)
class ChildReport:
    """A child of the community, and the report on it."""

    community: Community
    report: CommunityReport


@dataclass(frozen=True, slots=True)
class CommunityContext:
    """`known`: what the numbers in the text stand for. `whole`: nothing was left out or
    shortened."""

    text: str
    known: KnownIds
    whole: bool


def community_context(
    context: ReportContext,
    claims: Sequence[ReportClaim],
    max_tokens: int,
    count_tokens: CountTokens,
) -> CommunityContext:
    """A community's entities, relationships and claims, the best connected first, as far as they
    fit.

    The text depends on the community's own records alone, not on their order or their ids, nor on
    what else is in the graph: so what was paid for it holds until one of them changes.

    Raises:
        InvalidRequest: the community has no entities, a relationship joins one outside it, or
            max_tokens is less than 1,000 or too few for any record.
    """
    tables = _Tables(context, claims, max_tokens, count_tokens)
    spared = tables.tokens_for_claims()
    tables.add_records(context.relationships, context.entities, max_tokens - spared)
    tables.add_claims(max_tokens)
    return tables.context()


def rolled_up_context(
    context: ReportContext,
    claims: Sequence[ReportClaim],
    children: Sequence[ChildReport],
    max_tokens: int,
    count_tokens: CountTokens,
) -> CommunityContext:
    """Reports on the children in three quarters of the tokens, then the relationships and entities
    that belong to no one child, then claims about those.

    Where not all reports fit in full, the larger children's do and of the others the summary is
    given; whatever is left out makes `whole` False.

    Raises:
        InvalidRequest: as `community_context`; or a child is no child of the community.
    """
    number = context.community.community
    child_of: dict[str, int] = {}
    members = {
        id: child.community.community for child in children for id in child.community.entity_ids
    }
    for entity in context.entities:
        child = members.get(entity_id(entity.title))
        if child is not None:
            child_of[entity.title] = child
    for child in children:
        if child.community.parent != number:
            raise InvalidRequest(
                f"community {child.community.community} is no child of community {number}"
            )
    tables = _Tables(context, claims, max_tokens, count_tokens)
    tables.add_reports(children, int(max_tokens * _REPORTS_SHARE))
    between = [
        one
        for one in context.relationships
        if one.source not in child_of or child_of.get(one.target) != child_of[one.source]
    ]
    outside = [entity for entity in context.entities if entity.title not in child_of]
    spared = tables.tokens_for_claims()
    tables.add_records(between, outside, max_tokens - spared)
    tables.add_claims(max_tokens)
    return tables.context()


class _Numbers:
    """Numbers records from 1 in the order in which they are first named."""

    def __init__(self) -> None:
        self._ids: dict[str, dict[int, int]] = {table: {} for table in TABLES}

    def number(self, table: str, id: int) -> int:
        numbers = self._ids[table]
        return numbers.setdefault(id, len(numbers) + 1)

    def mark(self) -> tuple[int, ...]:
        return tuple(map(len, self._ids.values()))

    def forget_since(self, mark: tuple[int, ...]) -> None:
        for numbers, length in zip(self._ids.values(), mark, strict=True):
            while len(numbers) > length:
                numbers.popitem()

    def known(self) -> KnownIds:
        return KnownIds(**{table.lower(): tuple(ids) for table, ids in self._ids.items()})


class _Spent:
    """The tokens of all lines so far. Most communities are so small that nothing is counted: no
    token is shorter than a byte, and their bytes are no more than the tokens they may have."""

    def __init__(self, count_tokens: CountTokens) -> None:
        self._count_tokens = count_tokens
        self._counted = 0
        self._uncounted: list[str] = []
        self._bytes = 0  # of those, with the ends of lines

    def add(self, lines: Sequence[str], most: int) -> bool:
        """All of them or, where all together would have more than `most` tokens, none."""
        more = sum([len(line.encode()) + 1 for line in lines])
        if self._counted + self._bytes + more <= most:
            self._uncounted += lines
            self._bytes += more
            return True
        self._counted += self.cost(self._uncounted)
        self._uncounted, self._bytes = [], 0
        cost = self.cost(lines)
        if self._counted + cost > most:
            return False
        self._counted += cost
        return True

    def add_counted(self, tokens: int) -> None:
        self._counted += tokens

    def cost(self, lines: Iterable[str]) -> int:
        return sum([self._count_tokens(line) + 1 for line in lines])  # 1: the end of the line


class _Tables:
    """Rows of the tables so far, and what they cost."""

    def __init__(
        self,
        context: ReportContext,
        claims: Sequence[ReportClaim],
        max_tokens: int,
        count_tokens: CountTokens,
    ) -> None:
        number = context.community.community
        if not context.entities:
            raise InvalidRequest(f"community {number} has no entities to report on")
        if max_tokens < _MIN_TOKENS:
            raise InvalidRequest(
                f"the tokens for a report's context are {max_tokens}; expected are at least"
                f" {_MIN_TOKENS}"
            )
        self._by_title = {entity.title: entity for entity in context.entities}
        # Within the community: in the whole graph they change with every document.
        self._degrees: Counter[str] = Counter()
        for one in context.relationships:
            for end in (one.source, one.target):
                if end not in self._by_title:
                    raise InvalidRequest(
                        f"relationship {one.human_readable_id} joins an entity outside community"
                        f" {number}"
                    )
                self._degrees[end] += 1
        self._claims = [one for one in claims if {one.subject, one.object} & self._by_title.keys()]
        self._max_tokens = max_tokens
        self._count_tokens = count_tokens
        self._numbers = _Numbers()
        self._rows: dict[str, list[str]] = {}
        self._shown: set[str] = set()
        self._spent = _Spent(count_tokens)
        self._whole = True

    def add_reports(self, children: Sequence[ChildReport], most: int) -> None:
        """Every child by its summary, then the larger ones in full in place of it."""
        order = sorted(children, key=_child_order)
        used = self._spent.cost(_heading("Reports"))
        rows: list[tuple[str, int]] = []
        for child in order:
            mark = self._numbers.mark()
            row = self._report_row(child.report, self._shortened(_line(child.report.summary)))
            cost = self._spent.cost([row])
            if used + cost > most:
                self._numbers.forget_since(mark)
                break
            rows.append((row, cost))
            used += cost
        in_full = 0
        for place, child in enumerate(order[: len(rows)]):
            mark = self._numbers.mark()
            row = self._report_row(child.report, child.report.full_content)
            cost = self._spent.cost([row])
            more = cost - rows[place][1]
            if used + more > most:
                self._numbers.forget_since(mark)
                continue
            rows[place] = row, cost
            used += more
            in_full += 1
        self._whole &= in_full == len(children)
        if rows:
            self._rows["Reports"] = [row for row, _ in rows]
            self._spent.add_counted(used)

    def add_records(
        self,
        relationships: Iterable[ReportRelationship],
        entities: Iterable[ReportEntity],
        most: int,
    ) -> None:
        """Relationships with their ends, of the best connected ends first, then other entities."""
        for one in sorted(relationships, key=self._relationship_order):
            if not self._add_relationship(one, most) and self._shown:
                return
        for entity in sorted(entities, key=lambda one: (-self._degrees[one.title], one.title)):
            if entity.title in self._shown:
                continue
            if not self._add_entity(entity, most) and self._shown:
                return

    def tokens_for_claims(self) -> int:
        """What claims need, at most a quarter of all tokens."""
        most = self._max_tokens // _CLAIMS_SHARE
        needed = self._spent.cost(_heading("Claims")) if self._claims else 0
        for claim in self._claims:
            needed += self._spent.cost([_claim_row(len(self._claims), claim)])
            if needed >= most:
                return most
        return needed

    def add_claims(self, most: int) -> None:
        """About entities that are shown, the best connected first."""
        about = [one for one in self._claims if {one.subject, one.object} & self._shown]
        for claim in sorted(about, key=self._claim_order):
            mark = self._numbers.mark()
            number = self._numbers.number("Claims", claim.human_readable_id)
            if not self._add([("Claims", _claim_row(number, claim))], most):
                self._numbers.forget_since(mark)
                return

    def context(self) -> CommunityContext:
        if not self._rows:
            raise InvalidRequest(
                f"no record of the community fits into {self._max_tokens:,} tokens; allow more"
            )
        tables = (
            "\n".join((*_HEADINGS[table], *self._rows[table]))
            for table in TABLES
            if table in self._rows
        )
        return CommunityContext("\n\n".join(tables), self._numbers.known(), self._whole)

    def _add_relationship(self, one: ReportRelationship, most: int) -> bool:
        mark = self._numbers.mark()
        ends = [title for title in (one.source, one.target) if title not in self._shown]
        rows = [("Entities", self._entity_row(self._by_title[end])) for end in ends]
        number = self._numbers.number("Relationships", one.human_readable_id)
        cells = _cell(one.source), _cell(one.target), self._description(one.description)
        rows.append(("Relationships", _row(number, *cells)))
        if not self._add(rows, most):
            self._numbers.forget_since(mark)
            return False
        self._shown.update(ends)
        return True

    def _add_entity(self, entity: ReportEntity, most: int) -> bool:
        mark = self._numbers.mark()
        if not self._add([("Entities", self._entity_row(entity))], most):
            self._numbers.forget_since(mark)
            return False
        self._shown.add(entity.title)
        return True

    def _add(self, rows: Sequence[tuple[str, str]], most: int) -> bool:
        """All of them or none."""
        lines = [row for _, row in rows]
        for table in {table for table, _ in rows if table not in self._rows}:
            lines += _heading(table)
        if not self._spent.add(lines, most):
            self._whole = False
            return False
        for table, row in rows:
            self._rows.setdefault(table, []).append(row)
        return True

    def _shortened(self, line: str) -> str:
        """No more than an eighth of all tokens."""
        return fit(line, self._max_tokens // _CELL_SHARE, self._count_tokens)

    def _description(self, text: str) -> _Cell:
        line = _line(text)
        shown = self._shortened(line)
        self._whole &= shown == line
        return _quoted(shown)

    def _entity_row(self, entity: ReportEntity) -> str:
        number = self._numbers.number("Entities", entity.human_readable_id)
        description = self._description(entity.description)
        return _row(number, _cell(entity.title), _cell(entity.type), description)

    def _report_row(self, report: CommunityReport, content: str) -> str:
        number = self._numbers.number("Reports", report.community)
        content = rewrite_references(content, self._numbers.number)
        return _row(number, *map(_cell, (report.title, f"{report.rank:g}", content)))

    def _relationship_order(self, one: ReportRelationship) -> tuple[int, str, str, str]:
        combined_degree = self._degrees[one.source] + self._degrees[one.target]
        return -combined_degree, one.source, one.target, one.description

    def _claim_order(self, claim: ReportClaim) -> tuple[int, tuple[str, ...]]:
        degree = max(self._degrees[claim.subject], self._degrees[claim.object])
        said = claim.subject, claim.object, claim.type, claim.description, claim.status
        return -degree, (*said, claim.start_date, claim.end_date)


_HEADINGS = {
    "Reports": ("-----Reports-----", "id,title,rating,content"),
    "Entities": ("-----Entities-----", "id,title,type,description"),
    "Relationships": ("-----Relationships-----", "id,source,target,description"),
    "Claims": ("-----Claims-----", "id,subject,object,type,status,start,end,description"),
}


def _heading(table: str) -> tuple[str, str]:
    """As its tokens are counted: with the empty line before it."""
    return "", "\n".join(_HEADINGS[table])


def _child_order(child: ChildReport) -> tuple[int, str, str]:
    return -child.report.size, child.report.title, child.report.full_content


def _claim_row(number: int, claim: ReportClaim) -> str:
    of = claim.subject, claim.object, claim.type, claim.status
    return _row(number, *map(_cell, (*of, claim.start_date, claim.end_date, claim.description)))


def _line(text: str) -> str:
    return one_line(text, len(text))


def _cell(text: str) -> _Cell:
    return _quoted(_line(text))


def _quoted(line: str) -> _Cell:
    # A csv.writer would give the same, and take longer for a row than all else done to it.
    if "," in line or '"' in line:
        line = '"' + line.replace('"', '""') + '"'
    return _Cell(line)


def _row(number: int, *cells: _Cell) -> str:
    """A line of CSV."""
    return ",".join((str(number), *cells))
