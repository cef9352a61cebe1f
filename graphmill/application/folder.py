"""Which files under which paths are documents, and what their names are."""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphmill.errors import InvalidRequest
from graphmill.names import check_document_name


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file on disk and the name it has as a document."""

    name: str
    path: Path
    size: int


def find_files(paths: Sequence[Path], max_bytes: int) -> tuple[FoundFile, ...]:
    """Every file given, and every file in the folders given, in the order of their names.

    A file's name is its basename, a folder's file's its path under that folder. Hidden files and
    folders inside a folder are left out, and so are links that lead out of it, and what is no file.

    Raises:
        InvalidRequest: a path does not exist or cannot be read, a file is larger than max_bytes,
            two files would have the same name, a name is not well formed, or nothing was found.
    """
    by_name: dict[str, FoundFile] = {}
    for given in paths:
        try:
            for name, path in _walk(given):
                found = _found(name, path, max_bytes)
                other = by_name.setdefault(found.name, found)
                if other.path != path:
                    raise InvalidRequest(
                        f"{other.path} and {path} would both be the document {found.name!r}; index"
                        " their common folder instead, or use two collections"
                    )
        except OSError as error:
            raise InvalidRequest(
                f"{error.filename or given} cannot be read: {error.strerror}"
            ) from error
    if not by_name:
        raise InvalidRequest(
            f"there is no file to index in {', '.join(map(str, paths))} (hidden files are left out)"
        )
    return tuple(by_name[name] for name in sorted(by_name))


def _walk(given: Path) -> Iterator[tuple[str, Path]]:
    if not given.is_dir():
        if not given.exists():
            raise InvalidRequest(f"{given} does not exist")
        if not given.is_file():
            raise InvalidRequest(f"{given} is neither a file nor a folder")
        yield given.name, given
        return
    root = Path(os.path.realpath(given))

    def fail(error: OSError) -> None:
        raise error

    for folder, folders, files in os.walk(root, onerror=fail):
        # In place: this is what os.walk goes into. Linked folders it does not follow.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            path = Path(folder, file)
            if file.startswith("."):
                continue
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                continue
            if path.is_file():
                yield path.relative_to(root).as_posix(), path


def _found(name: str, path: Path, max_bytes: int) -> FoundFile:
    # Bytes of a name that are no UTF-8 come as lone surrogates; say it in characters that print.
    if any(unicodedata.category(character) == "Cs" for character in name):
        raise InvalidRequest(f"the name of {os.fsencode(path)!r} is not UTF-8; rename the file")
    size = path.stat().st_size
    if size > max_bytes:
        raise InvalidRequest(
            f"{path} has {size:,} bytes, more than the {max_bytes:,} of"
            " GRAPHMILL_LIMIT_DOCUMENT_BYTES; raise that or leave the file out"
        )
    return FoundFile(check_document_name(name), path, size)
