"""Servers for tests of what needs them."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import database_url, pool, postgres_server
from tests.support.temporal import temporal_server

__all__ = ["database_url", "pool", "postgres_server"]


@pytest.fixture(scope="session")
def temporal_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with temporal_server(tmp_path_factory.mktemp("temporal")) as address:
        yield address
