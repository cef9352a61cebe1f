"""Every setting, read once from the environment and graphmill.toml (the environment wins)."""

import ipaddress
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from graphmill.errors import SettingsError
from graphmill.http_address import check_address, check_graphmill_url
from graphmill.model_settings import ProviderSettings
from graphmill.priority_settings import PrioritySettings
from graphmill.roles import Role
from graphmill.telemetry.logs import LogFormat, LogLevel


class ChunkSettings(BaseModel):
    """How text becomes text units, in tokens of o200k_base."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=1200, ge=50, le=100_000)
    overlap: int = Field(default=100, ge=0)

    @model_validator(mode="after")
    def _check(self) -> "ChunkSettings":
        if self.overlap >= self.size:
            raise ValueError(f"the overlap, {self.overlap}, must be smaller than size, {self.size}")
        return self


class PruneSettings(BaseModel):
    """What the fast method leaves out of the graph (GraphRAG's prune_graph)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_node_freq: int = Field(default=2, ge=1)
    min_node_degree: int = Field(default=1, ge=0)
    min_edge_weight_pct: float = Field(default=40, ge=0, le=100)


class LimitSettings(BaseModel):
    """Bounds on what one document may cost, and one upload of some."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    document_bytes: int = Field(default=500_000_000, ge=1)
    upload_bytes: int = Field(default=2_000_000_000, ge=1)
    upload_files: int = Field(default=10_000, ge=1, le=100_000)
    document_characters: int = Field(default=50_000_000, ge=1)
    # Three tries fit into the 10 minutes that Temporal gives the activity (workflows/policies.py).
    parse_seconds: float = Field(default=120, gt=0, le=180)
    parse_memory_bytes: int = Field(default=3_000_000_000, ge=256_000_000)
    unpacked_bytes: int = Field(default=500_000_000, ge=1)
    unpacked_files: int = Field(default=10_000, ge=1)
    unpacked_ratio: float = Field(default=100, ge=1)


def _known_process(name: str) -> str:
    if name not in ("api", "commands") and not set(name.split("_")) <= set(Role):
        raise ValueError(
            f"expected is one of {', '.join(Role)}, several of them joined by _ where a process has"
            " several roles, api or commands"
        )
    return name


class Quantization(StrEnum):
    """What Qdrant keeps of vectors for the first look: them, a byte or a bit for each number. The
    best of that look are compared whole."""

    NONE = "none"
    SCALAR = "scalar"
    BINARY = "binary"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_qdrant_url(url: str) -> str:
    return check_address(url, "http://localhost:6333", "QDRANT_API_KEY")


# Tables of graphmill.toml, and how the environment's names for what is in them begin.
_SECTIONS = {
    "chunk": "GRAPHMILL_CHUNK_",
    "prune": "GRAPHMILL_PRUNE_",
    "limits": "GRAPHMILL_LIMIT_",
    "extraction": "GRAPHMILL_EXTRACTION_",
    "deployment": "GRAPHMILL_DEPLOYMENT_",
    "priorities": "GRAPHMILL_PRIORITY_",
}
# Tables that only graphmill.toml has.
_TABLES = ("endpoints", "models")


class _Environment(EnvSettingsSource):
    """The environment under our own names only, key by key above graphmill.toml."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        # Settings(home=...) goes by field name; the environment must not: HOME is the user's.
        self.config = self.config | SettingsConfigDict(populate_by_name=False)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        if field_name in (*_SECTIONS, *_TABLES):  # not from a variable of that name
            return None, field_name, False
        return super().get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        for section, prefix in _SECTIONS.items():
            given = {
                name.removeprefix(prefix).lower(): value
                for name, value in os.environ.items()
                if name.startswith(prefix)
            }
            if given:
                values[section] = given
        return values


class Settings(ProviderSettings, BaseSettings):
    """Settings of the whole service. Unset addresses mean the embedded part."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, toml_file="graphmill.toml"
    )

    home: Path = Field(default=Path(".graphmill"), validation_alias="GRAPHMILL_HOME")
    # A server of graphmill that commands ask, in the place of servers of their own; and the key.
    url: Annotated[str, AfterValidator(check_graphmill_url)] | None = Field(
        default=None, validation_alias="GRAPHMILL_URL"
    )
    api_key: SecretStr = Field(default=SecretStr(""), validation_alias="GRAPHMILL_API_KEY")
    tenant: str = Field(
        default="default",
        validation_alias="GRAPHMILL_TENANT",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$",
    )
    temporal_address: str | None = Field(default=None, validation_alias="TEMPORAL_ADDRESS")
    temporal_namespace: str = Field(default="default", validation_alias="TEMPORAL_NAMESPACE")
    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL", repr=False)
    database_connections: int = Field(
        default=10, ge=1, validation_alias="GRAPHMILL_DATABASE_CONNECTIONS"
    )
    # Stores that hold published graphs too; None: PostgreSQL alone does.
    neo4j_uri: str | None = Field(default=None, validation_alias="NEO4J_URI", repr=False)
    neo4j_username: str = Field(default="neo4j", validation_alias="NEO4J_USERNAME")
    neo4j_password: str = Field(default="", validation_alias="NEO4J_PASSWORD", repr=False)
    neo4j_connections: int = Field(
        default=100, ge=1, validation_alias="NEO4J_MAX_CONNECTION_POOL_SIZE"
    )
    # Whether search reads entities and relationships there, where PostgreSQL is quicker.
    neo4j_search: bool = Field(default=False, validation_alias="NEO4J_SEARCH")
    qdrant_url: Annotated[str, AfterValidator(_check_qdrant_url)] | None = Field(
        default=None, validation_alias="QDRANT_URL", repr=False
    )
    qdrant_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="QDRANT_API_KEY")
    qdrant_batch_size: int = Field(
        default=100, ge=1, le=10_000, validation_alias="QDRANT_BATCH_SIZE"
    )
    qdrant_parallel_uploads: int = Field(
        default=4, ge=1, le=64, validation_alias="QDRANT_PARALLEL_UPLOADS"
    )
    qdrant_quantization: Quantization = Field(
        default=Quantization.NONE, validation_alias="QDRANT_QUANTIZATION"
    )
    qdrant_on_disk: bool = Field(default=False, validation_alias="QDRANT_ON_DISK")
    temporal_port: int = Field(
        default=7233, ge=0, le=65535, validation_alias="GRAPHMILL_TEMPORAL_PORT"
    )
    temporal_ui_port: int = Field(
        default=8233, ge=0, le=65535, validation_alias="GRAPHMILL_TEMPORAL_UI_PORT"
    )
    api_host: str = Field(default="127.0.0.1", validation_alias="GRAPHMILL_API_HOST")
    api_port: int = Field(default=8000, ge=0, le=65535, validation_alias="GRAPHMILL_API_PORT")
    # On any other address than loopback they are needed anyway.
    api_require_keys: bool = Field(default=False, validation_alias="GRAPHMILL_API_REQUIRE_KEYS")
    # What is being answered when the API is told to end has so many seconds for it.
    api_grace_seconds: int = Field(
        default=20, ge=0, le=3600, validation_alias="GRAPHMILL_API_GRACE_SECONDS"
    )
    # A body has so long to come; of an upload, its next part.
    api_body_seconds: float = Field(
        default=30.0, gt=0, le=3600, validation_alias="GRAPHMILL_API_BODY_SECONDS"
    )
    # After so long an event stream ends, and whoever comes again shows his key again.
    api_stream_seconds: float = Field(
        default=300.0, gt=0, le=86_400, validation_alias="GRAPHMILL_API_STREAM_SECONDS"
    )
    # In each process: event streams and uploads at once.
    api_streams: int = Field(default=2000, ge=1, validation_alias="GRAPHMILL_API_STREAMS")
    api_uploads: int = Field(default=500, ge=1, validation_alias="GRAPHMILL_API_UPLOADS")
    # Where each worker serves /metrics; unset: nowhere. Those of `graphmill up` take this port and
    # the next ones.
    metrics_host: str = Field(default="127.0.0.1", validation_alias="GRAPHMILL_METRICS_HOST")
    metrics_port: int | None = Field(
        default=None, ge=1, le=65_000, validation_alias="GRAPHMILL_METRICS_PORT"
    )
    # Of workers and the API, on stderr: lines for people, or JSON for what gathers them.
    log_format: LogFormat = Field(default=LogFormat.TEXT, validation_alias="GRAPHMILL_LOG_FORMAT")
    log_level: LogLevel = Field(default=LogLevel.INFO, validation_alias="GRAPHMILL_LOG_LEVEL")
    uvicorn_workers: int = Field(default=1, ge=1, validation_alias="UVICORN_WORKERS")
    uvicorn_keep_alive: int = Field(default=30, ge=1, validation_alias="UVICORN_KEEP_ALIVE")
    cpu_workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, validation_alias="GRAPHMILL_CPU_WORKERS"
    )
    cpu_tasks_per_process: int = Field(
        default=500, ge=1, validation_alias="GRAPHMILL_CPU_TASKS_PER_PROCESS"
    )
    llm_concurrency: int = Field(default=200, ge=1, validation_alias="GRAPHMILL_LLM_CONCURRENCY")
    # Answers of models count for so many hours; unset: for ever.
    model_answer_hours: float | None = Field(
        default=None, gt=0, validation_alias="GRAPHMILL_MODEL_ANSWER_HOURS"
    )
    # Bounds on the file of one batch; OpenAI takes no more.
    batch_lines: int = Field(
        default=50_000, ge=1, le=50_000, validation_alias="GRAPHMILL_BATCH_LINES"
    )
    batch_bytes: int = Field(
        default=200_000_000, ge=1, le=200_000_000, validation_alias="GRAPHMILL_BATCH_BYTES"
    )
    embedding_concurrency: int = Field(
        default=2, ge=1, validation_alias="GRAPHMILL_EMBEDDING_CONCURRENCY"
    )
    store_concurrency: int = Field(default=8, ge=1, validation_alias="GRAPHMILL_STORE_CONCURRENCY")
    chunk: ChunkSettings = Field(default_factory=ChunkSettings)
    prune: PruneSettings = Field(default_factory=PruneSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    # How many processes of each kind run in all, on whatever machines: for the sum of their
    # connections (graphmill/database_connections.py). Empty: what `graphmill up` runs.
    deployment: dict[
        Annotated[str, AfterValidator(_known_process)], Annotated[int, Field(ge=0)]
    ] = Field(default_factory=dict[str, int])
    priorities: PrioritySettings = Field(default_factory=PrioritySettings)

    @property
    def api_needs_keys(self) -> bool:
        """Whether the API answers only those who have a key."""
        return self.api_require_keys or not _is_loopback(self.api_host)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, _Environment(settings_cls), TomlConfigSettingsSource(settings_cls))


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read and check all settings; overrides go by field name.

    Raises:
        SettingsError: names the setting, what it was and what was expected.
    """
    try:
        return Settings(**(overrides or {}))
    except ValidationError as error:
        raise SettingsError("wrong setting: " + "; ".join(map(_words, error.errors()))) from None
    except ValueError as error:  # TOML that does not parse
        raise SettingsError(f"graphmill.toml cannot be read: {error}") from error


def _words(error: ErrorDetails) -> str:
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"{name} is not known to this release"
    # What was given may be a secret, or hold one.
    if any(part in name.upper() for part in ("KEY", "PASSWORD", "URL", "URI")):
        return f"{name}: {error['msg']}"
    return f"{name} is {error['input']!r}: {error['msg']}"
