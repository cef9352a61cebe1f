"""`python -m graphmill.compose`: write the .env of docker-compose.temporal.yml."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from graphmill.compose.environment import Wanted, make, refit, replace, write_new
from graphmill.compose.sizing import COUNTS, Machine
from graphmill.errors import GraphmillError, SettingsError

_DEFAULT = "default: this machine's; with --refit what the file was made for"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/compose-env",
        description="Write secrets, and figures that fit a machine, for docker-compose.temporal.yml"
        " (docs/howto/compose.md).",
    )
    parser.add_argument("--file", help="where to; - prints it (default: .env of the checkout)")
    # By scripts/compose-env alone, which leaves the caller's folder.
    parser.add_argument("--from", dest="folder", default="", help=argparse.SUPPRESS)
    parser.add_argument("--memory", type=float, metavar="GIB", help=_DEFAULT)
    parser.add_argument("--cores", type=int, help=_DEFAULT)
    parser.add_argument("--refit", action="store_true", help="keep secrets, write figures anew")
    parser.add_argument(
        "counts", nargs="*", metavar="NAME=COUNT", help=f"of {', '.join(COUNTS)}: how many"
    )
    given = parser.parse_args(arguments)
    try:
        wanted = Wanted(
            int(given.memory * 1024**3) if given.memory else None,
            given.cores,
            dict(map(_count, given.counts)),
            here=(psutil.virtual_memory().total, os.cpu_count() or 1),
        )
        if given.file == "-":
            _print(wanted, again=given.refit)
        else:
            file = Path(given.folder, given.file) if given.file else Path(".env")
            _write(file, given.file or ".env", wanted, again=given.refit)
    except (GraphmillError, OSError) as error:
        print(f"compose-env: {error}", file=sys.stderr)
        return 2
    return 0


def _count(words: str) -> tuple[str, int]:
    name, _, number = words.partition("=")
    if not number.isdecimal():
        raise SettingsError(f"{words!r}: expected is NAME=COUNT, such as cpu=2")
    return name, int(number)


def _print(wanted: Wanted, *, again: bool) -> None:
    if again:
        raise SettingsError("--refit writes a file anew: name it with --file, or leave that out")
    print(_made(wanted), end="")


def _write(file: Path, name: str, wanted: Wanted, *, again: bool) -> None:
    """`name`: what the caller calls it."""
    if not again:
        write_new(file, _made(wanted))
        return
    try:
        text = file.read_text()
    except FileNotFoundError:
        raise SettingsError(f"there is no {name} yet: run it without --refit first") from None
    refitted = refit(text, wanted)
    replace(file, refitted.text)
    print("\n".join(refitted.changes or ("nothing changes",)), file=sys.stderr)


def _made(wanted: Wanted) -> str:
    memory, cores = wanted.here
    return make(Machine(wanted.memory or memory, wanted.cores or cores, wanted.counts))


if __name__ == "__main__":
    sys.exit(main())
