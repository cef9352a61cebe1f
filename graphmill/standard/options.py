"""What a run of method standard asks its models: decided once, when the run opens."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Protocol

from graphmill.models import CollectionKey
from graphmill.standard import claims, descriptions, extract_graph, reports, resolution
from graphmill.standard.claims import ClaimsOptions
from graphmill.standard.descriptions import SummaryOptions
from graphmill.standard.extract_graph import ExtractOptions
from graphmill.standard.graph_schema import GraphSchema
from graphmill.standard.reports import ReportOptions
from graphmill.standard.resolution import ResolutionOptions
from graphmill.standard.same_entities import SAME_ENTITIES_VERSION


@dataclass(frozen=True, slots=True)
class StandardOptions:
    """Models by the names that [models] uses. `gleanings`: how often a text unit is asked for what
    the answers before have missed; `language` of all descriptions, "" for the text's own;
    `claim_description`: which claims are asked for, "" for none."""

    extraction_model: str
    summaries_model: str
    reports_model: str
    schema: GraphSchema = field(default_factory=GraphSchema)
    gleanings: int = 1
    language: str = ""
    claim_description: str = ""

    @property
    def extract(self) -> ExtractOptions:
        return ExtractOptions(self.schema, self.language)

    @property
    def claims(self) -> ClaimsOptions | None:
        if not self.claim_description:
            return None
        return ClaimsOptions(self.schema.entity_types, self.claim_description, self.language)

    @property
    def summary(self) -> SummaryOptions:
        return SummaryOptions(language=self.language)

    @property
    def resolution(self) -> ResolutionOptions:
        return ResolutionOptions(language=self.language)

    @property
    def report(self) -> ReportOptions:
        return ReportOptions(language=self.language)

    @property
    def extraction_digest(self) -> str:
        """Of all that the extraction of a text unit depends on, its text aside."""
        asked = self.extract
        return _digest(
            self.extraction_model,
            self.schema.entity_types,
            self.schema.relationship_types,
            self.schema.patterns,
            self.schema.strict,
            self.gleanings,
            self.language,
            asked.prompt.version,
            asked.glean_prompt.version,
            asked.max_tokens,
            extract_graph.READER_VERSION,
        )

    @property
    def claims_digest(self) -> str:
        """Of all that the claims of a text unit depend on, its text aside; "" where none are asked
        for. Apart from `extraction_digest`, so that asking for claims asks for nothing else."""
        asked = self.claims
        if asked is None:
            return ""
        return _digest(
            self.extraction_model,
            asked.entity_types,
            asked.claim_description,
            asked.language,
            asked.prompt.version,
            asked.max_tokens,
            claims.READER_VERSION,
        )

    @property
    def digest(self) -> str:
        """Of all that a graph depends on, its documents aside."""
        return _digest(
            self.extraction_digest,
            self.summaries_model,
            self.reports_model,
            self.summary.prompt.version,
            self.resolution.prompt.version,
            self.report.prompt.version,
            descriptions.READER_VERSION,
            resolution.READER_VERSION,
            SAME_ENTITIES_VERSION,
            reports.READER_VERSION,
            # Without claims, what it was before there were any: graphs stay as they are.
            *([self.claims_digest] if self.claims else []),
        )

    def to_json(self) -> dict[str, Any]:
        asked = {"claim_description": self.claim_description} if self.claims else {}
        return asked | {
            "extraction_model": self.extraction_model,
            "summaries_model": self.summaries_model,
            "reports_model": self.reports_model,
            "entity_types": self.schema.entity_types,
            "relationship_types": self.schema.relationship_types,
            "patterns": self.schema.patterns,
            "strict": self.schema.strict,
            "gleanings": self.gleanings,
            "language": self.language,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "StandardOptions":
        """What `to_json` gave.

        Raises:
            InvalidRequest: the schema is none.
        """
        return cls(
            value["extraction_model"],
            value["summaries_model"],
            value["reports_model"],
            GraphSchema(
                tuple(value["entity_types"]),
                tuple(value["relationship_types"]),
                tuple((source, type, target) for source, type, target in value["patterns"]),
                value["strict"],
            ),
            value["gleanings"],
            value["language"],
            value.get("claim_description", ""),
        )


class OptionsStore(Protocol):
    """The options of runs of method standard, under their digests."""

    async def save_options(self, key: CollectionKey, options: StandardOptions) -> None: ...

    async def load_options(self, key: CollectionKey, digest: str) -> StandardOptions:
        """Raises NotFound where the collection is gone."""
        ...


def _digest(*parts: object) -> str:
    """Half a SHA-256 in hexadecimal: short, because it travels with every document."""
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
