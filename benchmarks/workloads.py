"""What is indexed: real passages as single documents, and 10-page documents made of them."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from graphmill.uploads import Upload
from tests.support.corpus import Passage, long_documents

# 10 pages of 2,500 characters.
LONG_CHARACTERS = 25_000
_DATE = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Workload:
    name: str
    words: str
    uploads: tuple[Upload, ...]
    texts: tuple[bytes, ...]

    @property
    def documents(self) -> int:
        return len(self.uploads)


def passages_workload(passages: Sequence[Passage]) -> Workload:
    texts = [f"{passage.title}\n\n{passage.text}\n" for passage in passages]
    return _workload("a", "passages as single documents", texts)


def pairs_workload(passages: Sequence[Passage], count: int) -> Workload:
    """Small documents of two passages; up to a million no two are the same."""
    texts = [
        f"{one.title}\n\n{one.text}\n\n{other.title}\n\n{other.text}\n"
        for one, other in (
            (passages[n % len(passages)], passages[(n + 1 + n // len(passages)) % len(passages)])
            for n in range(count)
        )
    ]
    return _workload("c", "documents of two passages", texts)


def long_workload(passages: Sequence[Passage], count: int) -> Workload:
    return _workload(
        "b", "10-page documents", list(long_documents(passages, count, LONG_CHARACTERS))
    )


def _workload(name: str, words: str, texts: Sequence[str]) -> Workload:
    encoded = tuple(text.encode() for text in texts)
    uploads = tuple(_upload(f"{number:05}.txt", data) for number, data in enumerate(encoded))
    return Workload(name, words, uploads, encoded)


def _upload(name: str, data: bytes) -> Upload:
    version = hashlib.sha256(data).digest()
    return Upload(name, version, len(data), _DATE, partial(io.BytesIO, data))
