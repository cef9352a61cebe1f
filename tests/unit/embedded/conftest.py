"""Fixtures of the embedded stack's tests: what was said, and a home."""

from collections.abc import Callable
from pathlib import Path

import pytest

from graphmill.embedded.home import Home


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
