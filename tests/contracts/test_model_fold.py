"""The fold of method standard in SQL against the same fold in plain Python."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmill.errors import NotFound
from graphmill.ids import content_id, covariate_id, document_id, entity_id, relationship_id
from graphmill.messages import MergedGraph
from graphmill.models import TextUnit
from graphmill.settings import PruneSettings
from graphmill.standard.claims import Claim, ExtractedClaims
from graphmill.standard.extract_graph import ModelExtraction, Statement
from graphmill.stores.postgres.database import open_pool
from graphmill.stores.postgres.deletion import PostgresDeletion
from graphmill.stores.postgres.graph import PostgresGraphStore
from tests.contracts.collections import KEY, states, upload
from tests.contracts.model_collections import Claimed, Found, extraction, index_found, read
from tests.support.examples import on_a_server

TITLES = ("ADA", "BO", "CID", "É", "ZÜRICH", "日本")
# Joined, two of the long ones have 2,000 characters, or 2,001 and more.
SENTENCES = ("", "Ärger.", "Bonn.", "中.", "é" * 999, "b" * 1000, "c" * 1001, "d" * 2001)

titles = st.sampled_from(TITLES)
statements = st.builds(
    Statement,
    st.sampled_from(["", "knows"]),
    st.sampled_from(SENTENCES),
    st.integers(8, 80).map(lambda eighths: eighths / 8),
)
extractions = st.builds(
    extraction,
    st.dictionaries(
        titles,
        st.tuples(
            st.sampled_from(["", "geo", "person", "évent"]),
            st.lists(st.sampled_from(SENTENCES[1:5]), max_size=3),
        ),
        max_size=4,
    ),
    st.dictionaries(
        st.tuples(titles, titles).filter(lambda pair: pair[0] < pair[1]),
        st.lists(
            statements, min_size=1, max_size=3, unique_by=lambda one: (one.type, one.description)
        ),
        max_size=3,
    ),
)
units = st.one_of(extractions, extractions, extractions, st.just("the model is out of its mind"))
collections = st.dictionaries(
    st.sampled_from(["a.txt", "b/c.txt", "B.txt", "é.txt"]),
    st.lists(units, min_size=1, max_size=3),
    max_size=4,
)
claims = st.builds(
    Claim,
    titles,
    st.sampled_from(["", *TITLES]),
    st.sampled_from(["FRAUD", "Éclat"]),
    st.sampled_from(SENTENCES[1:5]),
    st.sampled_from(["TRUE", "FALSE", "SUSPECTED"]),
    st.sampled_from(["", "1843"]),
    st.sampled_from(["", "1843-05"]),
    st.sampled_from(["", "Ada wrote."]),
)
claimed = st.dictionaries(
    st.sampled_from(["a.txt", "B.txt", "é.txt"]),
    st.lists(
        st.one_of(
            st.sets(claims, max_size=4).map(
                lambda found: ExtractedClaims(tuple(sorted(found)), without_subject=1)
            ),
            st.just("the model claims nothing that can be read"),
        ),
        max_size=3,
    ),
)
# What an entity is called is perhaps what another is, or what none is.
resolutions = st.dictionaries(titles, st.sampled_from([*TITLES, "ADA LOVELACE"]), max_size=3).map(
    lambda found: {title: canonical for title, canonical in found.items() if title != canonical}
)

Row = tuple[Any, ...]


@dataclass
class Reference:
    """The fold of method standard, written as plainly as can be."""

    documents: Mapping[str, Found]
    resolutions: Mapping[str, str]
    claims: Mapping[str, Claimed]

    def __post_init__(self) -> None:
        self._units = [
            (unit, found)
            for name in sorted(self.documents)
            for unit, found in zip(
                read(name, len(self.documents[name])).text_units, self.documents[name], strict=True
            )
        ]
        self._mentions: dict[str, list[UUID]] = {}
        self._types: dict[str, Counter[str]] = {}
        self._descriptions: dict[str | tuple[str, str], set[str]] = {}
        self._together: dict[tuple[str, str], list[UUID]] = {}
        self._strengths: Counter[tuple[str, str]] = Counter()
        for unit, found in self._units:
            if isinstance(found, ModelExtraction):
                self._add_entities(unit.id, found)
                self._add_relationships(unit.id, found)
        self._add_covariates()
        self._number()

    def _add_covariates(self) -> None:
        said = [
            (number, unit.id, replaced)
            for number, (unit, claimed) in enumerate(self._claimed())
            for replaced in sorted(
                {
                    replace(one, subject=self._title(one.subject), object=self._title(one.object))
                    for one in claimed
                }
            )
        ]
        self.covariates: list[Row] = []
        self._covariates_of: dict[UUID, list[UUID]] = {}
        for number, (_, unit, one) in enumerate(said):
            id = covariate_id(
                unit,
                *(one.subject, one.object, one.type, one.status, one.start_date, one.end_date),
                *(one.source_text, one.description),
            )
            self._covariates_of.setdefault(unit, []).append(id)
            self.covariates.append(
                (
                    *(id, number, one.type, one.description, one.subject, one.object, one.status),
                    *(one.start_date, one.end_date, one.source_text, unit),
                )
            )

    def _claimed(self) -> list[tuple[TextUnit, tuple[Claim, ...]]]:
        of_unit: dict[UUID, tuple[Claim, ...]] = {}
        for name, claimed in self.claims.items():
            units = read(name, len(self.documents.get(name, ()))).text_units
            for unit, found in zip(units, claimed, strict=False):
                if isinstance(found, ExtractedClaims):
                    of_unit[unit.id] = found.claims
        return [(unit, of_unit.get(unit.id, ())) for unit, _ in self._units]

    def _title(self, title: str) -> str:
        return self.resolutions.get(title, title)

    def _add_entities(self, unit: UUID, found: ModelExtraction) -> None:
        for title in sorted({self._title(one.title) for one in found.entities}):
            same = [one for one in found.entities if self._title(one.title) == title]
            self._mentions.setdefault(title, []).append(unit)
            types = {one.type for one in same} - {""}
            self._types.setdefault(title, Counter()).update(types)
            self._descriptions.setdefault(title, set()).update(
                text for one in same for text in one.descriptions
            )

    def _add_relationships(self, unit: UUID, found: ModelExtraction) -> None:
        strengths: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
        for one in found.relationships:
            pair = min_max(self._title(one.source), self._title(one.target))
            for said in one.statements if pair[0] != pair[1] else ():
                of = strengths.setdefault(pair, {})
                key = said.type, said.description
                of[key] = max(of.get(key, 0), said.strength)
        for pair, of in strengths.items():
            self._together.setdefault(pair, []).append(unit)
            self._strengths[pair] += int(8 * sum(of.values()))
            self._descriptions.setdefault(pair, set()).update(
                description for _, description in of if description
            )

    def _number(self) -> None:
        pairs = sorted(self._together)
        degree = Counter(title for pair in pairs for title in pair)
        self.entities: list[Row] = []
        for number, title in enumerate(sorted(self._mentions)):
            said = sorted(self._descriptions[title])
            description = said[0] if len(said) == 1 else ""
            types = self._types[title]
            self.entities.append(
                (
                    entity_id(title),
                    number,
                    title,
                    min(types, key=lambda type: (-types[type], type), default=""),
                    description,
                    said if len(said) > 1 else [],
                    self._mentions[title],
                    len(self._mentions[title]),
                    degree[title],
                    content_id("entity_description", f"{title}: {description}"),
                )
            )
        self.relationships: list[Row] = []
        for number, pair in enumerate(pairs):
            said = sorted(self._descriptions[pair])
            waits = len(said) > 1 and len("\n".join(said)) > 2000
            self.relationships.append(
                (
                    relationship_id(*pair),
                    number,
                    *pair,
                    "" if waits else "\n".join(said),
                    said if waits else [],
                    self._strengths[pair] / 8,
                    degree[pair[0]] + degree[pair[1]],
                    self._together[pair],
                )
            )
        self.text_units: list[Row] = [
            (
                unit.id,
                unit.document_id,
                number,
                [entity_id(t) for t in sorted(self._mentions) if unit.id in self._mentions[t]],
                [relationship_id(*pair) for pair in pairs if unit.id in self._together[pair]],
                self._covariates_of.get(unit.id, []),
            )
            for number, (unit, _) in enumerate(self._units)
        ]


def min_max(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


async def rows(pool: asyncpg.Pool, table: str, columns: str, graph_id: int) -> list[Row]:
    fetched = await pool.fetch(
        f"SELECT {columns} FROM {table} WHERE graph_id = $1 ORDER BY human_readable_id", graph_id
    )
    return [tuple(row) for row in fetched]


async def check_rows(
    pool: asyncpg.Pool,
    merged: MergedGraph,
    documents: Mapping[str, Found],
    same: Mapping[str, str],
    claims: Mapping[str, Claimed],
) -> None:
    # A document of which nothing could be read is failed, and in no graph.
    documents = {
        name: found
        for name, found in documents.items()
        if not found or any(isinstance(one, ModelExtraction) for one in found)
    }
    reference = Reference(documents, same, claims)
    assert merged.graph_id is not None
    entities = await rows(
        pool,
        "entities",
        "id, human_readable_id, title, type, description, descriptions, text_unit_ids, frequency,"
        " degree, embedding_id",
        merged.graph_id,
    )
    assert entities == reference.entities
    relationships = await rows(
        pool,
        "relationships",
        "id, human_readable_id, source, target, description, descriptions, weight,"
        " combined_degree, text_unit_ids",
        merged.graph_id,
    )
    assert relationships == reference.relationships
    text_units = await rows(
        pool,
        "graph_text_units",
        "text_unit_id, document_id, human_readable_id, entity_ids, relationship_ids, covariate_ids",
        merged.graph_id,
    )
    assert text_units == reference.text_units
    covariates = await rows(
        pool,
        "covariates",
        "id, human_readable_id, type, description, subject_id, object_id, status, start_date,"
        " end_date, source_text, text_unit_id",
        merged.graph_id,
    )
    assert covariates == reference.covariates
    assert await rows(
        pool, "graph_documents", "document_id, human_readable_id", merged.graph_id
    ) == [(document_id(name), number) for number, name in enumerate(sorted(documents))]
    waiting = sum(bool(row[5]) for row in (*entities, *relationships))
    assert merged == MergedGraph(
        merged.graph_id, len(text_units), len(entities), len(relationships), waiting
    )


STORE_PRUNE = PruneSettings()


async def fold(
    pool: asyncpg.Pool, same: Mapping[str, str] | None = None, *, claims: bool = False
) -> MergedGraph:
    """Open, resolve, fold."""
    store = PostgresGraphStore(pool, STORE_PRUNE)
    graph_id = await store.open_graph(KEY, "1", afresh=False, claims=claims)
    assert graph_id is not None
    await pool.executemany(
        "INSERT INTO entity_resolutions VALUES ($1, $2, $3, 'person', '', $4)",
        [(graph_id, *pair, KEY.tenant) for pair in (same or {}).items()],
    )
    return await store.fold_model_extractions(KEY, graph_id, claims=claims)


async def delete(pool: asyncpg.Pool, name: str) -> None:
    await PostgresDeletion(pool).delete(KEY, [document_id(name)])


@given(contents=collections, claims=claimed, same=resolutions, data=st.data())
@on_a_server(test=10, soak=100)
async def test_the_graph_is_the_fold_over_what_the_model_found(
    database_url: str,
    contents: dict[str, Found],
    claims: dict[str, Claimed],
    same: dict[str, str],
    data: st.DataObject,
) -> None:
    pool = await open_pool(database_url, 2)
    try:
        await pool.execute("DELETE FROM collections")
        await upload(pool, {})
        await index_found(pool, contents, claims=claims)
        merged = await fold(pool, same, claims=True)
        await check_rows(pool, merged, contents, same, claims)
        assert merged.graph_id is not None
        # Again, but without the claims that are there.
        again = await PostgresGraphStore(pool, STORE_PRUNE).fold_model_extractions(
            KEY, merged.graph_id
        )
        await check_rows(pool, again, contents, same, {})
        if contents:
            gone = data.draw(st.sampled_from(sorted(contents)))
            await delete(pool, gone)
            left = {name: found for name, found in contents.items() if name != gone}
            await check_rows(pool, await fold(pool, same, claims=True), left, same, claims)
    finally:
        await pool.close()


ADA = extraction({"ADA": ("person", ["Counts."])})
BO = extraction({"BO": ("", ["Sleeps."])})
NOTHING = "the model is out of its mind"


async def published(pool: asyncpg.Pool, same: Mapping[str, str] | None = None) -> int:
    merged = await fold(pool, same)
    assert merged.graph_id is not None
    await PostgresGraphStore(pool, STORE_PRUNE).publish_graph(KEY, merged.graph_id, "")
    return merged.graph_id


async def test_a_partial_document_is_in_the_graph_with_what_it_has(pool: asyncpg.Pool) -> None:
    await index_found(pool, {"a.txt": [ADA, NOTHING], "b.txt": [NOTHING]})
    found = {name: state.split()[0] for name, state in (await states(pool)).items()}
    assert found == {"a.txt": "partial", "b.txt": "failed"}
    merged = await fold(pool)
    assert (merged.text_units, merged.entities) == (2, 1)
    fast = await PostgresGraphStore(pool, STORE_PRUNE).merge_graph(KEY, "1", afresh=False)
    assert fast.text_units == 0


async def test_no_graph_is_opened_while_nothing_has_changed(pool: asyncpg.Pool) -> None:
    await index_found(pool, {"a.txt": [ADA, BO]})
    await published(pool)
    store = PostgresGraphStore(pool, STORE_PRUNE)
    assert await store.open_graph(KEY, "1", afresh=False) is None
    assert await store.open_graph(KEY, "1", afresh=True) is not None
    assert await store.open_graph(KEY, "2", afresh=False) is not None


async def test_a_graph_is_opened_when_more_of_a_partial_document_has_been_read(
    pool: asyncpg.Pool,
) -> None:
    await index_found(pool, {"a.txt": [ADA, NOTHING, NOTHING]})
    await published(pool)
    store = PostgresGraphStore(pool, STORE_PRUNE)
    assert await store.open_graph(KEY, "1", afresh=False) is None
    version = await pool.fetchval("SELECT version FROM documents")
    for better in ([ADA, BO, NOTHING], [ADA, BO, BO]):
        await index_found(pool, {"a.txt": better})
        # A retry: the same bytes, read by the same recipe.
        await pool.execute("UPDATE documents SET version = $1", version)
        await published(pool)


async def test_a_document_that_changes_while_entities_are_resolved_makes_the_next_graph_anew(
    pool: asyncpg.Pool,
) -> None:
    """Even where it is then as it was: what was decided was not decided of what is folded."""
    store = PostgresGraphStore(pool, STORE_PRUNE)
    await index_found(pool, {"a.txt": [ADA], "b.txt": [BO]})
    graph_id = await store.open_graph(KEY, "1", afresh=False)
    assert graph_id is not None
    await delete(pool, "b.txt")
    merged = await store.fold_model_extractions(KEY, graph_id)
    assert merged.entities == 1
    assert await store.fold_model_extractions(KEY, graph_id) == merged
    await store.publish_graph(KEY, graph_id, "")
    assert await store.open_graph(KEY, "1", afresh=False) is not None
    await index_found(pool, {"b.txt": [BO]})
    assert await store.open_graph(KEY, "1", afresh=False) is not None


async def test_a_published_graph_is_never_folded_again(pool: asyncpg.Pool) -> None:
    await index_found(pool, {"a.txt": [ADA]})
    graph_id = await published(pool)
    store = PostgresGraphStore(pool, STORE_PRUNE)
    for gone in (graph_id, graph_id + 1):
        with pytest.raises(NotFound, match="under construction"):
            await store.fold_model_extractions(KEY, gone)


async def test_two_titles_of_one_thing_in_a_text_unit_are_one_mention(pool: asyncpg.Pool) -> None:
    """What both titles say counts once, and what relates them to each other goes."""
    knows = [Statement("knows", "They met.", 2.0)]
    found = extraction(
        {"ADA": ("person", ["Counts."]), "LADY A": ("person", ["Counts.", "Writes."])},
        {
            ("ADA", "BO"): knows,
            ("BO", "LADY A"): [Statement("knows", "They met.", 3.5)],
            ("ADA", "LADY A"): knows,
        },
    )
    await index_found(pool, {"a.txt": [found, found]})
    merged = await fold(pool, {"LADY A": "ADA"})
    assert (merged.entities, merged.relationships, merged.to_summarize) == (2, 1, 1)
    row = await pool.fetchrow("SELECT * FROM entities WHERE title = 'ADA'")
    assert row is not None
    assert (row["frequency"], row["descriptions"]) == (2, ["Counts.", "Writes."])
    row = await pool.fetchrow("SELECT * FROM relationships")
    assert row is not None
    assert (row["source"], row["target"], row["weight"]) == ("ADA", "BO", 7.0)
    assert row["description"] == "They met."


async def test_a_type_counts_by_the_text_units_that_saw_it(pool: asyncpg.Pool) -> None:
    """Not by titles, of which one text unit may have two for the same thing."""
    twice = extraction({"ADA": ("person", []), "LADY A": ("person", [])})
    ship = extraction({"ADA": ("ship", [])})
    await index_found(pool, {"a.txt": [twice, ship, ship]})
    await fold(pool, {"LADY A": "ADA"})
    assert await pool.fetchval("SELECT array_agg(type) FROM entities") == ["ship"]


async def test_claims_are_about_what_a_thing_is_called_in_the_graph(pool: asyncpg.Pool) -> None:
    """Made twice in a text unit they count once, and one about no entity stays."""

    def claim(subject: str, object: str = "") -> Claim:
        return Claim(subject, object, "ACT", "It is said.", "TRUE", "", "", "")

    about = (claim("ADA", "LADY A"), claim("LADY A", "ADA"), claim("NOBODY KNOWN"))
    await index_found(pool, {"a.txt": [ADA]}, claims={"a.txt": [ExtractedClaims(about)]})
    await fold(pool, {"LADY A": "ADA"}, claims=True)
    told = await pool.fetch("SELECT subject_id, object_id FROM covariates ORDER BY 1")
    assert [tuple(row) for row in told] == [("ADA", "ADA"), ("NOBODY KNOWN", "")]


async def test_a_graph_with_claims_is_another_than_one_without(pool: asyncpg.Pool) -> None:
    await index_found(pool, {"a.txt": [ADA]})
    await published(pool)
    store = PostgresGraphStore(pool, STORE_PRUNE)
    assert await store.open_graph(KEY, "1", afresh=False) is None
    assert await store.open_graph(KEY, "1", afresh=False, claims=True) is not None
