"""Graphs in Neo4j (graphmill.projections.ports.Projection).

    (:Document)<-[:PART_OF]-(:TextUnit)<-[:MENTIONED_IN]-(:Entity)-[:RELATED]->(:Entity)
    (:Entity)-[:IN_COMMUNITY]->(:Community)-[:CHILD_OF]->(:Community)
    (:Covariate)-[:ABOUT]->(:Entity), (:Covariate)-[:CLAIMED_IN]->(:TextUnit)
    (:Collection) says which graph is here, whole.

Every node, and every RELATED, has tenant, collection and id, which are unique together. An entity
has its type as a second label only where the collection asks for that type: labels are never a
model's words.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from neo4j import AsyncDriver

from graphmill.models import CollectionKey
from graphmill.projections.records import GRAPH, Kind, Record
from graphmill.stores.neo4j.driver import run
from graphmill.stores.neo4j.reads import Neo4jReads

_PAGE = 10_000


class Neo4jGraph:
    """The driver belongs to the caller."""

    name = "Neo4j"
    kinds = GRAPH

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver = driver

    def reads(self, key: CollectionKey, version: str) -> Neo4jReads:
        """Of this graph of the collection, as long as it is the one that is here."""
        return Neo4jReads(self._driver, key, version)

    async def server_version(self) -> str:
        rows = await self._run("CALL dbms.components() YIELD versions RETURN versions[0] AS v")
        return rows[0]["v"]

    async def prepare(self) -> None:
        for statement in _CONSTRAINTS:
            await self._run(statement)
        await self._run("CALL db.awaitIndexes(300)")

    async def digests(self, key: CollectionKey, kind: Kind) -> AsyncIterator[tuple[UUID, str]]:
        """A record that has lost a link, as when somebody deletes what it points to, is there by
        half."""
        after = ""
        while True:
            rows = await self._run(
                f"MATCH {_RECORDS[kind]} WHERE n.id > $after"
                " RETURN n.id AS id, CASE coalesce(n.links, 0)"
                f" WHEN {_LINKS[kind]} THEN coalesce(n.digest, '') ELSE '' END AS digest"
                # In the order of the index, which has all three.
                " ORDER BY n.tenant, n.collection, n.id LIMIT $limit",
                key,
                read=True,
                after=after,
                limit=_PAGE,
            )
            for row in rows:
                if id := _own_id(row["id"]):
                    yield id, row["digest"]
            if len(rows) < _PAGE:
                return
            after = rows[-1]["id"]

    async def upsert(self, key: CollectionKey, kind: Kind, records: Sequence[Record]) -> None:
        # In one order everywhere, so that two writers never wait for each other.
        rows = [self._row(key, kind, one) for one in sorted(records, key=lambda one: one.id.int)]
        await self._run(_UPSERTS[kind], key, rows=rows)

    async def remove(self, key: CollectionKey, kind: Kind, ids: Sequence[UUID]) -> None:
        await self._run(
            f"UNWIND $ids AS id MATCH {_RECORDS[kind]} {_REMOVE}", key, ids=sorted(map(str, ids))
        )

    async def set_version(self, key: CollectionKey, version: str) -> None:
        await self._run(
            "MERGE (c:Collection {tenant: $tenant, name: $collection}) SET c.graph = $version",
            key,
            version=version,
        )

    async def version(self, key: CollectionKey) -> str:
        rows = await self._run(
            "MATCH (c:Collection {tenant: $tenant, name: $collection}) RETURN c.graph AS graph",
            key,
            read=True,
        )
        return rows[0]["graph"] if rows else ""

    async def clear(self, key: CollectionKey) -> None:
        await self.set_version(key, "")
        for kind in reversed(GRAPH):
            statement = f"MATCH {_RECORDS[kind]} WITH n LIMIT $limit DETACH DELETE n"
            while await self._count(f"{statement} RETURN count(*) AS n", key, limit=_PAGE):
                pass
        await self._run("MATCH (c:Collection {tenant: $tenant, name: $collection}) DELETE c", key)

    async def _count(self, statement: LiteralString, key: CollectionKey, **given: Any) -> int:
        return (await self._run(statement, key, **given))[0]["n"]

    def _row(self, key: CollectionKey, kind: Kind, record: Record) -> dict[str, Any]:
        properties = {
            **record.properties,
            "tenant": key.tenant,
            "collection": key.name,
            "id": str(record.id),
            "digest": record.digest,
        }
        links = {name: list(map(str, to)) for name, to in record.links.items()}
        if kind is not Kind.RELATIONSHIP:
            properties["links"] = sum(map(len, links.values()))
        row = {"id": str(record.id), "properties": properties, **links}
        if kind is Kind.ENTITY:
            label = label_of(properties.pop("label") or "")
            row["labels"] = [label] if label else []
        return row

    async def _run(
        self,
        statement: LiteralString,
        key: CollectionKey | None = None,
        *,
        read: bool = False,
        **parameters: Any,
    ) -> list[dict[str, Any]]:
        of = {} if key is None else {"tenant": key.tenant, "collection": key.name}
        return await run(self._driver, statement, {**of, **parameters}, read=read)


def _own_id(id: object) -> UUID | None:
    """None: of a node that people made themselves, which is left alone."""
    try:
        return UUID(str(id))
    except ValueError:
        return None


def label_of(type: str) -> str:
    """An entity type as a label: "civil servant" becomes CivilServant; "" where nothing is left.
    One that we use for something else gets Type behind it: a document that a text tells of is not
    one that was indexed."""
    label = "".join(word[:1].upper() + word[1:].lower() for word in re.findall(r"\w+", type))
    return f"{label}Type" if label in _OWN_LABELS else label


_OWN_LABELS = frozenset(("Collection", "Document", "TextUnit", "Entity", "Community", "Covariate"))


_CONSTRAINTS: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT graphmill_collection IF NOT EXISTS"
    " FOR (n:Collection) REQUIRE (n.tenant, n.name) IS UNIQUE",
    "CREATE CONSTRAINT graphmill_document IF NOT EXISTS"
    " FOR (n:Document) REQUIRE (n.tenant, n.collection, n.id) IS UNIQUE",
    "CREATE CONSTRAINT graphmill_text_unit IF NOT EXISTS"
    " FOR (n:TextUnit) REQUIRE (n.tenant, n.collection, n.id) IS UNIQUE",
    "CREATE CONSTRAINT graphmill_entity IF NOT EXISTS"
    " FOR (n:Entity) REQUIRE (n.tenant, n.collection, n.id) IS UNIQUE",
    "CREATE CONSTRAINT graphmill_community IF NOT EXISTS"
    " FOR (n:Community) REQUIRE (n.tenant, n.collection, n.id) IS UNIQUE",
    "CREATE CONSTRAINT graphmill_covariate IF NOT EXISTS"
    " FOR (n:Covariate) REQUIRE (n.tenant, n.collection, n.id) IS UNIQUE",
    "CREATE CONSTRAINT graphmill_related IF NOT EXISTS"
    " FOR ()-[r:RELATED]-() REQUIRE (r.tenant, r.collection, r.id) IS UNIQUE",
    "CREATE INDEX graphmill_entity_title IF NOT EXISTS"
    " FOR (n:Entity) ON (n.tenant, n.collection, n.title)",
)

# All records of a kind, as n.
_RECORDS: Mapping[Kind, LiteralString] = {
    Kind.DOCUMENT: "(n:Document {tenant: $tenant, collection: $collection})",
    Kind.TEXT_UNIT: "(n:TextUnit {tenant: $tenant, collection: $collection})",
    Kind.ENTITY: "(n:Entity {tenant: $tenant, collection: $collection})",
    Kind.RELATIONSHIP: "()-[n:RELATED {tenant: $tenant, collection: $collection}]->()",
    Kind.COMMUNITY: "(n:Community {tenant: $tenant, collection: $collection})",
    Kind.COVARIATE: "(n:Covariate {tenant: $tenant, collection: $collection})",
}
# How many links of its own a record has here.
_LINKS: Mapping[Kind, LiteralString] = {
    Kind.DOCUMENT: "0",
    Kind.TEXT_UNIT: "COUNT { (n)-[:PART_OF]->() }",
    Kind.ENTITY: "COUNT { (n)-[:MENTIONED_IN]->() }",
    Kind.RELATIONSHIP: "0",
    Kind.COMMUNITY: "COUNT { (n)-[:CHILD_OF]->() } + COUNT { ()-[:IN_COMMUNITY]->(n) }",
    Kind.COVARIATE: "COUNT { (n)-[:CLAIMED_IN]->() } + COUNT { (n)-[:ABOUT]->() }",
}
_REMOVE: LiteralString = "WHERE n.id = id DETACH DELETE n"

_UPSERTS: Mapping[Kind, LiteralString] = {
    Kind.DOCUMENT: """
        UNWIND $rows AS row
        MERGE (n:Document {tenant: $tenant, collection: $collection, id: row.id})
        SET n = row.properties
        """,
    Kind.TEXT_UNIT: """
        UNWIND $rows AS row
        MERGE (n:TextUnit {tenant: $tenant, collection: $collection, id: row.id})
        SET n = row.properties
        WITH n, row
        MATCH (d:Document {tenant: $tenant, collection: $collection, id: row.document[0]})
        MERGE (n)-[:PART_OF]->(d)
        """,
    Kind.ENTITY: """
        UNWIND $rows AS row
        MERGE (n:Entity {tenant: $tenant, collection: $collection, id: row.id})
        SET n = row.properties
        WITH n, row, [label IN labels(n) WHERE label <> 'Entity' AND NOT label IN row.labels]
            AS others
        REMOVE n:$(others)
        SET n:$(row.labels)
        WITH n, row
        CALL (n, row) {
            MATCH (n)-[m:MENTIONED_IN]->(u) WHERE NOT u.id IN row.text_units DELETE m
        }
        CALL (n, row) {
            UNWIND row.text_units AS unit
            MATCH (u:TextUnit {tenant: $tenant, collection: $collection, id: unit})
            MERGE (n)-[:MENTIONED_IN]->(u)
        }
        """,
    Kind.RELATIONSHIP: """
        UNWIND $rows AS row
        MATCH (a:Entity {tenant: $tenant, collection: $collection, id: row.source[0]})
        MATCH (b:Entity {tenant: $tenant, collection: $collection, id: row.target[0]})
        MERGE (a)-[r:RELATED {tenant: $tenant, collection: $collection, id: row.id}]->(b)
        SET r = row.properties
        """,
    # A parent that is not here yet is made, and is filled with its own record.
    Kind.COMMUNITY: """
        UNWIND $rows AS row
        MERGE (n:Community {tenant: $tenant, collection: $collection, id: row.id})
        SET n = row.properties
        WITH n, row
        CALL (n, row) {
            MATCH (n)-[p:CHILD_OF]->(c) WHERE NOT c.id IN row.parent DELETE p
        }
        CALL (n, row) {
            UNWIND row.parent AS parent
            MERGE (c:Community {tenant: $tenant, collection: $collection, id: parent})
            MERGE (n)-[:CHILD_OF]->(c)
        }
        CALL (n, row) {
            UNWIND row.entities AS entity
            MATCH (e:Entity {tenant: $tenant, collection: $collection, id: entity})
            MERGE (e)-[:IN_COMMUNITY]->(n)
        }
        """,
    Kind.COVARIATE: """
        UNWIND $rows AS row
        MERGE (n:Covariate {tenant: $tenant, collection: $collection, id: row.id})
        SET n = row.properties
        WITH n, row
        MATCH (u:TextUnit {tenant: $tenant, collection: $collection, id: row.text_unit[0]})
        MERGE (n)-[:CLAIMED_IN]->(u)
        WITH n, row
        CALL (n, row) {
            MATCH (n)-[a:ABOUT]->(e) WHERE NOT e.id IN row.about DELETE a
        }
        CALL (n, row) {
            UNWIND row.about AS entity
            MATCH (e:Entity {tenant: $tenant, collection: $collection, id: entity})
            MERGE (n)-[:ABOUT]->(e)
        }
        """,
}
