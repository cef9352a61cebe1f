import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pandas as pd
import pyarrow.parquet as pq
import pytest

from graphmill.errors import InvalidRequest, NotFound
from graphmill.export import TABLES, export_collection
from graphmill.models import CollectionKey
from graphmill.parquet import ColumnType
from graphmill.stores.postgres.export import PostgresExportStore
from tests.graph_references import check_references
from tests.published_graph import publish

KEY = CollectionKey("default", "dossier")


@pytest.fixture
async def store(pool: asyncpg.Pool, project_root: Path) -> PostgresExportStore:
    """The sample dossier, published."""
    folder = project_root / "examples" / "dossier"
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    await publish(pool, KEY, files, chunk_size=200)
    return PostgresExportStore(pool)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def _digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


async def test_tables_refer_to_each_other_rightly(
    store: PostgresExportStore, tmp_path: Path
) -> None:
    counts = await export_collection(store, KEY, tmp_path, "jsonl")
    assert check_references(tmp_path) == []
    assert min(counts[name] for name in TABLES if name != "covariates") > 0
    assert counts["covariates"] == 0


async def test_the_reference_check_sees_what_is_wrong(
    store: PostgresExportStore, tmp_path: Path
) -> None:
    await export_collection(store, KEY, tmp_path, "jsonl")
    path = tmp_path / "entities.jsonl"
    first, *rest = path.read_text().splitlines()
    entity = json.loads(first)
    entity["degree"] += 1
    path.write_text("\n".join([json.dumps(entity), *rest[:-1]]) + "\n")
    words = "\n".join(check_references(tmp_path))
    assert f"entity {entity['title']!r}: degree" in words
    assert "names no entities" in words


async def test_parquet_has_the_columns_and_types_of_graphrag(
    store: PostgresExportStore, tmp_path: Path, shared: Path
) -> None:
    await export_collection(store, KEY, tmp_path, "parquet")
    for name in TABLES:
        ours = pq.read_schema(tmp_path / f"{name}.parquet")  # pyright: ignore
        theirs = pq.read_schema(shared / "graphrag-output" / f"{name}.parquet")  # pyright: ignore
        # GraphRAG's raw_data is empty for a text file, so that its type there is null.
        columns = [c for c in theirs.names if c != "raw_data"]  # pyright: ignore
        assert list(ours.names) == list(theirs.names)  # pyright: ignore
        for column in columns:  # pyright: ignore
            assert ours.field(column).type.equals(theirs.field(column).type), (name, column)  # pyright: ignore


async def test_pandas_reads_what_json_lines_say(store: PostgresExportStore, tmp_path: Path) -> None:
    counts = await export_collection(store, KEY, tmp_path / "p", "parquet")
    assert await export_collection(store, KEY, tmp_path / "j", "jsonl") == counts
    for name, columns in TABLES.items():
        frame = pd.read_parquet(tmp_path / "p" / f"{name}.parquet")  # pyright: ignore
        lines = _lines(tmp_path / "j" / f"{name}.jsonl")
        assert list(frame.columns) == list(columns)
        assert len(frame) == len(lines) == counts[name]
        for column, type in columns.items():
            values: list[Any] = frame[column].tolist()  # pyright: ignore
            if type in (ColumnType.STRINGS, ColumnType.INTEGERS, ColumnType.FINDINGS):
                values = [list(value) for value in values]  # pyright: ignore
            assert values == [line[column] for line in lines], (name, column)


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
async def test_the_same_graph_gives_the_same_bytes(
    store: PostgresExportStore, tmp_path: Path, format: str
) -> None:
    await export_collection(store, KEY, tmp_path / "one", format)
    await export_collection(store, KEY, tmp_path / "two", format)
    await export_collection(store, KEY, tmp_path / "two", format)
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")
    assert set(_digests(tmp_path / "one")) == {f"{name}.{format}" for name in TABLES}


async def test_a_document_s_raw_data_says_where_it_comes_from(
    store: PostgresExportStore, tmp_path: Path, project_root: Path
) -> None:
    await export_collection(store, KEY, tmp_path, "jsonl")
    rows = _lines(tmp_path / "documents.jsonl")
    raw = {(data := json.loads(row["raw_data"]))["name"]: data for row in rows}
    pdf = project_root / "examples" / "dossier" / "insurance-claim.pdf"
    assert raw["insurance-claim.pdf"] == {
        "name": "insurance-claim.pdf",
        "format": "pdf",
        "sha256": hashlib.sha256(pdf.read_bytes()).hexdigest(),
        "size": pdf.stat().st_size,
        "pages": raw["insurance-claim.pdf"]["pages"],
    }
    assert raw["insurance-claim.pdf"]["pages"] >= 1
    assert {row["creation_date"] for row in rows} == {"2024-05-06T07:08:09+00:00"}


async def test_other_files_stay_and_links_are_not_followed(
    store: PostgresExportStore, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("keep me")
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    (folder / "entities.parquet").symlink_to(outside)
    await export_collection(store, KEY, folder, "parquet")
    assert outside.read_text() == "keep me"
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / "entities.parquet").is_symlink()


async def test_a_failed_export_leaves_the_earlier_one_whole(
    store: PostgresExportStore, tmp_path: Path
) -> None:
    await export_collection(store, KEY, tmp_path, "parquet")
    before = _digests(tmp_path)

    class Broken:
        @asynccontextmanager
        async def tables(self, key: CollectionKey) -> AsyncGenerator["Broken"]:
            yield self

        async def rows(self, table: str) -> AsyncIterator[dict[str, Any]]:
            if table == "text_units":
                raise RuntimeError("gone")
            for row in ():
                yield row

    with pytest.raises(RuntimeError, match="gone"):
        await export_collection(Broken(), KEY, tmp_path, "parquet")
    assert _digests(tmp_path) == before


async def test_many_rows_become_several_row_groups_always_the_same(tmp_path: Path) -> None:
    class Many:
        @asynccontextmanager
        async def tables(self, key: CollectionKey) -> AsyncGenerator["Many"]:
            yield self

        async def rows(self, table: str) -> AsyncIterator[dict[str, Any]]:
            for i in range(25_000 if table == "entities" else 0):
                row = dict.fromkeys(TABLES["entities"], "x")
                yield row | {
                    "human_readable_id": i,
                    "text_unit_ids": ["a"],
                    "frequency": 1,
                    "degree": 0,
                }

    for name in ("one", "two"):
        await export_collection(Many(), KEY, tmp_path / name, "parquet")
    file = pq.ParquetFile(tmp_path / "one" / "entities.parquet")  # pyright: ignore
    assert (file.num_row_groups, file.metadata.num_rows) == (3, 25_000)  # pyright: ignore
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")


@pytest.mark.parametrize("format", ["csv", "graphml", "../parquet", ""])
async def test_an_unknown_format_is_refused_before_anything_is_written(
    pool: asyncpg.Pool, tmp_path: Path, format: str
) -> None:
    with pytest.raises(InvalidRequest, match="this release exports parquet and jsonl"):
        await export_collection(PostgresExportStore(pool), KEY, tmp_path / "new", format)
    assert not (tmp_path / "new").exists()


async def test_what_cannot_be_exported_is_named(pool: asyncpg.Pool, tmp_path: Path) -> None:
    store = PostgresExportStore(pool)
    with pytest.raises(NotFound, match="there is no collection 'dossier'"):
        await export_collection(store, KEY, tmp_path, "parquet")
    await pool.execute("INSERT INTO collections (tenant, name) VALUES ('default', 'dossier')")
    with pytest.raises(NotFound, match="no published graph yet"):
        await export_collection(store, KEY, tmp_path, "parquet")


async def test_a_file_in_the_place_of_the_directory_is_refused(
    store: PostgresExportStore, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(InvalidRequest, match="cannot be written to"):
        await export_collection(store, KEY, tmp_path / "taken", "parquet")


async def test_another_tenant_s_collection_is_not_exported(
    store: PostgresExportStore, tmp_path: Path
) -> None:
    with pytest.raises(NotFound):
        await export_collection(store, CollectionKey("other", "dossier"), tmp_path, "parquet")
