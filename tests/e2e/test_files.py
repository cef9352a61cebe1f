"""Real and hostile files: each ends as the manifest asks, and the run ends whatever they are."""

import asyncio
import csv
import json
import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from graphmill.models import CollectionKey, DocumentState, DocumentSummary
from tests.support.stack import Stack

KEY = CollectionKey("default", "files")
FORMATS = {"txt", "md", "html", "pdf", "docx", "pptx", "xlsx", "csv", "json", "jsonl"}
# The manifest's word for how a file is bad, and ours for why it ended failed.
REASONS = {
    "corrupt": "corrupt",
    "needs-password": "needs-password",
    "unsupported": "unsupported",
    "archive": "archive",
    "parses-ocr-only": "needs-ocr",
}

SECRET = "SENTINEL-OF-A-FILE-THAT-NOBODY-ASKED-FOR"
pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True, slots=True)
class Indexed:
    """What came of the two commands, and of each file by its name."""

    manifest: dict[str, dict[str, str]]
    first: tuple[int, Any]
    first_seconds: float
    second: tuple[int, Any]
    second_words: str
    documents: dict[str, DocumentSummary]
    texts: dict[str, str]
    exported: str
    entities: dict[str, DocumentState]
    home_bytes: int


@pytest.fixture(scope="module")
def indexed(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    """The command of the README on all the files; then the same again, where a stack runs."""
    files = shared / "files"
    with (files / "manifest.tsv").open(newline="") as lines:
        manifest = {row["name"]: row for row in csv.DictReader(lines, delimiter="\t")}
    stack = Stack(tmp_path_factory.mktemp("files") / "home")
    words = ("index", str(files), "--collection", "files", "--wait")
    began = time.monotonic()
    first = stack.run_json(*words, timeout=300)
    first_seconds = time.monotonic() - began
    stack.start()
    try:
        again = stack.run(*words, "--json", timeout=300)
        second = (again.returncode, stack.run_json("status", "files")[1])
        _write_entities(stack.home.path / "entities")
        stack.run("index", str(stack.home.path / "entities"), "--collection", "entities", "--wait")
        documents, texts, exported, entities = asyncio.run(_look(stack, stack.home.path / "tables"))
        home_bytes = sum(path.stat().st_size for path in _files(stack.home.path))
        yield Indexed(
            manifest,
            first,
            first_seconds,
            second,
            again.stderr,
            documents,
            texts,
            exported,
            entities,
            home_bytes,
        )
    finally:
        stack.kill_everything()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


async def _look(
    stack: Stack, folder: Path
) -> tuple[dict[str, DocumentSummary], dict[str, str], str, dict[str, DocumentState]]:
    key = CollectionKey("default", "entities")
    async with stack.application() as app:
        documents = {found.name: found async for found in app.documents.list_all(KEY)}
        entities = {found.name: found.state async for found in app.documents.list_all(key)}
        await app.exports.write(KEY, "jsonl", folder)
        await app.exports.write(key, "jsonl", folder / "entities")
    texts: dict[str, str] = {}
    names = {str(document.id): name for name, document in documents.items()}
    for line in (folder / "documents.jsonl").read_text().splitlines():
        row = json.loads(line)
        texts[names[row["id"]]] = row["text"]
    exported = "".join(path.read_text() for path in sorted(_files(folder)))
    return documents, texts, exported, entities


def _write_entities(folder: Path) -> None:
    """Documents whose XML asks for a file beside their folder, and one that asks for nothing."""
    secret = folder.parent / "secret"
    secret.write_text(SECRET)
    folder.mkdir()
    doctype = f'<!DOCTYPE r [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    xml = f'<?xml version="1.0"?>{doctype}<r>Norman Foster met Ada Lovelace. &x;</r>'
    (folder / "a.xml").write_text(xml)
    (folder / "a.txt").write_text("Norman Foster met Ada Lovelace in London, said Ada Lovelace.")
    (folder / "a.html").write_text(f"{doctype}<html><body><p>Ada Lovelace. &x;</p></body></html>")
    for name, part, element in (
        ("a.docx", "word/document.xml", "w:document"),
        ("a.xlsx", "xl/workbook.xml", "workbook"),
        ("a.pptx", "ppt/presentation.xml", "p:presentation"),
    ):
        with zipfile.ZipFile(folder / name, "w") as archive:
            types = "http://schemas.openxmlformats.org/package/2006/content-types"
            archive.writestr("[Content_Types].xml", f'<Types xmlns="{types}"/>')
            archive.writestr(
                part, xml.replace("<r>", f"<{element}>").replace("</r>", f"</{element}>")
            )


def test_the_run_ends_with_failures_and_says_so_to_scripts(indexed: Indexed) -> None:
    code, status = indexed.first
    assert code == 3
    assert status["state"] == "completed_with_failures"
    counts = status["documents"]
    assert counts["total"] == len(indexed.documents)
    assert counts["total"] == counts["done"] + counts["failed"] + counts["skipped"]
    assert len(status["failures"]) == counts["failed"]


def test_every_file_of_the_manifest_is_a_document(indexed: Indexed) -> None:
    assert set(indexed.manifest) <= set(indexed.documents)


def test_files_of_the_formats_on_the_list_are_read_with_the_words_that_they_hold(
    indexed: Indexed,
) -> None:
    for name, row in indexed.manifest.items():
        if row["expected"] == "parses" and row["format"] in FORMATS:
            found = indexed.documents[name]
            assert found.state is DocumentState.DONE, (name, found.reason)
            assert row["must_contain"] in words_of(indexed.texts[name]), name


def words_of(text: str) -> str:
    """Without the bars of tables: the manifest gives the words of cells one after another."""
    return " ".join(text.replace("|", " ").split())


def test_files_of_other_formats_are_read_right_or_refused_as_unsupported(indexed: Indexed) -> None:
    for name, row in indexed.manifest.items():
        if row["expected"] == "parses" and row["format"] not in FORMATS:
            found = indexed.documents[name]
            if found.state is DocumentState.DONE:
                assert row["must_contain"] in words_of(indexed.texts[name]), name
            else:
                assert found.state is DocumentState.FAILED, name
                assert found.reason.startswith("unsupported: "), (name, found.reason)


def test_empty_files_are_skipped_for_having_no_text(indexed: Indexed) -> None:
    for name, row in indexed.manifest.items():
        if row["expected"] in ("empty", "empty-text"):
            found = indexed.documents[name]
            assert found.state is DocumentState.SKIPPED, (name, found.reason)
            assert found.reason.startswith("no text: "), (name, found.reason)


def test_bad_files_fail_each_for_its_own_reason(indexed: Indexed) -> None:
    bad = {n: row["expected"] for n, row in indexed.manifest.items() if row["expected"] in REASONS}
    assert set(bad.values()) == set(REASONS)
    for name, expected in bad.items():
        found = indexed.documents[name]
        assert found.state is DocumentState.FAILED, name
        assert found.reason.startswith(f"{REASONS[expected]}: "), (name, found.reason)


def test_reasons_are_words_that_a_person_can_act_on(indexed: Indexed) -> None:
    for found in indexed.documents.values():
        if found.state is DocumentState.FAILED:
            words = found.reason.partition(": ")[2]
            assert len(words.split()) >= 5, found
            assert not re.search(r"Error\b|Exception|Traceback|0x[0-9a-f]+|\bNone\b", words), found


def test_hostile_files_are_harmless(indexed: Indexed) -> None:
    hostile = [
        name
        for name, row in indexed.manifest.items()
        if row["expected"] == "hostile" or "HOSTILE" in row["note"]
    ]
    assert len(hostile) == 3
    for name in hostile:
        assert indexed.documents[name].state in (DocumentState.DONE, DocumentState.FAILED), name
    # One file alone may take 120 s.
    assert indexed.first_seconds < 120
    assert indexed.home_bytes < 500_000_000


def test_no_other_file_is_read_through_a_document(indexed: Indexed) -> None:
    """testXXE.xml asks for a file that is not there; these ask for one that is."""
    assert set(indexed.entities) == {"a.docx", "a.xlsx", "a.pptx", "a.html", "a.xml", "a.txt"}
    assert indexed.entities["a.txt"] is DocumentState.DONE
    assert SECRET not in indexed.exported


def test_the_same_command_again_works_on_nothing_and_says_so(indexed: Indexed) -> None:
    code, status = indexed.second
    assert code == 3  # failures stand until they are retried or changed
    assert "nothing to do" in indexed.second_words
    assert status["run_id"] != indexed.first[1]["run_id"]
    assert status["documents_per_hour"] == 0
    for key in ("documents", "failures", "text_units", "entities", "relationships", "communities"):
        assert status[key] == indexed.first[1][key], key
