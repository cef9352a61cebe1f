"""CSV and its kin (semicolons, tabs, pipes) to a markdown table."""

import csv
import io
import re
from collections import Counter
from pathlib import PurePosixPath

from graphmill.errors import FailureReason, InvalidDocument
from graphmill.parsing.decoding import decode
from graphmill.parsing.tables import table
from graphmill.parsing.text import Content
from graphmill.settings import LimitSettings

_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 50
_SAMPLE_CHARACTERS = 65_536
_MAX_COLUMNS = 10_000
# Excel writes its delimiter so, and reads it; it is no row.
_NAMED_DELIMITER = re.compile(r"\"?sep=([^\w\"\r\n])\"?\r?(?:\n|$)", re.IGNORECASE)


def read(data: bytes, name: str, limits: LimitSettings) -> Content:
    """Raises: InvalidDocument (not text; too-large)."""
    text = decode(data, "csv", limits.document_characters).replace("\0", "")
    tabs = PurePosixPath(name).suffix.lower() in (".tsv", ".tab")
    # The default limit of 128 kB a field would fail what the limit on characters lets in.
    csv.field_size_limit(max(131_072, limits.document_characters))
    try:
        if named := _NAMED_DELIMITER.match(text):
            text, delimiter = text[named.end() :], named[1]
        else:
            delimiter = "\t" if tabs else _delimiter(text[:_SAMPLE_CHARACTERS])
        rows = [
            row
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            if any(map(str.strip, row))
        ]
    except csv.Error as error:
        raise InvalidDocument(
            FailureReason.CORRUPT, f"the table cannot be read ({error}); save it again as CSV"
        ) from None
    width = max(map(len, rows), default=0)
    if width > _MAX_COLUMNS or width * len(rows) > limits.document_characters:
        raise InvalidDocument(
            FailureReason.TOO_LARGE,
            f"the table has {len(rows):,} rows and up to {width:,} columns; split it",
        )
    if width <= 1:  # a list, not a table
        return Content(("\n".join(cell for row in rows for cell in row),), has_headings=False)
    return Content((table(rows),), has_headings=False)


def _delimiter(sample: str) -> str:
    """The one that gives the most rows of one width over 1, then the most columns."""

    def score(delimiter: str) -> tuple[int, int]:
        rows = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        widths = Counter(len(row) for row, _ in zip(rows, range(_SAMPLE_ROWS), strict=False) if row)
        return max(((n, width) for width, n in widths.items() if width > 1), default=(0, 0))

    return max(_DELIMITERS, key=score)  # at a tie the first, as listed
