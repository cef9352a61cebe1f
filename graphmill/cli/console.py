"""Words for people on stderr, results on stdout; with --json, one JSON document on stdout."""

import json
import sys
import unicodedata
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_FILE_WIDTH = 10_000

# Results of a command: text of documents is printed as it is, never read as rich's markup.
out = Console(markup=False, emoji=False, highlight=False)
_file = Console(markup=False, emoji=False, highlight=False, width=_FILE_WIDTH)
# Progress, logs, hints and errors.
err = Console(stderr=True, markup=False, emoji=False, highlight=False)


def emit_json(value: object) -> None:
    """The one JSON document of a command."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def show_table(table: Table) -> None:
    """On a terminal in its width; elsewhere a row is a line, whole, for whoever reads on."""
    (out if out.is_terminal else _file).print(table)


def say(words: str) -> None:
    err.print(Text(plain(words)), soft_wrap=True)


def plain(text: str) -> str:
    """Text from outside without what a terminal would obey: control and direction characters."""
    return "".join(
        " " if unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\t\u200c\u200d" else c
        for c in text
    )


def cell(value: Any) -> Text:
    """A table's cell that shows a value as it is."""
    if isinstance(value, int):
        return Text(f"{value:,}", justify="right")
    return Text(plain(str(value)))
