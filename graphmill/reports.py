"""create_community_reports without a model: a report is quoted and counted, nothing is made up.

Title from the strongest entities, summary from the sentences that cover most of them, findings from
the strongest entities in turn. What was decided, and why: docs/decisions/extractive-reports.md.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from heapq import nsmallest
from math import isfinite, log

from graphmill.display_names import display_name
from graphmill.errors import InvalidRequest
from graphmill.ids import community_report_id
from graphmill.models import Community, CommunityReport, Finding
from graphmill.quotations import MAX_CHARACTERS as MAX_QUOTATION
from graphmill.quotations import quote
from graphmill.references import rewrite_references

REPORTS_VERSION = "1"
"""For cache keys: changes whenever the same community may give another report."""

MAX_WORDS = 2_000
# For scripts without spaces, and so that a report fits into 8,191 tokens to be embedded.
MAX_CHARACTERS = 14_000

_MAX_FINDINGS = 8
_TITLE_NAMES = 3
_SUMMARY_SENTENCES = 3
_HEADING_NAMES = 3
_FINDING_SENTENCES = 4
# As GraphRAG asks of its reports: no more than five ids in a reference, then "+more".
_IDS_IN_REFERENCE = 5
# Entities and relationships whose sentences are considered: bounds the work on a large community.
_CANDIDATES = 50

_LETTER = re.compile(r"[^\W\d_]")
_SENTENCE_END = re.compile(r"[.!?…。！？｡।॥۔።]['\"”’»)\]」』）]*$")
# What begins so tells of something in a sentence that is not quoted. English alone.
_LOOKS_BACK = re.compile(
    r"(?:it|its|he|his|she|her|they|their|this|these|that|those|there|such|both|here)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ReportEntity:
    """`degree` counts relationships in the whole graph, `frequency` text units."""

    title: str
    type: str
    description: str
    degree: int
    human_readable_id: int
    frequency: int


@dataclass(frozen=True, slots=True)
class ReportRelationship:
    source: str
    target: str
    description: str
    weight: float
    human_readable_id: int


@dataclass(frozen=True, slots=True)
class ReportContext:
    """A community with its entities and the relationships among them, in any order."""

    community: Community
    entities: tuple[ReportEntity, ...]
    relationships: tuple[ReportRelationship, ...]


def write_report(context: ReportContext) -> CommunityReport:
    """Write a report of at most 2,000 words; the same content, in any order, gives the same bytes.

    Raises:
        InvalidRequest: the community has no entities, or a relationship joins one outside it.
    """
    community = context.community
    members = _Members(context)
    leads = members.leads
    quoted: set[str] = set()

    names = [members.name(lead) for lead in _distinct(leads, _TITLE_NAMES)]
    # A title of which nothing can be shown (white space, marks) leaves the community's number.
    title = _sentence_case(_listed(names)) or context.community.title
    summary = " ".join([*_lead_sentences(members, quoted), _size_sentence(context)])
    rank, rating_explanation = _rate(context)

    report = f"# {title}\n\n{summary}"
    findings: list[Finding] = []
    cited: set[int] = set()
    for lead in leads:
        if len(findings) == _MAX_FINDINGS:
            break
        finding, now_cited, now_quoted = _finding(members, lead, cited, quoted)
        if findings and cited.issuperset(now_cited) and quoted.issuperset(now_quoted):
            continue  # all of it has been said
        longer = f"{report}\n\n## {finding.summary}\n\n{finding.explanation}"
        if len(longer.split()) > MAX_WORDS or len(longer) > MAX_CHARACTERS:
            break
        report = longer
        findings.append(finding)
        cited |= now_cited
        quoted |= now_quoted

    return content_addressed_report(
        community, title, summary, report, rank, rating_explanation, tuple(findings)
    )


def embedded_content(full_content: str) -> str:
    """A report as it is embedded: without its references. Their numbers change with every document
    of the collection, and it need not be embedded again for that."""
    return rewrite_references(full_content, lambda table, id: None)


def content_addressed_report(
    community: Community,
    title: str,
    summary: str,
    full_content: str,
    rank: float,
    rating_explanation: str,
    findings: tuple[Finding, ...],
) -> CommunityReport:
    """A community's report, whoever wrote it; its id is that of its content."""
    full_content_json = json.dumps(
        {
            "title": title,
            "summary": summary,
            "findings": [asdict(finding) for finding in findings],
            "rating": rank,
            "rating_explanation": rating_explanation,
        },
        ensure_ascii=False,
        indent=4,
    )
    return CommunityReport(
        id=community_report_id(full_content_json),
        community=community.community,
        level=community.level,
        parent=community.parent,
        children=community.children,
        title=title,
        summary=summary,
        full_content=full_content,
        rank=rank,
        rating_explanation=rating_explanation,
        findings=findings,
        full_content_json=full_content_json,
        period=community.period,
        size=community.size,
    )


class _Members:
    """The community's records by strength, and what its strongest entities are called."""

    def __init__(self, context: ReportContext) -> None:
        number = context.community.community
        if not context.entities:
            raise InvalidRequest(f"community {number} has no entities to report on")
        self._by_title = {entity.title: entity for entity in context.entities}
        self._names: dict[str, str] = {}
        self._quotations: dict[str, str] = {}
        self.relationships_within: Counter[str] = Counter()
        for relationship in context.relationships:
            for end in (relationship.source, relationship.target):
                if end not in self._by_title:
                    raise InvalidRequest(
                        f"relationship {relationship.human_readable_id} joins an entity outside"
                        f" community {number}"
                    )
                self.relationships_within[end] += 1
        self.leads = nsmallest(_CANDIDATES, context.entities, key=self._entity_order)
        self.strongest = nsmallest(_CANDIDATES, context.relationships, key=_relationship_order)
        self._links: dict[str, list[ReportRelationship]] = {lead.title: [] for lead in self.leads}
        for relationship in context.relationships:
            for end in {relationship.source, relationship.target} & self._links.keys():
                self._links[end].append(relationship)
        for lead in self.leads:
            self._links[lead.title].sort(key=lambda link, lead=lead: self._link_order(link, lead))

    def _entity_order(self, entity: ReportEntity) -> tuple[bool, int, int, int, str]:
        """Numbers and dates after names; then by relationships here, mentions, relationships."""
        return (
            not _LETTER.search(entity.title),
            -self.relationships_within[entity.title],
            -entity.frequency,
            -entity.degree,
            entity.title,
        )

    def _link_order(
        self, link: ReportRelationship, lead: ReportEntity
    ) -> tuple[float, int, str, str, int]:
        """Many weights are equal: the neighbour with more relationships here goes first."""
        weight, source, target, number = _relationship_order(link)
        neighbour = self.neighbour(link, lead).title
        return weight, -self.relationships_within[neighbour], source, target, number

    def links(self, lead: ReportEntity) -> Sequence[ReportRelationship]:
        """The relationships of one of `leads`, strongest first."""
        return self._links[lead.title]

    def neighbour(self, relationship: ReportRelationship, of: ReportEntity) -> ReportEntity:
        source, target = relationship.source, relationship.target
        return self._by_title[target if source == of.title else source]

    def quotation(self, record: ReportEntity | ReportRelationship) -> str:
        """Its description, fit to be quoted; many records share one."""
        quotation = self._quotations.get(record.description)
        if quotation is None:
            quotation = self._quotations[record.description] = quote(record.description)
        return quotation

    def name(self, entity: ReportEntity) -> str:
        """As the sentences about it write it."""
        name = self._names.get(entity.title)
        if name is None:
            links = self._links.get(entity.title, [])[:_CANDIDATES]
            sentences = map(self.quotation, (entity, *links))
            name = self._names[entity.title] = display_name(entity.title, sentences)
        return name


def _relationship_order(relationship: ReportRelationship) -> tuple[float, str, str, int]:
    weight = relationship.weight if isfinite(relationship.weight) else 0.0
    return -weight, relationship.source, relationship.target, relationship.human_readable_id


def _distinct(leads: Iterable[ReportEntity], count: int) -> list[ReportEntity]:
    """The first so many whose words are not all in another's: not NEW YORK and NEW YORK CITY."""
    chosen: list[tuple[ReportEntity, set[str]]] = []
    for lead in leads:
        words = set(lead.title.split())
        if not any(words <= other or other <= words for _, other in chosen):
            chosen.append((lead, words))
            if len(chosen) == count:
                break
    return [lead for lead, _ in chosen]


def _lead_sentences(members: _Members, quoted: set[str]) -> list[str]:
    """The sentences that together tell of most of the strongest entities; notes them in `quoted`.

    Greedy maximum coverage: next is always the sentence whose entities, as far as not yet told of,
    have the most relationships here. Sentences that stand alone count threefold: headings and rows
    of tables name much and say little, "It is ..." says it of what nobody knows.
    """
    about: dict[str, set[str]] = {}
    for entity in members.leads:
        about.setdefault(members.quotation(entity), set()).add(entity.title)
    for relationship in members.strongest:
        ends = {relationship.source, relationship.target}
        about.setdefault(members.quotation(relationship), set()).update(ends)
    about.pop("", None)

    told: set[str] = set()
    chosen: list[str] = []

    def worth(sentence: str) -> int:
        news = sum(1 + members.relationships_within[title] for title in about[sentence] - told)
        stands_alone = _SENTENCE_END.search(sentence) and not _LOOKS_BACK.match(sentence)
        return news * (3 if stands_alone else 1)

    while len(chosen) < _SUMMARY_SENTENCES and about:
        best = max(about, key=worth)  # of equals the first, which belongs to the stronger entity
        if not worth(best):
            break
        told |= about.pop(best)
        chosen.append(best)
    quoted.update(chosen)
    return [_ended(sentence) for sentence in chosen]


def _finding(
    members: _Members, lead: ReportEntity, cited: set[int], quoted: set[str]
) -> tuple[Finding, set[int], set[str]]:
    """What is known of one entity, with the ids of relationships it cites and what it quotes.

    Many relationships may come from one sentence. Those that bring a new one go first, then those
    not cited yet, so that findings differ.
    """
    links = members.links(lead)
    own = members.quotation(lead)
    sentences = [own] if own and own not in quoted else []
    bringing: list[ReportRelationship] = []
    for link in links[:_CANDIDATES]:
        if len(sentences) == _FINDING_SENTENCES or len(bringing) == _IDS_IN_REFERENCE:
            break
        sentence = members.quotation(link)
        if sentence and sentence not in quoted and sentence not in sentences:
            sentences.append(sentence)
            bringing.append(link)
    brought = {link.human_readable_id for link in bringing}
    others = [link for link in links if link.human_readable_id not in brought]
    others.sort(key=lambda link: link.human_readable_id in cited)  # stable: else by strength
    shown = [*bringing, *others][:_IDS_IN_REFERENCE]

    neighbours = {
        other.title: other for link in shown if (other := members.neighbour(link, lead)) != lead
    }
    name = _sentence_case(members.name(lead))
    # Numbers are poor company for a heading.
    named = sorted(neighbours.values(), key=lambda other: other.title[:1].isdigit())
    names = [members.name(other) for other in named]
    summary = f"{name}, with {_listed(names[:_HEADING_NAMES])}" if names else name
    words = [*map(_ended, sentences)]
    if names and not sentences:
        words.append(f"{name} is found together with {_listed(names)}.")
    entities = _ids([lead, *neighbours.values()], 1 + len(neighbours))
    data = f"Entities ({entities})"
    if shown:
        data += f"; Relationships ({_ids(shown, len(links))})"
    words.append(f"{_extent(name, lead, len(links))} [Data: {data}].")
    explanation = " ".join(words)
    return (
        Finding(summary=summary, explanation=explanation),
        {link.human_readable_id for link in shown},
        set(sentences),
    )


def _extent(name: str, entity: ReportEntity, within: int) -> str:
    """How much there is of it; no full stop, since a reference follows."""
    mentions = f"{name} is mentioned in {_counted(entity.frequency, 'text unit')}"
    if not within:
        return mentions
    if within < entity.degree:
        verb = "is" if within == 1 else "are"
        ties = f"{within:,} of its {_counted(entity.degree, 'relationship')} {verb}"
    else:
        all_of = {1: "its only relationship is", 2: "both its relationships are"}
        ties = all_of.get(within, f"all its {within:,} relationships are")
    return f"{mentions}; {ties} within this community"


def _ids(records: Sequence[ReportEntity | ReportRelationship], of: int) -> str:
    shown = [str(record.human_readable_id) for record in records[:_IDS_IN_REFERENCE]]
    return ", ".join([*shown, "+more"] if of > len(shown) else shown)


def _size_sentence(context: ReportContext) -> str:
    entities = _counted(len(context.entities), "entity", "entities")
    relationships = _counted(len(context.relationships), "relationship")
    return f"This community has {entities} and {relationships}."


def _rate(context: ReportContext) -> tuple[float, str]:
    """Rank, 0 to 10: how much of a collection's matter is likely to run through the community.

    4 points for entities (all at 1,000), 3 for their relationships in the whole graph and 2 for
    their mentions (all at 10,000), each on a logarithmic scale; 1 for the share of the
    relationships' ends that lie within. Integers in and one decimal out, so no order of summing and
    no platform's logarithm shows.
    """
    size = len(context.entities)
    degree = sum(entity.degree for entity in context.entities)
    mentions = sum(entity.frequency for entity in context.entities)
    ends_within = 2 * len(context.relationships)
    share = min(1.0, ends_within / degree) if degree else 0.0

    def part(count: int, full: int) -> float:
        return min(1.0, log(1 + max(count, 0)) / log(1 + full))

    rank = round(
        4 * part(size, 1_000) + 3 * part(degree, 10_000) + 2 * part(mentions, 10_000) + share, 1
    )
    explanation = (
        f"Rated by extent: {_counted(size, 'entity', 'entities')} with"
        f" {_counted(mentions, 'mention')} in text units; {share:.0%} of the ends of their"
        " relationships lie within the community."
    )
    return rank, explanation


def _counted(count: int, noun: str, plural: str | None = None) -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sentence_case(text: str) -> str:
    """A name in small letters begins with a capital; others ("iPhone") are as they are."""
    first, _, rest = text.partition(" ")
    if not first.islower():
        return text
    return " ".join(filter(None, (first[:1].upper() + first[1:], rest)))


def _ended(sentence: str) -> str:
    """With a full stop, where a heading or a row of a table has none."""
    if _SENTENCE_END.search(sentence) or not sentence.isascii():
        return sentence
    # The longest sentences were cut somewhere.
    return sentence + ("…" if len(sentence) > 0.95 * MAX_QUOTATION else ".")
