"""Prompts as files: read back as they were written, and nothing read that is none."""

import os
from pathlib import Path

import pytest

from graphmill.application.prompt_files import PROMPT_FILES, read_prompts, write_prompts
from graphmill.errors import InvalidRequest
from graphmill.model_settings import ExtractionSettings
from graphmill.standard.collection_prompts import CollectionPrompts

SETTINGS = ExtractionSettings(entity_types=("ship",), language="German")
OWN = CollectionPrompts.of(
    {"glean_graph": "Noch einmal: \"{x}\" \\ '''"},
    {
        "entity_types": ["Schiff", 'Werft "Süd" \\'],
        "relationship_types": ["gehört zu"],
        "patterns": [["Schiff", "gehört zu", 'Werft "Süd" \\']],
        "strict": True,
        "gleanings": 0,
    },
)


@pytest.mark.parametrize("prompts", [CollectionPrompts(), OWN], ids=["shipped", "own"])
def test_files_that_nobody_changed_mean_the_same(
    prompts: CollectionPrompts, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "prompts"
    files = write_prompts(folder, prompts, SETTINGS)
    assert files == tuple(sorted((*PROMPT_FILES, "extraction.toml")))
    assert sorted(os.listdir(folder)) == list(files)
    assert read_prompts(folder) == prompts
    told = (folder / "extraction.toml").read_text()
    assert ('# entity_types = ["ship"]' in told) is (prompts.extraction is None)


def test_no_file_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "glean_graph.md").write_text("mine")
    with pytest.raises(InvalidRequest, match="is not written over"):
        write_prompts(tmp_path, OWN, SETTINGS)
    assert os.listdir(tmp_path) == ["glean_graph.md"]
    with pytest.raises(InvalidRequest, match="is no folder"):
        write_prompts(tmp_path / "glean_graph.md", OWN, SETTINGS)
    (tmp_path / "glean_graph.md").unlink()
    (tmp_path / "extraction.toml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidRequest, match="is not written over"):
        write_prompts(tmp_path, OWN, SETTINGS)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("extract-graph.md", b"x", "has a file 'extract-graph.md'; expected are"),
        ("answer_rules.md", b"x", "has a file 'answer_rules.md'"),
        ("glean_graph.md", b"x" * 200_001, "larger than 200,000 bytes"),
        ("glean_graph.md", b"\xff\xfe", "no UTF-8 text"),
        ("glean_graph.md", b"{{text}}", r"glean_graph: \{\{text\}\} is unknown"),
        ("extraction.toml", b"entity_types = [", "no TOML"),
        ("extraction.toml", b"x = " + b"[" * 100_000, "no TOML"),
        ("extraction.toml", b"types = 1", "types: it is not known"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    name: str, content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidRequest, match=words):
        read_prompts(tmp_path)


def test_links_pipes_and_folders_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = tmp_path / "prompts"
    folder.mkdir()
    path = folder / "glean_graph.md"
    path.symlink_to(secret)
    with pytest.raises(InvalidRequest, match="is a link"):
        read_prompts(folder)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InvalidRequest, match="is no file"):
        read_prompts(folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(InvalidRequest, match="is no file"):
        read_prompts(folder)


def test_an_empty_folder_or_none_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("x")
    with pytest.raises(InvalidRequest, match="prompts reset"):
        read_prompts(tmp_path)
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read_prompts(tmp_path / "none")
