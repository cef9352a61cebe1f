"""The sample dossier: built again it is the same, and it holds what its questions ask for."""

import json
import zipfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TypedDict

import pytest

from examples.build_dossier import EXAMPLES, SOURCES, Bullets, Heading, Rows, build, read_blocks
from graphmill.parsing import parse
from graphmill.settings import LimitSettings

DOSSIER = EXAMPLES / "dossier"


class Question(TypedDict):
    question: str
    mode: str
    expect: list[str]
    documents: list[str]


QUESTIONS: list[Question] = json.loads((EXAMPLES / "questions.json").read_text())


@cache
def text_of(path: Path) -> str:
    return " ".join(parse(path.read_bytes(), path.name, LimitSettings()).text.split())


def contents(path: Path) -> object:
    """What must be equal: a zip's members (its bytes depend on the zlib in use too), else bytes."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return [(m.filename, m.date_time, archive.read(m)) for m in archive.infolist()]


def test_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    for one, other in zip(build(first), build(second), strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_committed_documents_are_those_of_their_sources(tmp_path: Path) -> None:
    built = build(tmp_path)
    assert len(built) == len(list(SOURCES.iterdir()))
    for path in built:
        assert contents(path) == contents(DOSSIER / path.name), (
            f"{path.name} differs: run examples/build_dossier.py"
        )


def test_dossier_has_many_documents_in_ten_formats() -> None:
    formats = Counter(path.suffix for path in DOSSIER.iterdir())
    assert formats.total() >= 14
    assert sorted(formats) == [
        *(".csv", ".docx", ".html", ".json", ".jsonl"),
        *(".md", ".pdf", ".pptx", ".txt", ".xlsx"),
    ]


@pytest.mark.parametrize("path", sorted(DOSSIER.iterdir()), ids=lambda path: path.name)
def test_every_document_can_be_read(path: Path) -> None:
    assert "Marrowind" in text_of(path)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["question"])
def test_what_a_question_expects_stands_in_several_documents(question: Question) -> None:
    assert len(question["documents"]) >= 2
    assert question["mode"] in ("local", "basic")
    texts = [text_of(DOSSIER / name) for name in question["documents"]]
    for words in question["expect"]:
        assert any(words in text for text in texts), words
    assert not any(all(words in text for words in question["expect"]) for text in texts), (
        "one document alone answers it"
    )


def test_blocks_are_read_from_the_marks_of_markdown() -> None:
    source = "# Title\n\n- one\n- two\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert read_blocks(source) == [
        Heading(1, "Title"),
        Bullets(("one", "two")),
        Rows((("a", "b"), ("1", "2"))),
    ]
