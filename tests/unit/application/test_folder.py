"""Which files are documents, and under which names."""

import os
from pathlib import Path

import pytest

from graphmill.application.folder import find_files
from graphmill.errors import InvalidRequest


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(*paths: Path) -> list[str]:
    return [file.name for file in find_files(paths, 1000)]


def test_files_of_a_folder_are_named_by_their_path_under_it_in_order(tmp_path: Path) -> None:
    for name in ("z.txt", "a/b.txt", "a.txt", "a/c/d.txt", "B.txt"):
        write(tmp_path / name)
    assert names(tmp_path) == ["B.txt", "a.txt", "a/b.txt", "a/c/d.txt", "z.txt"]


def test_a_file_is_named_by_its_basename(tmp_path: Path) -> None:
    assert names(write(tmp_path / "deep/er/one.txt")) == ["one.txt"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    for name in ("seen.txt", ".hidden.txt", ".git/config", "a/.hidden/x.txt"):
        write(tmp_path / name)
    assert names(tmp_path) == ["seen.txt"]


def test_links_are_followed_inside_the_folder_and_not_out_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    outside = write(tmp_path / "secret.txt")
    inside = write(folder / "inside.txt")
    (folder / "out.txt").symlink_to(outside)
    (folder / "in.txt").symlink_to(inside)
    (folder / "loop.txt").symlink_to(folder / "loop.txt")
    (folder / "outer").symlink_to(tmp_path, target_is_directory=True)
    assert names(folder) == ["in.txt", "inside.txt"]


def test_a_link_to_a_folder_can_be_given(tmp_path: Path) -> None:
    write(tmp_path / "folder/a.txt")
    (tmp_path / "link").symlink_to(tmp_path / "folder", target_is_directory=True)
    assert names(tmp_path / "link") == ["a.txt"]


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path / "a.txt")
    assert names(tmp_path) == ["a.txt"]


def test_two_files_of_one_name_are_refused_and_both_are_told(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one/a.txt"), write(tmp_path / "two/a.txt")
    with pytest.raises(InvalidRequest, match=rf"{one} and {two} would both be .*'a\.txt'"):
        names(one, two)


def test_the_same_file_given_twice_is_one_document(tmp_path: Path) -> None:
    one = write(tmp_path / "a.txt")
    assert names(one, one) == ["a.txt"]


def test_names_that_look_alike_in_unicode_are_one_name(tmp_path: Path) -> None:
    write(tmp_path / "u\u0308.txt")
    write(tmp_path / "\u00fc.txt")
    with pytest.raises(InvalidRequest, match="would both be the document"):
        names(tmp_path)


@pytest.mark.parametrize("missing", ["nothing", "nothing/at/all.txt"])
def test_a_path_that_does_not_exist_is_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{missing} does not exist"):
        names(tmp_path / missing)


def test_a_folder_without_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no file to index"):
        names(tmp_path)


def test_a_file_that_is_too_large_is_told_with_the_setting(tmp_path: Path) -> None:
    write(tmp_path / "big.txt", "x" * 1001)
    with pytest.raises(InvalidRequest, match=r"big\.txt .*GRAPHMILL_LIMIT_DOCUMENT_BYTES"):
        names(tmp_path)


def test_a_name_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt")).write_text("x")
    with pytest.raises(InvalidRequest, match="not UTF-8"):
        names(tmp_path)
