"""Whether the tables of an export refer to each other rightly."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graphmill.export import TABLES

Table = list[dict[str, Any]]


def check_references(directory: Path) -> list[str]:
    """What is wrong with the exported tables (JSON lines) in a directory, in words; [] if nothing:
    every id points somewhere, both ways; degrees, frequencies and sizes are right."""
    tables = {name: _read(directory / f"{name}.jsonl") for name in TABLES}
    ids = {name: {row["id"] for row in rows} for name, rows in tables.items()}
    wrong: list[str] = []
    for name, rows in tables.items():
        if len(ids[name]) < len(rows):
            wrong.append(f"{name}: an id comes twice")
        numbers = [row["human_readable_id"] for row in rows]
        if numbers != list(range(len(rows))):
            wrong.append(f"{name}: human_readable_id does not count from 0")

    def points(name: str, column: str, target: str) -> None:
        for row in tables[name]:
            named: list[str] = row[column] if column.endswith("_ids") else [row[column]]
            missing = set(named) - ids[target]
            if missing:
                wrong.append(f"{name} {row['id']}: {column} names no {target}: {sorted(missing)}")

    points("entities", "text_unit_ids", "text_units")
    points("relationships", "text_unit_ids", "text_units")
    points("communities", "entity_ids", "entities")
    points("communities", "relationship_ids", "relationships")
    points("communities", "text_unit_ids", "text_units")
    points("text_units", "document_id", "documents")
    points("text_units", "entity_ids", "entities")
    points("text_units", "relationship_ids", "relationships")
    points("text_units", "covariate_ids", "covariates")
    points("covariates", "text_unit_id", "text_units")
    points("documents", "text_unit_ids", "text_units")
    wrong += _graph(tables)
    wrong += _text_units(tables)
    wrong += _communities(tables)
    return wrong


def _graph(tables: dict[str, Table]) -> Iterable[str]:
    entities = {row["title"]: row for row in tables["entities"]}
    degrees = dict.fromkeys(entities, 0)
    for row in tables["relationships"]:
        for end in (row["source"], row["target"]):
            if end not in entities:
                yield f"relationship {row['id']}: {end!r} is no entity"
            else:
                degrees[end] += 1
        if not row["text_unit_ids"]:
            yield f"relationship {row['id']} has no text unit"
    for title, row in entities.items():
        if row["degree"] != degrees[title]:
            yield f"entity {title!r}: degree {row['degree']}, counted {degrees[title]}"
        if row["frequency"] != len(set(row["text_unit_ids"])) or not row["text_unit_ids"]:
            yield f"entity {title!r}: frequency {row['frequency']} is not its text units"
    for row in tables["relationships"]:
        ends = degrees.get(row["source"], 0) + degrees.get(row["target"], 0)
        if row["combined_degree"] != ends:
            yield f"relationship {row['id']}: combined_degree {row['combined_degree']}, not {ends}"


def _text_units(tables: dict[str, Table]) -> Iterable[str]:
    for name, column in (("entities", "entity_ids"), ("relationships", "relationship_ids")):
        there = {(row["id"], unit) for row in tables[name] for unit in row["text_unit_ids"]}
        back = {(id, row["id"]) for row in tables["text_units"] for id in row[column]}
        if there != back:
            yield f"{name} and text_units disagree on {len(there ^ back)} mentions"
    made = {(row["id"], row["text_unit_id"]) for row in tables["covariates"]}
    if made != {(id, row["id"]) for row in tables["text_units"] for id in row["covariate_ids"]}:
        yield "covariates and text_units disagree on which text unit claims what"
    owned = {(row["id"], unit) for row in tables["documents"] for unit in row["text_unit_ids"]}
    if owned != {(row["document_id"], row["id"]) for row in tables["text_units"]}:
        yield "documents and text_units disagree on whose text units are whose"


def _communities(tables: dict[str, Table]) -> Iterable[str]:
    communities = {row["community"]: row for row in tables["communities"]}
    reported = [row["community"] for row in tables["community_reports"]]
    if sorted(reported) != sorted(communities):
        yield "communities and community_reports are not one to one"
    for number, row in communities.items():
        if row["human_readable_id"] != number or row["size"] != len(row["entity_ids"]):
            yield f"community {number}: its number or size is wrong"
        if row["parent"] != -1 and number not in communities[row["parent"]]["children"]:
            yield f"community {number} is no child of its parent {row['parent']}"
        for child in row["children"]:
            if communities[child]["parent"] != number:
                yield f"community {child} has another parent than {number}"


def _read(path: Path) -> Table:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
