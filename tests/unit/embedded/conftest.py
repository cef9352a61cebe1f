"""Fixtures of the embedded stack's tests: what was said, and a home."""

from collections.abc import Callable
from pathlib import Path

import pytest

from graphmill.embedded.home import Home
from graphmill.embedded.postgres_server import PostgresServer


@pytest.fixture
def said() -> list[str]:
    """The lines told to the user, in order."""
    return []


@pytest.fixture
def tell(said: list[str]) -> Callable[[str], None]:
    return said.append


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home that is made but holds nothing."""
    home = Home.at(tmp_path / "home")
    home.create()
    return home


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster as initdb leaves it, to copy: initdb takes longer than most of these tests."""
    home = Home.at(tmp_path_factory.mktemp("cluster"))
    home.create()
    PostgresServer.of(home).prepare()
    return home.postgres
