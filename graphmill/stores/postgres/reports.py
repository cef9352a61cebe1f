"""Communities with what a report is written from, and reports, as they are stored: the same for
those who ask a model and those who do not."""

import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

import asyncpg

from graphmill.gaps import REPORT
from graphmill.ids import community_embedding_id
from graphmill.models import Community, CommunityReport, Finding
from graphmill.reports import ReportContext, ReportEntity, ReportRelationship, embedded_content

_Record = TypeVar("_Record", ReportEntity, ReportRelationship)


async def read_contexts(
    connection: asyncpg.pool.PoolConnectionProxy, graph_id: int, rows: Sequence[asyncpg.Record]
) -> tuple[ReportContext, ...]:
    """Rows of communities, each with its entities and relationships; in the order of the rows."""
    # By their ids, which the keys find whatever the planner knows of tables this new.
    entities = await connection.fetch(
        "SELECT id, title, type, description, degree, human_readable_id, frequency"
        " FROM entities WHERE graph_id = $1 AND id = ANY($2)",
        graph_id,
        list({id for row in rows for id in row["entity_ids"]}),
    )
    relationships = await connection.fetch(
        "SELECT id, source, target, description, weight, human_readable_id"
        " FROM relationships WHERE graph_id = $1 AND id = ANY($2)",
        graph_id,
        list({id for row in rows for id in row["relationship_ids"]}),
    )
    members = {
        row["id"]: ReportEntity(
            title=row["title"],
            type=row["type"],
            description=row["description"],
            degree=row["degree"],
            human_readable_id=row["human_readable_id"],
            frequency=row["frequency"],
        )
        for row in entities
    }
    bonds = {
        row["id"]: ReportRelationship(
            source=row["source"],
            target=row["target"],
            description=row["description"],
            weight=row["weight"],
            human_readable_id=row["human_readable_id"],
        )
        for row in relationships
    }
    return tuple(
        ReportContext(
            community=read_community(row),
            entities=_in_order(members[id] for id in row["entity_ids"]),
            relationships=_in_order(bonds[id] for id in row["relationship_ids"]),
        )
        for row in rows
    )


def read_community(row: asyncpg.Record) -> Community:
    return Community(
        id=row["id"],
        community=row["community"],
        level=row["level"],
        parent=row["parent"],
        children=tuple(row["children"]),
        title=row["title"],
        entity_ids=tuple(row["entity_ids"]),
        relationship_ids=tuple(row["relationship_ids"]),
        text_unit_ids=tuple(row["text_unit_ids"]),
        period=row["period"],
        size=row["size"],
    )


def read_report(row: asyncpg.Record) -> CommunityReport:
    return CommunityReport(
        id=row["id"],
        community=row["community"],
        level=row["level"],
        parent=row["parent"],
        children=tuple(row["children"]),
        title=row["title"],
        summary=row["summary"],
        full_content=row["full_content"],
        rank=row["rank"],
        rating_explanation=row["rating_explanation"],
        findings=tuple(Finding(**finding) for finding in json.loads(row["findings"])),
        full_content_json=row["full_content_json"],
        period=row["period"],
        size=row["size"],
    )


async def write_reports(
    pool: asyncpg.Pool,
    graph_id: int,
    reports: Sequence[CommunityReport],
    gaps: Mapping[int, str] = MappingProxyType({}),
) -> None:
    """The first report on a community stays. `gaps`: by community, why no model gave its report."""
    await pool.executemany(
        _WRITE,
        [
            (
                graph_id,
                r.id,
                r.community,
                r.level,
                r.parent,
                r.children,
                r.title,
                r.summary,
                r.full_content,
                r.rank,
                r.rating_explanation,
                json.dumps(
                    [{"summary": f.summary, "explanation": f.explanation} for f in r.findings],
                    ensure_ascii=False,
                ),
                r.full_content_json,
                r.period,
                r.size,
                community_embedding_id(embedded_content(r.full_content)),
                gaps.get(r.community),
            )
            for r in reports
        ],
    )


# One statement: a report that stays is told of as it is, whoever comes later.
_WRITE = f"""
WITH written AS (
    INSERT INTO community_reports VALUES
        ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb, $13, $14, $15, $16,
        (SELECT tenant FROM graphs WHERE id = $1))
    ON CONFLICT (graph_id, community) DO NOTHING RETURNING id, tenant
)
INSERT INTO model_gaps (tenant, graph_id, kind, id, reason)
SELECT tenant, $1, '{REPORT}', id, $17::text FROM written WHERE $17::text IS NOT NULL
"""


def _in_order(records: Iterable[_Record]) -> tuple[_Record, ...]:
    return tuple(sorted(records, key=lambda record: record.human_readable_id))
