"""The guard before any Office library opens a zip: how much is in it, and that it does not lie.

Sizes in a zip's directory are claims. Every member is unpacked once here, in pieces that are thrown
away, until what it claimed is reached; the libraries behind this have no limits of their own.
"""

import io
import zipfile
import zlib
from zipfile import ZipFile

from graphmill.errors import FailureReason, InvalidDocument
from graphmill.settings import LimitSettings

_PIECE = 1 << 20
# Below this the ratio does not matter: it fits in memory however well it was packed.
_SMALL = 10_000_000
_DEFLATE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)


def open_zip(data: bytes, limits: LimitSettings) -> ZipFile:
    """Open and check what the directory claims.

    Raises:
        InvalidDocument: corrupt, or too-large by entries, total or ratio.
    """
    try:
        archive = ZipFile(io.BytesIO(data))
        infos = archive.infolist()
    except _BROKEN:
        raise _corrupt() from None
    if len(infos) > limits.unpacked_files:
        raise _too_large(f"has {len(infos):,} parts (the limit is {limits.unpacked_files:,})")
    total = sum(info.file_size for info in infos)
    if total > limits.unpacked_bytes:
        raise _too_large(
            f"unpacks to {total:,} bytes (the limit is {limits.unpacked_bytes:,})",
        )
    for info in infos:
        if info.file_size > _SMALL and info.file_size > limits.unpacked_ratio * info.compress_size:
            raise _too_large(
                f"has a part that unpacks to more than {limits.unpacked_ratio:g} times its size"
            )
    if total > _SMALL and total > limits.unpacked_ratio * len(data):
        raise _too_large(f"unpacks to more than {limits.unpacked_ratio:g} times its size")
    return archive


def check_office(archive: ZipFile, limits: LimitSettings) -> None:
    """Unpack every member once: sizes and checksums are true, and no XML part defines entities.

    Raises:
        InvalidDocument: corrupt or too-large.
    """
    for info in archive.infolist():
        if info.compress_type not in _DEFLATE:
            raise _corrupt()
        claimed = info.file_size
        xml = info.filename.lower().endswith((".xml", ".rels", ".vml"))
        info.file_size = limits.unpacked_bytes + 1  # or zipfile stops where the claim does
        found, tail = 0, b""
        try:
            with archive.open(info) as member:
                while piece := member.read(_PIECE):
                    found += len(piece)
                    if found > claimed:
                        raise _corrupt()
                    if xml:
                        _refuse_entities(tail + piece)
                        tail = piece[-32:]
        except _BROKEN:
            raise _corrupt() from None
        finally:
            info.file_size = claimed
        if found != claimed:
            raise _corrupt()


def read_member(archive: ZipFile, name: str, max_bytes: int) -> bytes:
    """At most so many bytes of a member; none if it is missing or broken."""
    try:
        with archive.open(name) as member:
            return member.read(max_bytes)
    except (*_BROKEN, KeyError):
        return b""


def _refuse_entities(piece: bytes) -> None:
    # Office never writes a document type, the Open Packaging standard forbids it, and it is the
    # way to entities that grow or read files. The second form is UTF-16, either byte order.
    if (
        b"<!DOCTYPE" in piece
        or b"<!ENTITY" in piece
        or (b"\0" in piece and b"<!DOCTYPE" in piece.replace(b"\0", b""))
    ):
        raise InvalidDocument(
            FailureReason.CORRUPT,
            "a part of the file defines XML entities, which Office files must not; save it again"
            " from Office",
        )


def _corrupt() -> InvalidDocument:
    return InvalidDocument(
        FailureReason.CORRUPT,
        "the file is damaged or cut short (its zip container cannot be read); get a whole copy",
    )


def _too_large(how: str) -> InvalidDocument:
    return InvalidDocument(
        FailureReason.TOO_LARGE,
        f"the file {how}; split it, or raise GRAPHMILL_LIMIT_UNPACKED_FILES, _BYTES or _RATIO",
    )
