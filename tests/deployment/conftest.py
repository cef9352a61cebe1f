"""Where what is deployed stands, and an .env for a machine of 32 GiB."""

from pathlib import Path

import pytest

from graphmill.compose.environment import make
from graphmill.compose.sizing import Machine

MACHINE = Machine(32 * 1024**3, 8, {"cpu": 2, "store": 2})


@pytest.fixture(scope="session")
def compose_file(project_root: Path) -> Path:
    return project_root / "docker-compose.temporal.yml"


@pytest.fixture(scope="session")
def deployment(project_root: Path) -> Path:
    """What is mounted into services."""
    return project_root / "deployment"


@pytest.fixture(scope="session")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("env") / "env"
    file.write_text(make(MACHINE))
    return file
