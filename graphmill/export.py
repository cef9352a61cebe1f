"""A collection's published graph as the tables of GraphRAG, in Parquet or JSON lines.

Columns, their order and their types are those that Microsoft GraphRAG 3 writes. The same graph
gives the same bytes: rows come in the order of human_readable_id, row groups end where their
content says, and nothing of the clock or the machine is written.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence, Sized
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal, Protocol

from graphmill.errors import InvalidRequest, NotFound
from graphmill.models import CollectionKey
from graphmill.parquet import ColumnType, ParquetWriter

ExportFormat = Literal["parquet", "jsonl"]
FORMATS: tuple[ExportFormat, ...] = ("parquet", "jsonl")

# A row group ends after so many rows or (about) so many characters: memory stays bounded.
_ROWS = 10_000
_CHARACTERS = 16_000_000


def _columns(**columns: ColumnType) -> dict[str, ColumnType]:
    return {"id": ColumnType.STRING, "human_readable_id": ColumnType.INTEGER, **columns}


TABLES: dict[str, dict[str, ColumnType]] = {
    "entities": _columns(
        title=ColumnType.STRING,
        type=ColumnType.STRING,
        description=ColumnType.STRING,
        text_unit_ids=ColumnType.STRINGS,
        frequency=ColumnType.INTEGER,
        degree=ColumnType.INTEGER,
    ),
    "relationships": _columns(
        source=ColumnType.STRING,
        target=ColumnType.STRING,
        description=ColumnType.STRING,
        weight=ColumnType.FLOAT,
        combined_degree=ColumnType.INTEGER,
        text_unit_ids=ColumnType.STRINGS,
    ),
    "communities": _columns(
        community=ColumnType.INTEGER,
        level=ColumnType.INTEGER,
        parent=ColumnType.INTEGER,
        children=ColumnType.INTEGERS,
        title=ColumnType.STRING,
        entity_ids=ColumnType.STRINGS,
        relationship_ids=ColumnType.STRINGS,
        text_unit_ids=ColumnType.STRINGS,
        period=ColumnType.STRING,
        size=ColumnType.INTEGER,
    ),
    "community_reports": _columns(
        community=ColumnType.INTEGER,
        level=ColumnType.INTEGER,
        parent=ColumnType.INTEGER,
        children=ColumnType.INTEGERS,
        title=ColumnType.STRING,
        summary=ColumnType.STRING,
        full_content=ColumnType.STRING,
        rank=ColumnType.FLOAT,
        rating_explanation=ColumnType.STRING,
        findings=ColumnType.FINDINGS,
        full_content_json=ColumnType.STRING,
        period=ColumnType.STRING,
        size=ColumnType.INTEGER,
    ),
    "covariates": _columns(
        covariate_type=ColumnType.STRING,
        type=ColumnType.STRING,
        description=ColumnType.STRING,
        subject_id=ColumnType.STRING,
        object_id=ColumnType.STRING,
        status=ColumnType.STRING,
        start_date=ColumnType.STRING,
        end_date=ColumnType.STRING,
        source_text=ColumnType.STRING,
        text_unit_id=ColumnType.STRING,
    ),
    "text_units": _columns(
        text=ColumnType.STRING,
        n_tokens=ColumnType.INTEGER,
        document_id=ColumnType.STRING,
        entity_ids=ColumnType.STRINGS,
        relationship_ids=ColumnType.STRINGS,
        covariate_ids=ColumnType.STRINGS,
    ),
    "documents": _columns(
        title=ColumnType.STRING,
        text=ColumnType.STRING,
        text_unit_ids=ColumnType.STRINGS,
        creation_date=ColumnType.STRING,
        raw_data=ColumnType.STRING,
    ),
}

Row = dict[str, Any]


class GraphTables(Protocol):
    """The rows of one published graph, all read within one transaction."""

    def rows(self, table: str) -> AsyncIterator[Row]:
        """A table's rows (columns as in TABLES, ids as strings) by human_readable_id, streamed."""
        ...


class ExportStore(Protocol):
    def tables(self, key: CollectionKey) -> AbstractAsyncContextManager[GraphTables | None]:
        """The published graph; None where nothing has been published yet.

        Raises:
            NotFound: there is no such collection.
        """
        ...


class TableWriter(Protocol):
    def write(self, rows: Sequence[Row]) -> None: ...

    def close(self) -> None: ...


async def export_collection(
    store: ExportStore, key: CollectionKey, directory: Path, format: str
) -> dict[str, int]:
    """Write TABLE.parquet or TABLE.jsonl for each of TABLES into the directory; gives their rows.

    The directory is made where it is missing. Files appear, or replace those of an earlier export,
    only when all of them are whole; other files in the directory are left alone.

    Raises:
        InvalidRequest: the format is not known, or the directory cannot be written.
        NotFound: there is no such collection, or it has no published graph yet.
    """
    if format not in FORMATS:
        raise InvalidRequest(f"format is {format!r}; this release exports {' and '.join(FORMATS)}")
    async with store.tables(key) as tables:
        if tables is None:
            raise NotFound(
                f"the collection {key.name!r} has no published graph yet:"
                " index it first, or wait for the run that does"
            )
        try:
            return await _write_all(tables, directory, format)
        except OSError as error:
            raise InvalidRequest(
                f"the export cannot be written to {directory}: {error.strerror or error}"
            ) from error


async def _write_all(tables: GraphTables, directory: Path, format: ExportFormat) -> dict[str, int]:
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    # Inside the directory: a rename is whole or not at all only within one file system.
    folder = Path(tempfile.mkdtemp(prefix=".export-", dir=directory))
    try:
        counts: dict[str, int] = {}
        for table, columns in TABLES.items():
            writer = _open(folder / f"{table}.{format}", columns, format)
            try:
                counts[table] = await _write_table(writer, tables.rows(table))
            finally:
                writer.close()
        for table in TABLES:
            path = folder / f"{table}.{format}"
            _flush_to_disk(path)
            # Where the name is a link, replace() replaces the link, not what it points to.
            os.replace(path, directory / path.name)
        return counts
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _write_table(writer: TableWriter, rows: AsyncIterator[Row]) -> int:
    count = 0
    batch: list[Row] = []
    characters = 0
    async for row in rows:
        batch.append(row)
        count += 1
        characters += sum(_characters(value) for value in row.values())
        if len(batch) >= _ROWS or characters >= _CHARACTERS:
            await asyncio.to_thread(writer.write, batch)
            batch, characters = [], 0
    if batch:
        await asyncio.to_thread(writer.write, batch)
    return count


def _characters(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    # Ids have 36 characters, findings more, and come in small numbers.
    return 36 * len(value) if isinstance(value, Sized) else 8


def _open(path: Path, columns: dict[str, ColumnType], format: ExportFormat) -> TableWriter:
    return ParquetWriter(path, columns) if format == "parquet" else _JsonLinesWriter(path, columns)


class _JsonLinesWriter:
    def __init__(self, path: Path, columns: dict[str, ColumnType]) -> None:
        self._names = tuple(columns)
        self._file = path.open("w", encoding="utf-8", newline="\n")

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            line = {name: row[name] for name in self._names}
            self._file.write(json.dumps(line, ensure_ascii=False, separators=(", ", ": ")) + "\n")

    def close(self) -> None:
        self._file.close()


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
