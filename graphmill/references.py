"""References in a report to the records it rests on: [Data: Entities (5, 7); Reports (2, +more)].

In what a model reads and writes, records are numbered from 1 within the one context it is shown;
in what is stored, they have their human_readable_ids. So a question stays the same, and its answer
paid for, when a graph is numbered afresh.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

TABLES = ("Reports", "Entities", "Relationships", "Claims")

# As GraphRAG asks of its reports: no more than five ids of a table, then "+more".
IDS_IN_REFERENCE = 5

_TABLE = r"(?:Reports|Entities|Relationships|Claims|Sources)\s{0,3}\([^()\[\]]{0,1000}\)"
# "Data:" and anything in brackets; tables alone, where a bracket or "Data:" was forgotten; or what
# only begins like a reference, and would be one if something within it went.
_REFERENCE = re.compile(
    r" ?\[\s{0,3}(?:"
    r"Data\s{0,3}:(?P<data>[^\[\]]{0,2000})\]"
    rf"|(?P<tables>(?:Data\s{{0,3}}:)?(?:[\s;,]{{0,3}}{_TABLE})+)(?:\s{{0,3}}\])?"
    r"|(?P<broken>Data\s{0,3}:))",
    re.IGNORECASE,
)
_TABLES_IN = re.compile(r"([A-Za-z]{1,20})\s{0,3}\(([^()\[\]]{0,1000})\)")
_ID = re.compile(r"(?<![\w.])\d{1,9}(?![\w.])")
_MAY_FOLLOW = ".,;!?)。，；！？）"


@dataclass(frozen=True, slots=True)
class KnownIds:
    """The human_readable_ids of records that a context shows or names: the record numbered 1 there
    is the first of its table."""

    reports: tuple[int, ...] = ()
    entities: tuple[int, ...] = ()
    relationships: tuple[int, ...] = ()
    claims: tuple[int, ...] = ()

    def of(self, table: str, number: int) -> int | None:
        """The id of record `number` of one of TABLES; None if the context has none such."""
        ids: tuple[int, ...] = getattr(self, table.lower())
        return ids[number - 1] if 0 < number <= len(ids) else None


def rewrite_references(text: str, rename: Callable[[str, int], int | None]) -> str:
    """Every reference with the ids that `rename` gives for (table of TABLES, id), and without
    those it has none for; a reference that has none left goes."""

    def rewritten(found: re.Match[str]) -> str:
        space = " " if found[0].startswith(" ") else ""
        if found["broken"]:
            return f"{space}({found['broken']}"
        parts = _renamed(found["data"] or found["tables"] or "", rename)
        if parts:
            return f"{space}[Data: {'; '.join(parts)}]"
        # What stood before and after it must not make another reference.
        after = text[found.end() : found.end() + 1]
        return "" if not after or after.isspace() or after in _MAY_FOLLOW else " "

    return _REFERENCE.sub(rewritten, text)


def _renamed(tables: str, rename: Callable[[str, int], int | None]) -> list[str]:
    """ "Entities (5, 7)" and so on, in the order of TABLES."""
    ids: dict[str, dict[int, None]] = {table: {} for table in TABLES}
    more: set[str] = set()
    for named in _TABLES_IN.finditer(tables):
        table = named[1].capitalize()
        if table not in TABLES:
            continue
        renamed = (rename(table, int(id)) for id in _ID.findall(named[2]))
        ids[table].update(dict.fromkeys(id for id in renamed if id is not None))
        if "more" in named[2]:
            more.add(table)
    parts: list[str] = []
    for table, known in ids.items():
        shown = [*map(str, known)][:IDS_IN_REFERENCE]
        if len(known) > IDS_IN_REFERENCE or (known and table in more):
            shown.append("+more")
        if shown:
            parts.append(f"{table} ({', '.join(shown)})")
    return parts
