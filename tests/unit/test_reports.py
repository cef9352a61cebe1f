"""graphmill.reports: quoted, counted, referenced, bounded and the same every time."""

import gzip
import json
import random
import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphmill.clustering import ClusterEntity, ClusterRelationship, cluster_graph
from graphmill.errors import InvalidRequest
from graphmill.ids import community_report_id, entity_id, relationship_id
from graphmill.models import Community
from graphmill.quotations import quote
from graphmill.reports import (
    MAX_CHARACTERS,
    MAX_WORDS,
    ReportContext,
    ReportEntity,
    ReportRelationship,
    write_report,
)

REFERENCE = re.compile(
    r" \[Data: Entities \((\d+(?:, \d+)*)(?:, \+more)?\)"
    r"(?:; Relationships \((\d+(?:, \d+)*)(?:, \+more)?\))?\]\.$"
)


def ids(listed: str | None) -> set[int]:
    return set(map(int, listed.split(", "))) if listed else set()


def community(number: int = 0, size: int = 1) -> Community:
    return Community(
        id=UUID(int=number),
        community=number,
        level=1,
        parent=7,
        children=(8, 9),
        title=f"Community {number}",
        entity_ids=(),
        relationship_ids=(),
        text_unit_ids=(),
        period="2026-01-02",
        size=size,
    )


def context(
    sentences: dict[str, str], bonds: dict[tuple[str, str], str], outside: int = 0
) -> ReportContext:
    """Entities and relationships by title; `outside` is how many more relationships each has."""
    degrees = Counter(end for bond in bonds for end in bond)
    return ReportContext(
        community(size=len(sentences)),
        tuple(
            ReportEntity(title, "", text, degrees[title] + outside, 100 + place, 2)
            for place, (title, text) in enumerate(sentences.items())
        ),
        tuple(
            ReportRelationship(source, target, text, 1.0, 500 + place)
            for place, ((source, target), text) in enumerate(bonds.items())
        ),
    )


FIRE = "Ada Stone reported the fire at Mill House."
SALE = "Ada Stone sold Mill House to Bly & Sons in 1921."
FIRM = "Bly & Sons traded in cloth."
MILL = context(
    {"ADA STONE": FIRE, "BLY & SONS": FIRM, "MILL HOUSE": FIRE},
    {("ADA STONE", "BLY & SONS"): SALE, ("ADA STONE", "MILL HOUSE"): FIRE},
)


def test_a_report_reads_like_this() -> None:
    report = write_report(MILL)
    assert report.full_content == (
        "# Ada Stone, Bly & Sons and Mill House\n\n"
        "Ada Stone reported the fire at Mill House. Bly & Sons traded in cloth."
        " This community has 3 entities and 2 relationships.\n\n"
        "## Ada Stone, with Bly & Sons and Mill House\n\n"
        "Ada Stone sold Mill House to Bly & Sons in 1921."
        " Ada Stone is mentioned in 2 text units; both its relationships are within this community"
        " [Data: Entities (100, 101, 102); Relationships (500, 501)]."
    )
    assert report.rank == 2.7
    assert report.rating_explanation == (
        "Rated by extent: 3 entities with 6 mentions in text units; 100% of the ends of their"
        " relationships lie within the community."
    )


def test_a_report_carries_its_community() -> None:
    report, of = write_report(MILL), MILL.community
    assert (report.community, report.level, report.parent, report.children) == (0, 1, 7, (8, 9))
    assert (report.period, report.size) == (of.period, of.size)


def test_the_json_and_the_markdown_have_the_shape_of_graphrag(shared: Path) -> None:
    table = cast(Any, parquet).read_table(shared / "graphrag-output" / "community_reports.parquet")
    theirs: dict[str, Any] = table.to_pylist()[0]
    ours = write_report(MILL)
    their_json, our_json = (
        json.loads(theirs["full_content_json"]),
        json.loads(ours.full_content_json),
    )
    assert list(our_json) == list(their_json)
    assert list(our_json["findings"][0]) == list(their_json["findings"][0])
    assert type(our_json["rating"]) is type(their_json["rating"])
    # Both are written the same way: indent, separators, letters that are not ASCII.
    for text, value in (
        (theirs["full_content_json"], their_json),
        (ours.full_content_json, our_json),
    ):
        assert json.dumps(value, ensure_ascii=False, indent=4) == text

    def markdown(title: str, summary: str, findings: list[dict[str, str]]) -> str:
        sections = [f"## {f['summary']}\n\n{f['explanation']}" for f in findings]
        return "\n\n".join([f"# {title}", summary, *sections])

    for report, value in ((theirs["full_content"], their_json), (ours.full_content, our_json)):
        assert markdown(value["title"], value["summary"], value["findings"]) == report
    assert our_json["title"] == ours.title
    assert our_json["rating"] == ours.rank
    assert our_json["rating_explanation"] == ours.rating_explanation


def test_a_report_is_its_content() -> None:
    report = write_report(MILL)
    assert report.id == community_report_id(report.full_content_json)
    elsewhere = replace(MILL, community=community(number=5, size=3))
    assert write_report(elsewhere).id == report.id


def test_entities_that_share_a_sentence_quote_it_once() -> None:
    titles = [f"PERSON {letter}" for letter in "ABCDEF"]
    everyone = "Person A, Person B, Person C, Person D, Person E and Person F met."
    bonds = {(a, b): everyone for a in titles for b in titles if a < b}
    report = write_report(context(dict.fromkeys(titles, everyone), bonds))
    assert report.full_content.count(everyone) == 1
    assert len(report.findings) >= 1


def test_without_any_sentence_the_relationships_are_told_and_referenced() -> None:
    report = write_report(context({"ANNA": "", "BERTA": ""}, {("ANNA", "BERTA"): ""}))
    assert report.summary == "This community has 2 entities and 1 relationship."
    (finding,) = report.findings
    assert finding.explanation == (
        "ANNA is found together with Berta. ANNA is mentioned in 2 text units; its only"
        " relationship is within this community [Data: Entities (100, 101); Relationships (500)]."
    )


def test_an_entity_alone_has_a_report() -> None:
    report = write_report(context({"ADA STONE": FIRE}, {}, outside=3))
    assert report.title == "Ada Stone"
    assert report.full_content.count(FIRE) == 1
    assert report.findings[0].explanation.endswith("[Data: Entities (100)].")


def test_a_sentence_that_stands_alone_goes_before_one_that_looks_back() -> None:
    sentences = {"A HILL": "It is near A Hill.", "B HILL": "B Hill is a hill."}
    summary = write_report(context(sentences, {("A HILL", "B HILL"): ""})).summary
    assert summary.startswith("B Hill is a hill. It is near A Hill.")


def test_hostile_text_neither_forges_a_reference_nor_a_heading() -> None:
    evil = "# Owned\n\n## Finding [Data: Entities (9999)] <img src=x> ![p](http://evil.example/p)"
    report = write_report(
        context(
            {"EVE": evil, "<SCRIPT>": evil}, {("<SCRIPT>", "EVE"): "| a | [Data: Reports (1)] |"}
        )
    )
    assert "[Data: Entities (9999)" not in report.full_content
    assert "[Data: Reports" not in report.full_content
    headings = [line for line in report.full_content.splitlines() if line.startswith("#")]
    assert len(headings) == 1 + len(report.findings)
    assert not re.search(r"(?<!\\)<[a-zA-Z]|\]\(", report.full_content)


def test_a_larger_community_ranks_higher() -> None:
    def rank(size: int) -> float:
        titles = [f"T{place:04}" for place in range(size)]
        bonds = {(titles[0], other): "" for other in titles[1:]}
        return write_report(context(dict.fromkeys(titles, ""), bonds)).rank

    ranks = [rank(size) for size in (2, 10, 100, 1_000, 5_000)]
    assert ranks == sorted(set(ranks))
    assert ranks[0] > 0
    assert ranks[-1] <= 10


def test_what_is_not_a_community_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no entities"):
        write_report(replace(MILL, entities=()))
    with pytest.raises(InvalidRequest, match="outside"):
        write_report(replace(MILL, entities=MILL.entities[:1]))


words = st.sampled_from(
    ["a", "b", "Ada", "NASA", "mill", "東京", "|", "#", "[Data:", "<b>", "é.", "\n"]
)
fragments = st.one_of(
    st.text(max_size=60),
    st.lists(words, max_size=250).map(" ".join),
    st.sampled_from(["a " * 250, "é" * 500, "字" * 500, ""]),
)
entity_titles = st.one_of(
    st.lists(words, min_size=1, max_size=100).map(lambda w: " ".join(w).upper()[:200]),
    st.text(min_size=1, max_size=12).map(str.upper),
)


@st.composite
def contexts(draw: st.DrawFn) -> ReportContext:
    titles = draw(st.lists(entity_titles, min_size=1, max_size=14, unique=True))
    shared_fragments = draw(st.lists(fragments, min_size=1, max_size=12))
    fragment = st.sampled_from(shared_fragments)
    pairs = draw(st.lists(st.tuples(*2 * [st.sampled_from(titles)]), max_size=40, unique=True))
    counts = st.integers(0, 10**6)
    return ReportContext(
        community(size=len(titles)),
        tuple(
            ReportEntity(title, "", draw(fragment), draw(counts), place, draw(counts))
            for place, title in enumerate(titles)
        ),
        tuple(
            ReportRelationship(a, b, draw(fragment), draw(st.floats()), place)
            for place, (a, b) in enumerate(pairs)
        ),
    )


@settings(deadline=None, max_examples=150)
@given(of=contexts(), data=st.data())
def test_any_community_gets_one_bounded_report_with_true_references(
    of: ReportContext, data: st.DataObject
) -> None:
    report = write_report(of)
    assert len(report.full_content.split()) <= MAX_WORDS
    assert len(report.full_content) <= MAX_CHARACTERS
    assert 1 <= len(report.findings) <= 8
    assert 0 <= report.rank <= 10
    assert report.title
    assert report.summary
    report.full_content_json.encode()
    for finding in report.findings:
        found = REFERENCE.search(finding.explanation)
        assert found
        assert ids(found[1]) <= {entity.human_readable_id for entity in of.entities}
        assert ids(found[2]) <= {bond.human_readable_id for bond in of.relationships}
    again = replace(
        of,
        entities=tuple(data.draw(st.permutations(of.entities))),
        relationships=tuple(data.draw(st.permutations(of.relationships))),
    )
    assert write_report(again) == report


def large(n_entities: int) -> ReportContext:
    random_ = random.Random(3)
    titles = [f"ENTITY {place}" for place in range(n_entities)]
    bonds: dict[tuple[str, str], str] = {}
    for number in range(n_entities * 5):
        # Some entities have thousands of relationships, most a few.
        a, b = int(n_entities * random_.random() ** 3), random_.randrange(n_entities)
        bonds[titles[a], titles[b]] = f"In year {number % 900} Entity {a} met Entity {b}."
    return context({title: f"The {title.title()} was found." for title in titles}, bonds)


def test_a_community_of_ten_thousand_entities_takes_near_linear_time() -> None:
    def seconds(of: ReportContext) -> float:
        start = time.process_time()
        write_report(of)
        return time.process_time() - start

    small, big = large(1_000), large(10_000)
    # Ten times the records; a quadratic step would take a hundred times the time.
    assert min(seconds(big) for _ in range(3)) < 60 * min(seconds(small) for _ in range(3))


def test_reports_of_a_real_corpus_quote_it_word_for_word_and_once(shared: Path) -> None:
    """The first 400 passages of musique100, as triples that a model found in them."""
    folder = shared / "corpora" / "musique100"
    passages: dict[str, str] = {}
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            passage = json.loads(line)
            passages[passage["id"]] = passage["text"]
    described: dict[str, str] = {}
    bonds: dict[tuple[str, str], str] = {}
    with gzip.open(folder / "openie.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line, _ in zip(lines, range(400), strict=False):
            found = json.loads(line)
            sentences = re.split(r"(?<=[.!?])\s+", passages[found["id"]])
            for triple in found["triples"]:
                ends = sorted({str(triple[0]).upper(), str(triple[-1]).upper()} - {""})
                if len(ends) != 2:
                    continue

                def first(*names: str, within: list[str] = sentences) -> str:
                    hits = (s[:500] for s in within if all(n in s.upper() for n in names))
                    return next(hits, "")

                for end in ends:
                    described.setdefault(end, first(end))
                bonds.setdefault((ends[0], ends[1]), first(*ends))
    whole = context(described, bonds)
    entity = {entity_id(e.title): e for e in whole.entities}
    bond = {relationship_id(r.source, r.target): r for r in whole.relationships}
    communities = cluster_graph(
        [ClusterEntity(id, e.title) for id, e in entity.items()],
        [ClusterRelationship(id, r.source, r.target, 1.0, ()) for id, r in bond.items()],
        {},
    ).communities
    assert len(communities) > 300
    for one in communities:
        of = ReportContext(
            one,
            tuple(entity[id] for id in one.entity_ids),
            tuple(bond[id] for id in one.relationship_ids),
        )
        report = write_report(of)
        rest = report.full_content
        sources = {quote(record.description) for record in (*of.entities, *of.relationships)} - {""}
        for sentence in sorted(sources, key=len, reverse=True):
            names = any(sentence.upper().rstrip(".") in entity.title for entity in of.entities)
            assert rest.count(sentence) <= 1 or names
            rest = rest.replace(sentence, "")
        # What is left is generated: titles, counts and references.
        assert len(rest.split()) < 150 * (1 + len(report.findings))
        assert not sources or rest != report.full_content
