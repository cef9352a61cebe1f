"""Two exports of a collection, before and after a change: what a model had to be asked about anew.

From the tables alone, so that it is no copy of what is tested. It knows of the simulated model that
a summary of descriptions begins so, and has a number of the whole question in it.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphmill.tokens import count_tokens

MOST_TOKENS = 8_000
"""That are shown of a community, by default."""

Row: TypeAlias = Mapping[str, Any]
Content: TypeAlias = tuple[frozenset[tuple[str, ...]], frozenset[tuple[str, ...]]]
"""What a report is written from: (title, type, description), (source, target, description)."""


@dataclass(frozen=True, slots=True)
class Exported:
    """Rows by table, as `graphmill export --format jsonl` writes them."""

    tables: Mapping[str, tuple[Row, ...]]

    @staticmethod
    def of(files: Mapping[str, bytes]) -> "Exported":
        return Exported(
            {
                name.removesuffix(".jsonl"): tuple(map(json.loads, content.splitlines()))
                for name, content in files.items()
            }
        )

    def by_id(self, table: str) -> dict[str, Row]:
        return {row["id"]: row for row in self.tables[table]}

    def text_units_of(self, document: str) -> frozenset[str]:
        return frozenset(
            row["id"] for row in self.tables["text_units"] if row["document_id"] == document
        )

    def contents(self) -> dict[int, Content]:
        """By community."""
        entities = {
            id: (row["title"], row["type"], row["description"])
            for id, row in self.by_id("entities").items()
        }
        relationships = {
            id: (row["source"], row["target"], row["description"])
            for id, row in self.by_id("relationships").items()
        }
        return {
            row["community"]: (
                frozenset(map(entities.__getitem__, row["entity_ids"])),
                frozenset(map(relationships.__getitem__, row["relationship_ids"])),
            )
            for row in self.tables["communities"]
        }

    def summaries(self) -> frozenset[str]:
        return frozenset(
            row["description"]
            for table in ("entities", "relationships")
            for row in self.tables[table]
            if row["description"].startswith("Summary ")
        )


@dataclass(frozen=True, slots=True)
class Change:
    before: Exported
    after: Exported

    @property
    def document(self) -> str:
        """The one whose text is another one."""
        before = self.before.by_id("documents")
        (changed,) = (
            id
            for id, row in self.after.by_id("documents").items()
            if row["text"] != before[id]["text"]
        )
        return changed

    @property
    def titles(self) -> frozenset[str]:
        """Of entities that the changed document names, or named."""
        document = self.document
        return frozenset(
            row["title"]
            for export, units in (
                (export, export.text_units_of(document)) for export in (self.before, self.after)
            )
            for row in export.tables["entities"]
            if not units.isdisjoint(row["text_unit_ids"])
        )

    @property
    def changed_titles(self) -> frozenset[str]:
        """Of entities that are new, or described otherwise than before."""
        before = {(row["title"], row["description"]) for row in self.before.tables["entities"]}
        return frozenset(
            row["title"]
            for row in self.after.tables["entities"]
            if (row["title"], row["description"]) not in before
        )

    @property
    def new_summaries(self) -> frozenset[str]:
        return self.after.summaries() - self.before.summaries()

    @property
    def new_communities(self) -> frozenset[int]:
        """Those whose content no community had."""
        before = set(self.before.contents().values())
        return frozenset(
            community
            for community, content in self.after.contents().items()
            if content not in before
        )

    @property
    def reports_to_write(self) -> frozenset[int]:
        """The new ones, and those that stand as they were, but are too large to be shown whole:
        they are shown by the reports on their children, of which one is written anew."""
        contents, found = self.after.contents(), set(self.new_communities)
        for row in sorted(self.after.tables["communities"], key=lambda row: -row["level"]):
            children = found.intersection(row["children"])
            if children and tokens_of(contents[row["community"]]) > MOST_TOKENS:
                found.add(row["community"])
        return frozenset(found)


def tokens_of(content: Content) -> int:
    """Of its rows as CSV, about."""
    table = io.StringIO()
    for rows in content:
        csv.writer(table).writerows(_numbered(rows))
    return count_tokens(table.getvalue())


def _numbered(rows: Iterable[tuple[str, ...]]) -> Iterator[tuple[str | int, ...]]:
    for number, row in enumerate(rows, 1):
        yield number, *row
