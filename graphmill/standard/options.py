"""What a run of method standard asks its models: decided once, when the run opens."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from graphmill.model_settings import ExtractionSettings
from graphmill.models import CollectionKey
from graphmill.prompts.loading import Prompt, PromptName, load_prompt
from graphmill.standard import claims, descriptions, extract_graph, reports, resolution
from graphmill.standard.claims import ClaimsOptions
from graphmill.standard.collection_prompts import CollectionPrompts, own_texts
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
    `claim_description`: which claims are asked for, "" for none; `own_prompts` as
    CollectionPrompts.texts."""

    extraction_model: str
    summaries_model: str
    reports_model: str
    schema: GraphSchema = field(default_factory=GraphSchema)
    gleanings: int = 1
    language: str = ""
    claim_description: str = ""
    own_prompts: tuple[tuple[PromptName, str], ...] = ()

    def for_collection(self, own: CollectionPrompts) -> "StandardOptions":
        """With what the collection has of its own in place of what is shipped and set."""
        options = replace(self, own_prompts=own.texts)
        return options if own.extraction is None else options.with_extraction(own.extraction)

    def with_extraction(self, extraction: ExtractionSettings) -> "StandardOptions":
        return replace(
            self,
            schema=extraction.graph_schema,
            gleanings=extraction.gleanings,
            language=extraction.language,
            claim_description=extraction.claim_description if extraction.claims else "",
        )

    @property
    def extract(self) -> ExtractOptions:
        first, glean = self._prompt("extract_graph"), self._prompt("glean_graph")
        return ExtractOptions(self.schema, self.language, first, glean)

    @property
    def claims(self) -> ClaimsOptions | None:
        if not self.claim_description:
            return None
        return ClaimsOptions(
            self.schema.entity_types,
            self.claim_description,
            self.language,
            self._prompt("extract_claims"),
        )

    @property
    def summary(self) -> SummaryOptions:
        prompt = self._prompt("summarize_description")
        return SummaryOptions(language=self.language, prompt=prompt)

    @property
    def resolution(self) -> ResolutionOptions:
        prompt = self._prompt("resolve_entities")
        return ResolutionOptions(language=self.language, prompt=prompt)

    @property
    def report(self) -> ReportOptions:
        prompt = self._prompt("community_report")
        return ReportOptions(language=self.language, prompt=prompt)

    def _prompt(self, name: PromptName) -> Prompt:
        return load_prompt(name, dict(self.own_prompts).get(name))

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
            "own_prompts": dict(self.own_prompts),
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
            # Rows of before have neither.
            value.get("claim_description", ""),
            own_texts(value.get("own_prompts", {})),
        )


class OptionsStore(Protocol):
    """The options of runs of method standard, under their digests."""

    async def save_options(self, key: CollectionKey, options: StandardOptions) -> None: ...

    async def load_options(self, key: CollectionKey, digest: str) -> StandardOptions:
        """Raises NotFound where the collection is gone."""
        ...


class PromptStore(Protocol):
    """What collections tell models in their own words."""

    async def load_prompts(self, key: CollectionKey) -> CollectionPrompts:
        """What is in force. Raises NotFound where the collection does not exist."""
        ...


def _digest(*parts: object) -> str:
    """Half a SHA-256 in hexadecimal: short, because it travels with every document."""
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
