"""Which files are documents, under which names; and that nothing is left out in silence."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from graphmill.application.folder import FoundFiles, find_files
from graphmill.errors import InvalidRequest


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def find(*paths: Path) -> FoundFiles:
    return find_files(paths, 1000)


def names(*paths: Path) -> list[str]:
    return [file.name for file in find(*paths).files]


def test_files_of_a_folder_are_named_by_their_path_under_it_in_order(tmp_path: Path) -> None:
    for name in ("z.txt", "a/b.txt", "a.txt", "a/c/d.txt", "B.txt"):
        write(tmp_path / name)
    assert names(tmp_path) == ["B.txt", "a.txt", "a/b.txt", "a/c/d.txt", "z.txt"]


def test_a_file_is_named_by_its_basename(tmp_path: Path) -> None:
    assert names(write(tmp_path / "deep/er/one.txt")) == ["one.txt"]


def test_hidden_files_and_folders_are_passed_over_and_counted(tmp_path: Path) -> None:
    for name in ("seen.txt", ".hidden.txt", ".git/config", "a/.hidden/x.txt"):
        write(tmp_path / name)
    found = find(tmp_path)
    assert [file.name for file in found.files] == ["seen.txt"]
    assert (found.hidden, found.left_out) == (3, ())


def test_a_hidden_file_that_is_given_is_taken(tmp_path: Path) -> None:
    assert names(write(tmp_path / ".hidden.txt")) == [".hidden.txt"]


def test_links_are_followed_inside_the_folder_and_not_out_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    outside = write(tmp_path / "secret.txt")
    inside = write(folder / "inside.txt")
    (folder / "out.txt").symlink_to(outside)
    (folder / "in.txt").symlink_to(inside)
    (folder / "outer").symlink_to(tmp_path, target_is_directory=True)
    (folder / "gone.txt").symlink_to(tmp_path / "nothing is here")
    found = find(folder)
    assert [file.name for file in found.files] == ["in.txt", "inside.txt"]
    assert (found.outward, found.left_out) == (3, ())


def test_links_that_lead_nowhere_are_left_out_and_told(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    (tmp_path / "dangling.txt").symlink_to(tmp_path / "gone.txt")
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")
    found = find(tmp_path)
    assert [file.name for file in found.files] == ["a.txt"]
    assert [(file.name, file.reason) for file in found.left_out] == [
        ("dangling.txt", "is a link that leads nowhere"),
        ("loop.txt", "cannot be read: Too many levels of symbolic links"),
    ]


def test_a_link_to_a_folder_can_be_given(tmp_path: Path) -> None:
    write(tmp_path / "folder/a.txt")
    (tmp_path / "link").symlink_to(tmp_path / "folder", target_is_directory=True)
    assert names(tmp_path / "link") == ["a.txt"]


def test_what_is_no_file_is_passed_over_and_counted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path / "a.txt")
    found = find(tmp_path)
    assert [file.name for file in found.files] == ["a.txt"]
    assert (found.special, found.left_out) == (1, ())


def test_two_files_of_one_name_are_refused_and_both_are_told(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one/a.txt"), write(tmp_path / "two/a.txt")
    with pytest.raises(InvalidRequest, match=rf"{one} and {two} would both be .*'a\.txt'"):
        names(one, two)


def test_the_same_file_given_twice_is_one_document(tmp_path: Path) -> None:
    one, big = write(tmp_path / "a.txt"), write(tmp_path / "big.txt", "x" * 1001)
    found = find(one, one, big, big)
    assert [file.name for file in found.files] == ["a.txt"]
    assert len(found.left_out) == 1


@pytest.mark.parametrize("missing", ["nothing", "nothing/at/all.txt"])
def test_a_path_that_does_not_exist_is_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{missing} does not exist"):
        names(tmp_path / missing)


def test_a_folder_without_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no file to index"):
        names(tmp_path)


def test_no_path_at_all_is_told() -> None:
    with pytest.raises(InvalidRequest, match="no path was given"):
        names()


def test_a_file_that_is_too_large_is_left_out_and_told_with_the_setting(tmp_path: Path) -> None:
    big = write(tmp_path / "sub/big.txt", "x" * 1001)
    write(tmp_path / "full.txt", "x" * 1000)
    found = find(tmp_path)
    assert [file.name for file in found.files] == ["full.txt"]
    [left_out] = found.left_out
    assert (left_out.path, left_out.name) == (str(big), "sub/big.txt")
    assert "1,001 bytes" in left_out.reason
    assert "GRAPHMILL_LIMIT_DOCUMENT_BYTES" in left_out.reason


def test_where_all_is_left_out_there_is_nothing_to_index_and_it_says_why(tmp_path: Path) -> None:
    for number in range(7):
        write(tmp_path / f"{number}.txt", "x" * 1001)
    with pytest.raises(InvalidRequest, match=r"4\.txt: has 1,001 bytes, .*; and 2 more$") as told:
        find(tmp_path)
    assert "5.txt" not in str(told.value)


def test_a_file_that_is_too_large_has_its_name_nevertheless(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one/a.txt", "x" * 1001), write(tmp_path / "two/a.txt")
    with pytest.raises(InvalidRequest, match="would both be the document"):
        find(one, two)


def test_a_name_that_is_no_utf8_is_left_out_and_told_in_characters_that_print(
    tmp_path: Path,
) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt")).write_text("x")
    write(tmp_path / "a.txt")
    found = find(tmp_path)
    assert [file.name for file in found.files] == ["a.txt"]
    [left_out] = found.left_out
    assert left_out.path == f"{tmp_path}/\\xff.txt"
    assert left_out.reason == "its name is not UTF-8; rename it"
    assert left_out.name is None


def test_a_name_that_no_document_can_have_is_left_out_and_told(tmp_path: Path) -> None:
    write(tmp_path / "two\nlines.txt")
    write(tmp_path / "a.txt")
    found = find(tmp_path)
    assert [file.name for file in found.files] == ["a.txt"]
    assert "control characters; rename it" in found.left_out[0].reason


@contextmanager
def without_root() -> Generator[None]:
    """Permissions do not bind root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_what_may_not_be_read_is_left_out_and_told() -> None:
    # Not tmp_path: nobody but root may look into the folders above that.
    with TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("open/a.txt", "closed/b.txt", "listed/c.txt"):
            write(folder / file)
        closed = ((folder, 0o755), (folder / "closed", 0), (folder / "listed", 0o444))
        for path, mode in closed:
            path.chmod(mode)
        try:
            with without_root():
                found = find(folder)
        finally:
            for path, _ in closed:
                path.chmod(0o755)
    assert [file.name for file in found.files] == ["open/a.txt"]
    assert sorted((str(file.name), file.reason) for file in found.left_out) == [
        ("closed/", "the folder cannot be read: Permission denied"),
        ("listed/c.txt", "cannot be read: Permission denied"),
    ]


def test_two_names_that_differ_only_in_how_accents_are_written_are_left_out(
    tmp_path: Path,
) -> None:
    for name in ("\u00e9.txt", "e\u0301.txt", "other.txt"):
        write(tmp_path / name)
    found = find(tmp_path)
    assert [file.name for file in found.files] == ["other.txt"]
    assert [left.name for left in found.left_out] == ["\u00e9.txt"] * 2
    assert "rename one" in found.left_out[0].reason


def test_one_file_given_in_two_spellings_is_one_document(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt")
    (tmp_path / "sub").mkdir()
    assert names(path, tmp_path / "sub" / ".." / "a.txt") == ["a.txt"]
