"""Endpoints of models as settings: [[endpoints]] and [models] of graphmill.toml, or OPENAI_... and
ANTHROPIC_... for one of each."""

import os
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
    StringConstraints,
    model_validator,
)

from graphmill.errors import InvalidRequest, SettingsError
from graphmill.standard.claims import DEFAULT_CLAIM_DESCRIPTION, MAX_CLAIM_DESCRIPTION
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
ClaimDescription = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_CLAIM_DESCRIPTION),
]


class PriceSettings(BaseModel):
    """Dollars for a million tokens of one model, where it costs another sum than the endpoint's
    others; `completion` of what it answers, which is nothing for embeddings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: float = Field(ge=0)
    completion: float = Field(default=0.0, ge=0)


class EndpointSettings(BaseModel):
    """One OpenAI-compatible endpoint and what it bears.

    `models`: those it serves, each under the name that [models] uses, with the name that the
    endpoint uses; empty: any, under the same name. `places`: calls at once; unset: found out, up to
    GRAPHMILL_LLM_CONCURRENCY. Prices: dollars for a million tokens, of a model that has one of its
    own in `prices` (by the name that [models] uses) that; unset: not known, which counts as
    nothing, but no run with a budget is begun. `batch`: it has a Batch API, as far as anybody
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
    prices: dict[str, PriceSettings] = Field(default_factory=dict[str, PriceSettings])
    timeout_seconds: float = Field(default=120.0, gt=0, le=600)
    batch: bool = True

    def serves(self, model: str) -> bool:
        return not self.models or model in self.models

    def price_of(self, model: str) -> PriceSettings | None:
        """None: not known."""
        if model in self.prices:
            return self.prices[model]
        if self.prompt_price is None or self.completion_price is None:
            return None
        return PriceSettings(prompt=self.prompt_price, completion=self.completion_price)


def key_of(endpoint: EndpointSettings) -> str:
    """The key that an endpoint is asked with; "" where it needs none.

    Raises:
        SettingsError: the variable that is to hold it is not set.
    """
    if not endpoint.api_key_env:
        return endpoint.api_key.get_secret_value() if endpoint.api_key else ""
    key = os.environ.get(endpoint.api_key_env, "")
    if not key:
        raise SettingsError(
            f"endpoint {endpoint.name!r} takes its key from {endpoint.api_key_env}, which is not"
            " set"
        )
    return key


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
    `language`: of all descriptions, such as German; unset: the text's own; `claims`: whether each
    text unit is asked for claims too (covariates), and `claim_description` which.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    entity_types: Names = DEFAULT_ENTITY_TYPES
    relationship_types: Names = ()
    patterns: tuple[tuple[str, str, str], ...] = ()
    strict: bool = False
    gleanings: int = Field(default=1, ge=0, le=5)
    language: str = Field(default="", max_length=60)
    claims: bool = False
    claim_description: ClaimDescription = DEFAULT_CLAIM_DESCRIPTION

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
    openai_embedding_price: float | None = Field(
        default=None, ge=0, validation_alias="OPENAI_EMBEDDING_PRICE"
    )
    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY")
    anthropic_model: str | None = Field(
        default=None, min_length=1, validation_alias="ANTHROPIC_MODEL"
    )
    anthropic_max_rpm: float | None = Field(
        default=None, gt=0, validation_alias="ANTHROPIC_MAX_RPM"
    )
    anthropic_max_tpm: float | None = Field(
        default=None, gt=0, validation_alias="ANTHROPIC_MAX_TPM"
    )
    anthropic_prompt_price: float | None = Field(
        default=None, ge=0, validation_alias="ANTHROPIC_PROMPT_PRICE"
    )
    anthropic_completion_price: float | None = Field(
        default=None, ge=0, validation_alias="ANTHROPIC_COMPLETION_PRICE"
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
        embedding = self.model_for(ModelRole.EMBEDDINGS)
        if embedding and not any(one.serves(embedding) for one in self.model_endpoints):
            raise ValueError(
                f"no endpoint serves the embedding model {embedding!r}; name it in models of one of"
                " [[endpoints]], or leave it out (OPENAI_EMBEDDING_MODEL, or embeddings of"
                " [models]): embeddings are local then"
            )
        return self

    @property
    def model_endpoints(self) -> tuple[EndpointSettings, ...]:
        """All that may be asked for text or vectors."""
        found = list(self.endpoints)
        embedding = self.openai_embedding_model
        if self.openai_base_url or self.openai_model or embedding:
            # With nothing but a model for embeddings it is asked for nothing else.
            alone = embedding and not (self.openai_base_url or self.openai_model)
            found.append(
                EndpointSettings(
                    name="openai",
                    base_url=self.openai_base_url or OPENAI_URL,
                    api_key=self.openai_api_key,
                    models={embedding: embedding} if embedding and alone else {},
                    requests_per_minute=self.openai_max_rpm,
                    tokens_per_minute=self.openai_max_tpm,
                    prompt_price=self.openai_prompt_price,
                    completion_price=self.openai_completion_price,
                    prices={}
                    if embedding is None or self.openai_embedding_price is None
                    else {embedding: PriceSettings(prompt=self.openai_embedding_price)},
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
                    tokens_per_minute=self.anthropic_max_tpm,
                    prompt_price=self.anthropic_prompt_price,
                    completion_price=self.anthropic_completion_price,
                    # Anthropic's own Batch API is another one than OpenAI's.
                    batch=False,
                )
            )
        return tuple(found)

    @property
    def answers_text(self) -> bool:
        """Whether any endpoint serves more than embeddings; if not, method fast is all there is."""
        embedding = {self.model_for(ModelRole.EMBEDDINGS)}
        return any(not one.models or one.models.keys() - embedding for one in self.model_endpoints)

    def priced(self, *roles: ModelRole) -> bool:
        """Whether it is known what the models of these roles cost, wherever they are asked."""
        return all(
            one.price_of(model) is not None
            for model in {self.model_for(role) for role in roles} - {""}
            for one in self.model_endpoints
            if one.serves(model)
        )

    def model_for(self, role: ModelRole) -> str:
        """The model that does this; of embeddings, "" where the local one does."""
        own = getattr(self.models, role)
        if own or role is ModelRole.EMBEDDINGS:
            return own or self.openai_embedding_model or ""
        return self.openai_model or self.anthropic_model or DEFAULT_MODEL
