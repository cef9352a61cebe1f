"""Every setting, read once from the environment and graphmill.toml (the environment wins)."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from graphmill.errors import SettingsError


class ChunkSettings(BaseSettings):
    """How text becomes text units, in tokens of o200k_base."""

    model_config = SettingsConfigDict(env_prefix="GRAPHMILL_CHUNK_", frozen=True, extra="forbid")

    size: int = Field(default=1200, ge=50, le=100_000)
    overlap: int = Field(default=100, ge=0)


class PruneSettings(BaseSettings):
    """What the fast method leaves out of the graph (GraphRAG's prune_graph)."""

    model_config = SettingsConfigDict(env_prefix="GRAPHMILL_PRUNE_", frozen=True, extra="forbid")

    min_node_freq: int = Field(default=2, ge=1)
    min_node_degree: int = Field(default=1, ge=0)
    min_edge_weight_pct: float = Field(default=40, ge=0, le=100)


class LimitSettings(BaseSettings):
    """Bounds on what one document may cost."""

    model_config = SettingsConfigDict(env_prefix="GRAPHMILL_LIMIT_", frozen=True, extra="forbid")

    document_bytes: int = Field(default=500_000_000, ge=1)
    document_characters: int = Field(default=50_000_000, ge=1)
    parse_seconds: float = Field(default=120, gt=0)
    parse_memory_bytes: int = Field(default=3_000_000_000, ge=256_000_000)
    unpacked_bytes: int = Field(default=500_000_000, ge=1)
    unpacked_files: int = Field(default=10_000, ge=1)
    unpacked_ratio: float = Field(default=100, ge=1)


class Settings(BaseSettings):
    """Settings of the whole service. Unset addresses mean the embedded part."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, toml_file="graphmill.toml"
    )

    home: Path = Field(default=Path(".graphmill"), validation_alias="GRAPHMILL_HOME")
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
    temporal_port: int = Field(
        default=7233, ge=0, le=65535, validation_alias="GRAPHMILL_TEMPORAL_PORT"
    )
    temporal_ui_port: int = Field(
        default=8233, ge=0, le=65535, validation_alias="GRAPHMILL_TEMPORAL_UI_PORT"
    )
    api_host: str = Field(default="127.0.0.1", validation_alias="GRAPHMILL_API_HOST")
    api_port: int = Field(default=8000, ge=0, le=65535, validation_alias="GRAPHMILL_API_PORT")
    uvicorn_workers: int = Field(default=1, ge=1, validation_alias="UVICORN_WORKERS")
    uvicorn_keep_alive: int = Field(default=30, ge=1, validation_alias="UVICORN_KEEP_ALIVE")
    cpu_workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, validation_alias="GRAPHMILL_CPU_WORKERS"
    )
    cpu_tasks_per_process: int = Field(
        default=500, ge=1, validation_alias="GRAPHMILL_CPU_TASKS_PER_PROCESS"
    )
    llm_concurrency: int = Field(default=200, ge=1, validation_alias="GRAPHMILL_LLM_CONCURRENCY")
    embedding_concurrency: int = Field(
        default=2, ge=1, validation_alias="GRAPHMILL_EMBEDDING_CONCURRENCY"
    )
    store_concurrency: int = Field(default=8, ge=1, validation_alias="GRAPHMILL_STORE_CONCURRENCY")
    chunk: ChunkSettings = Field(default_factory=ChunkSettings)
    prune: PruneSettings = Field(default_factory=PruneSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # Settings(home=...) goes by field name; the environment must not: HOME is the user's.
        env_settings.config = env_settings.config | SettingsConfigDict(populate_by_name=False)
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read and check all settings; overrides go by field name.

    Raises:
        SettingsError: names the setting, what it was and what was expected.
    """
    try:
        return Settings(**(overrides or {}))
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, e['loc']))} is {e['input']!r}: {e['msg']}" for e in error.errors()
        ]
        raise SettingsError("wrong setting: " + "; ".join(lines)) from error
    except ValueError as error:  # TOML that does not parse
        raise SettingsError(f"graphmill.toml cannot be read: {error}") from error
