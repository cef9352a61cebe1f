"""Real passages (musique100) as files, and longer documents put together from them."""

import gzip
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Files' times are their documents' creation_date, and so part of the tables.
_FIRST_TIME = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Passage:
    id: str
    title: str
    text: str


def read_passages(shared: Path) -> list[Passage]:
    """All 1,890 of them, in the corpus' order."""
    with gzip.open(shared / "corpora" / "musique100" / "corpus.jsonl.gz", "rt") as lines:
        return [Passage(**json.loads(line)) for line in lines]


def write_passages(folder: Path, passages: Sequence[Passage]) -> None:
    """One .txt file each: title, empty line, text."""
    for number, passage in enumerate(passages):
        write_file(folder / f"{passage.id}.txt", f"{passage.title}\n\n{passage.text}\n", number)


def write_file(path: Path, text: str, number: int) -> None:
    """With a time that depends on its number alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    time = _FIRST_TIME + 60 * number
    os.utime(path, (time, time))


def long_documents(passages: Sequence[Passage], count: int, characters: int) -> Iterator[str]:
    """Documents of at least so many characters, each a different shuffle of the passages."""
    for number in range(count):
        order = random.Random(number).sample(range(len(passages)), len(passages))
        parts: list[str] = []
        length = 0
        for index in order:
            if length >= characters:
                break
            passage = passages[index]
            parts.append(f"# {passage.title}\n\n{passage.text}")
            length += len(parts[-1]) + 2
        yield "\n\n".join(parts) + "\n"
