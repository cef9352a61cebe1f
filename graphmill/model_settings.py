"""Endpoints of models as settings: [[endpoints]] and [models] of graphmill.toml, or OPENAI_... and
ANTHROPIC_... for one of each."""

from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from graphmill.errors import InvalidRequest
from graphmill.standard.graph_schema import DEFAULT_ENTITY_TYPES, GraphSchema

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com/v1"
# Small, cheap and with structured outputs; what any other endpoint calls its model has to be told.
DEFAULT_MODEL = "gpt-4.1-mini"


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected is an address such as http://localhost:8080/v1")
    if parts.username or parts.password:
        raise ValueError("a key belongs into api_key_env or OPENAI_API_KEY, not into the address")
    return url.rstrip("/")


def _split_names(given: object) -> object:
    """The environment has no lists: names there are parted by commas."""
    if not isinstance(given, str):
        return given
    return [name.strip() for name in given.split(",") if name.strip()]


Url = Annotated[str, AfterValidator(_check_url)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split_names)]


class EndpointSettings(BaseModel):
    """One OpenAI-compatible endpoint and what it bears.

    `models`: those it serves, each under the name that [models] uses, with the name that the
    endpoint uses; empty: any, under the same name. `places`: calls at once; unset: found out, up to
    GRAPHMILL_LLM_CONCURRENCY. Prices: dollars for a million tokens; unset: not known, which counts
    as nothing, but no run with a budget is begun. `batch`: it has a Batch API, as far as anybody
    knows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    base_url: Url
    # The variable that holds the key; the key itself stands in no file.
    api_key_env: str | None = None
    api_key: SecretStr | None = Field(default=None, exclude=True)
    models: dict[str, str] = Field(default_factory=dict[str, str])
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    places: int | None = Field(default=None, ge=1)
    weight: float = Field(default=1.0, gt=0)
    prompt_price: float | None = Field(default=None, ge=0)
    completion_price: float | None = Field(default=None, ge=0)
    timeout_seconds: float = Field(default=120.0, gt=0, le=600)
    batch: bool = True

    @property
    def priced(self) -> bool:
        return self.prompt_price is not None and self.completion_price is not None


class ModelRole(StrEnum):
    """What models are asked for."""

    EXTRACTION = "extraction"
    SUMMARIES = "summaries"
    REPORTS = "reports"
    ANSWERS = "answers"
    EMBEDDINGS = "embeddings"


class ModelSettings(BaseModel):
    """Which model does what; unset: OPENAI_MODEL, for embeddings OPENAI_EMBEDDING_MODEL or, where
    that is unset too, the local one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    extraction: str | None = None
    summaries: str | None = None
    reports: str | None = None
    answers: str | None = None
    embeddings: str | None = None


class ExtractionSettings(BaseModel):
    """What models are asked to find (graphmill.standard.graph_schema.GraphSchema).

    `gleanings`: how often a text unit is asked for what the answers before have missed;
    `language`: of all descriptions, such as German; unset: the text's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    entity_types: Names = DEFAULT_ENTITY_TYPES
    relationship_types: Names = ()
    patterns: tuple[tuple[str, str, str], ...] = ()
    strict: bool = False
    gleanings: int = Field(default=1, ge=0, le=5)
    language: str = Field(default="", max_length=60)

    @model_validator(mode="after")
    def _check_schema(self) -> Self:
        try:
            _ = self.graph_schema
        except InvalidRequest as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def graph_schema(self) -> GraphSchema:
        return GraphSchema(self.entity_types, self.relationship_types, self.patterns, self.strict)


class ProviderSettings(BaseModel):
    """OPENAI_... and ANTHROPIC_..., from which one endpoint each is made.

    A key alone makes none: it may be there for another program, and calls cost money.
    """

    openai_base_url: Url | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_model: str | None = Field(default=None, min_length=1, validation_alias="OPENAI_MODEL")
    openai_embedding_model: str | None = Field(
        default=None, min_length=1, validation_alias="OPENAI_EMBEDDING_MODEL"
    )
    openai_max_rpm: float | None = Field(default=None, gt=0, validation_alias="OPENAI_MAX_RPM")
    openai_max_tpm: float | None = Field(default=None, gt=0, validation_alias="OPENAI_MAX_TPM")
    openai_prompt_price: float | None = Field(
        default=None, ge=0, validation_alias="OPENAI_PROMPT_PRICE"
    )
    openai_completion_price: float | None = Field(
        default=None, ge=0, validation_alias="OPENAI_COMPLETION_PRICE"
    )
    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY")
    anthropic_model: str | None = Field(
        default=None, min_length=1, validation_alias="ANTHROPIC_MODEL"
    )
    anthropic_max_rpm: float | None = Field(
        default=None, gt=0, validation_alias="ANTHROPIC_MAX_RPM"
    )
    endpoints: tuple[EndpointSettings, ...] = ()
    models: ModelSettings = Field(default_factory=ModelSettings)
    extraction: ExtractionSettings = Field(default_factory=ExtractionSettings)

    @model_validator(mode="after")
    def _check_endpoints(self) -> Self:
        names = [endpoint.name for endpoint in self.model_endpoints]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two endpoints have the name {min(twice)}")
        return self

    @property
    def model_endpoints(self) -> tuple[EndpointSettings, ...]:
        """All that may be asked; none: there is no model, and method fast is all there is."""
        found = list(self.endpoints)
        if self.openai_base_url or self.openai_model:
            found.append(
                EndpointSettings(
                    name="openai",
                    base_url=self.openai_base_url or OPENAI_URL,
                    api_key=self.openai_api_key,
                    requests_per_minute=self.openai_max_rpm,
                    tokens_per_minute=self.openai_max_tpm,
                    prompt_price=self.openai_prompt_price,
                    completion_price=self.openai_completion_price,
                )
            )
        if self.anthropic_model:
            found.append(
                EndpointSettings(
                    name="anthropic",
                    base_url=ANTHROPIC_URL,
                    api_key=self.anthropic_api_key,
                    models={self.anthropic_model: self.anthropic_model},
                    requests_per_minute=self.anthropic_max_rpm,
                    # Anthropic's own Batch API is another one than OpenAI's.
                    batch=False,
                )
            )
        return tuple(found)

    def model_for(self, role: ModelRole) -> str:
        """The model that does this; of embeddings, "" where the local one does."""
        own = getattr(self.models, role)
        if own or role is ModelRole.EMBEDDINGS:
            return own or self.openai_embedding_model or ""
        return self.openai_model or self.anthropic_model or DEFAULT_MODEL
