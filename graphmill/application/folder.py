"""Which files under which paths are documents, what their names are, and what is left out."""

import os
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from graphmill.errors import InvalidRequest
from graphmill.names import check_document_name

# Of what is left out, an error names so many.
_NAMED = 5
_ALIKE = (
    "has the same name as another file here but for how its accents are written (as one character"
    " or two); rename one of them"
)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file on disk and the name it has as a document."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or folder that should have been read and cannot be; `reason` says what to do.

    `path` is as it prints: bytes that are no UTF-8 are escaped. `name` is that of the document it
    would be; a folder's ends with "/" (the folder given itself: ""); None where it can be none.
    """

    path: str
    reason: str
    name: str | None = None

    def to_json(self) -> dict[str, str]:
        return {"path": self.path, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """Files in the order of their names, and what else was there.

    `hidden` files and folders, `outward` links (they lead out of the folder) and `special` files
    (pipes, sockets, devices) are no documents by rule, and are only counted. `empty` are folders
    given in which there is none of all these files.
    """

    files: tuple[FoundFile, ...]
    left_out: tuple[LeftOut, ...] = ()
    hidden: int = 0
    outward: int = 0
    special: int = 0
    empty: tuple[Path, ...] = ()

    def check_prunable(self) -> None:
        """
        Raises:
            InvalidRequest: a folder that was given has no file: a disk may not be mounted, and
                documents be taken for gone.
        """
        if self.empty:
            raise InvalidRequest(
                f"{printable(self.empty[0])} has nothing to index; nothing is forgotten. Is a disk"
                " not mounted? Leave the folder out if it is to be empty, or --prune"
            )


def find_files(paths: Sequence[Path], max_bytes: int) -> FoundFiles:
    """Every file given, and every file in the folders given.

    A file's name is its basename, a folder's file's its path under that folder. Hidden files and
    folders inside a folder are passed over, and so are links that lead out of it, and what is no
    file. A file that is larger than max_bytes, cannot be read or has a name that no document can
    have is left out, and so is a folder that cannot be listed: one bad file stops no other.

    Raises:
        InvalidRequest: a path given does not exist or is neither file nor folder, two files would
            have the same name, or there is nothing to index.
    """
    search = _Search(max_bytes)
    for given in paths:
        search.add(given)
    found = search.found()
    if not found.files:
        raise InvalidRequest(_nothing(paths, found))
    return found


def cannot_be_read(error: OSError) -> str:
    """Why a file or folder cannot be read, in words for its owner."""
    if isinstance(error, FileNotFoundError):
        return "is not there any more"
    return f"cannot be read: {error.strerror}"


def printable(path: str | Path) -> str:
    """A path as text that can be written anywhere: bytes that are no UTF-8 as backslash escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@dataclass(slots=True)
class _Search:
    """What was met so far."""

    _max_bytes: int
    # With those that are too large: of two files of one name neither is taken for the other.
    _by_name: dict[str, FoundFile] = field(default_factory=dict[str, FoundFile])
    _alike: set[str] = field(default_factory=set[str])
    # By path: what is given twice is told once.
    _left_out: dict[Path, LeftOut] = field(default_factory=dict[Path, LeftOut])
    _empty: list[Path] = field(default_factory=list[Path])
    _hidden: int = 0
    _outward: int = 0
    _special: int = 0

    def add(self, given: Path) -> None:
        try:
            mode = given.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            raise InvalidRequest(f"{printable(given)} does not exist") from None
        except OSError as error:
            # Perhaps a folder: whatever is below it is not gone.
            self._leave_out(given, cannot_be_read(error), "")
            return
        if stat.S_ISDIR(mode):
            before = len(self._by_name)
            self._walk(Path(os.path.realpath(given)))
            if len(self._by_name) == before:
                self._empty.append(given)
        elif stat.S_ISREG(mode):
            self._file(given.name, given)
        else:
            raise InvalidRequest(f"{printable(given)} is neither a file nor a folder")

    def found(self) -> FoundFiles:
        return FoundFiles(
            tuple(
                file
                for name, file in sorted(self._by_name.items())
                if file.size <= self._max_bytes and name not in self._alike
            ),
            tuple(self._left_out.values()),
            self._hidden,
            self._outward,
            self._special,
            tuple(self._empty),
        )

    def _walk(self, root: Path) -> None:
        def not_listed(error: OSError) -> None:
            folder = Path(error.filename)
            under = unicodedata.normalize("NFC", folder.relative_to(root).as_posix())
            self._leave_out(
                folder, f"the folder {cannot_be_read(error)}", "" if under == "." else f"{under}/"
            )

        for folder, folders, files in os.walk(root, onerror=not_listed):
            seen = sorted(name for name in folders if not name.startswith("."))
            self._hidden += len(folders) - len(seen)
            # Linked folders are not gone into; what those inside lead to has its own name.
            self._outward += sum(_leads_out(Path(folder, name), root) for name in seen)
            folders[:] = seen  # in place: this is what os.walk goes into
            for name in sorted(files):
                path = Path(folder, name)
                if name.startswith("."):
                    self._hidden += 1
                elif _leads_out(path, root):
                    self._outward += 1
                else:
                    self._file(path.relative_to(root).as_posix(), path)

    def _file(self, raw_name: str, path: Path) -> None:
        # Bytes of a name that are no UTF-8 come as lone surrogates.
        if any(unicodedata.category(character) == "Cs" for character in raw_name):
            self._leave_out(path, "its name is not UTF-8; rename it", None)
            return
        try:
            name = check_document_name(raw_name)
        except InvalidRequest as error:
            self._leave_out(path, f"{error}; rename it", None)
            return
        try:
            status = path.stat()
        except OSError as error:
            dangling = isinstance(error, FileNotFoundError) and os.path.islink(path)
            words = "is a link that leads nowhere" if dangling else cannot_be_read(error)
            self._leave_out(path, words, name)
            return
        if not stat.S_ISREG(status.st_mode):
            self._special += 1
            return
        other = self._by_name.setdefault(name, FoundFile(name, path, status.st_size)).path
        if os.path.realpath(other) != os.path.realpath(path):
            if _composed(other) != _composed(path):
                raise InvalidRequest(
                    f"{printable(other)} and {printable(path)} would both be the document"
                    f" {name!r}; index their common folder instead, or use two collections"
                )
            self._alike.add(name)
            for alike in (other, path):
                self._leave_out(alike, _ALIKE, name)
            return
        if status.st_size > self._max_bytes:
            self._leave_out(
                path,
                f"has {status.st_size:,} bytes, more than the {self._max_bytes:,} of"
                " GRAPHMILL_LIMIT_DOCUMENT_BYTES; raise that or move the file away",
                name,
            )

    def _leave_out(self, path: Path, reason: str, name: str | None) -> None:
        self._left_out.setdefault(path, LeftOut(printable(path), reason, name))


def _composed(path: Path) -> str:
    return unicodedata.normalize("NFC", str(path))


def _leads_out(path: Path, root: Path) -> bool:
    # os.path's islink: where the folder may not be looked into, it is no error here but later.
    return os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(root)


def _nothing(paths: Sequence[Path], found: FoundFiles) -> str:
    if not paths:
        return "no path was given; name a file or folder, or several of them"
    where = ", ".join(printable(path) for path in paths)
    if not found.left_out:
        return f"there is no file to index in {where} (hidden files are left out)"
    told = "; ".join(f"{file.path}: {file.reason}" for file in found.left_out[:_NAMED])
    more = len(found.left_out) - _NAMED
    return f"there is no file to index in {where}: {told}" + (
        f"; and {more:,} more" if more > 0 else ""
    )
