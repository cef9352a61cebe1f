"""The exported tables: the contract's columns, references that hold, the same bytes every time."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy
import pandas
import pytest

from graphmill.application.folder import find_files
from graphmill.application.graphmill import Graphmill
from graphmill.index_request import IndexRequest
from graphmill.models import CollectionKey, RunState
from tests.graph_references import check_references
from tests.support.corpus import read_passages, write_passages
from tests.support.stack import Stack

DOCUMENTS = 60
# As GraphRAG writes them; each table begins with id and human_readable_id.
COLUMNS = {
    "entities": "title type description text_unit_ids frequency degree",
    "relationships": "source target description weight combined_degree text_unit_ids",
    "communities": (
        "community level parent children title entity_ids relationship_ids text_unit_ids period"
        " size"
    ),
    "community_reports": (
        "community level parent children title summary full_content rank rating_explanation"
        " findings full_content_json period size"
    ),
    "covariates": (
        "covariate_type type description subject_id object_id status start_date end_date"
        " source_text text_unit_id"
    ),
    "text_units": "text n_tokens document_id entity_ids relationship_ids covariate_ids",
    "documents": "title text text_unit_ids creation_date raw_data",
}

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True, slots=True)
class Exports:
    """Folders of tables: of one collection in both formats; of the same files indexed otherwise."""

    parquet: Path
    jsonl: Path
    in_another_collection: Path
    in_another_home: Path
    in_two_runs: Path


@pytest.fixture(scope="module")
def exports(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exports]:
    folder = tmp_path_factory.mktemp("tables")
    corpus = folder / "corpus"
    write_passages(corpus, read_passages(shared)[:DOCUMENTS])
    found = Exports(*(folder / name for name in ("a", "a-jsonl", "b", "c", "d")))
    stacks = [Stack(folder / name) for name in ("home", "other-home")]
    try:
        stacks[0].start()
        asyncio.run(_first_home(stacks[0], corpus, found))
        stacks[0].kill_everything()
        stacks[1].start()
        asyncio.run(_other_home(stacks[1], corpus, found))
        yield found
    finally:
        for stack in stacks:
            stack.kill_everything()


async def _first_home(stack: Stack, corpus: Path, found: Exports) -> None:
    async with stack.application() as app:
        await _index(app, "a", sorted(corpus.iterdir()), corpus)
        await app.exports.write(_key("a"), "parquet", found.parquet)
        await app.exports.write(_key("a"), "jsonl", found.jsonl)
        await _index(app, "another-name", sorted(corpus.iterdir()), corpus)
        await app.exports.write(_key("another-name"), "parquet", found.in_another_collection)


async def _other_home(stack: Stack, corpus: Path, found: Exports) -> None:
    files = sorted(corpus.iterdir())
    async with stack.application() as app:
        await _index(app, "a", files, corpus)
        await app.exports.write(_key("a"), "parquet", found.in_another_home)
        # The second half first, in a run of its own.
        await _index(app, "halves", files[DOCUMENTS // 2 :], corpus)
        await _index(app, "halves", files, corpus)
        await app.exports.write(_key("halves"), "parquet", found.in_two_runs)


async def _index(app: Graphmill, name: str, files: list[Path], corpus: Path) -> None:
    chosen = set(files)
    uploads = [file for file in find_files([corpus], 1_000_000).files if file.path in chosen]
    assert len(uploads) == len(files)
    plan = await app.documents.plan_upload(_key(name), uploads)
    await app.documents.upload(_key(name), plan.uploads)
    run = await app.runs.start(IndexRequest(name))
    status = [status async for status in app.runs.wait(run)][-1]
    assert status.state is RunState.COMPLETED, status


def _key(name: str) -> CollectionKey:
    return CollectionKey("default", name)


def _frame(exports: Exports, table: str) -> Any:
    path = exports.parquet / f"{table}.parquet"
    return pandas.read_parquet(path)  # pyright: ignore[reportUnknownMemberType]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_loads_into_pandas_with_the_contracts_columns_in_order(
    table: str, exports: Exports
) -> None:
    frame = _frame(exports, table)
    assert list(frame.columns) == ["id", "human_readable_id", *COLUMNS[table].split()]
    assert len(frame) > 0 or table == "covariates"


@pytest.mark.parametrize("table", COLUMNS)
def test_parquet_and_json_lines_hold_the_same_rows(table: str, exports: Exports) -> None:
    frame = _frame(exports, table)
    lines = (exports.jsonl / f"{table}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [_plain(row) for row in frame.to_dict(orient="records")]
    assert rows == [json.loads(line) for line in lines]


def _plain(value: Any) -> Any:
    """Without numpy's types."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in cast(dict[str, Any], value).items()}
    if isinstance(value, (list, numpy.ndarray)):
        return [_plain(inner) for inner in cast(list[Any], value)]
    return cast(Any, value).item() if isinstance(value, numpy.generic) else value


def test_every_id_points_somewhere_and_every_count_is_right(exports: Exports) -> None:
    assert check_references(exports.jsonl) == []


def test_every_document_and_only_those_are_in_the_tables(exports: Exports) -> None:
    documents = _frame(exports, "documents")
    assert len(documents) == DOCUMENTS
    assert all(documents["text_unit_ids"].map(len) > 0)


def test_another_collections_tables_are_the_same_bytes(exports: Exports) -> None:
    assert _bytes(exports.in_another_collection) == _bytes(exports.parquet)


def test_another_homes_tables_are_the_same_bytes(exports: Exports) -> None:
    assert _bytes(exports.in_another_home) == _bytes(exports.parquet)


def test_documents_that_come_in_two_runs_give_the_same_bytes(exports: Exports) -> None:
    assert _bytes(exports.in_two_runs) == _bytes(exports.parquet)
