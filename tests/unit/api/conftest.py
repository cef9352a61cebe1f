"""The API over a real PostgreSQL, with Temporal away."""

from collections.abc import AsyncIterator

import httpx
import pytest

from api.app import create_app
from graphmill.embedded.home import Addresses
from graphmill.settings import Settings
from tests.support.postgres import database_url, pool, postgres_server

__all__ = ["database_url", "pool", "postgres_server"]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GRAPHMILL_LIMIT_DOCUMENT_BYTES", "5000000")
    monkeypatch.setenv("GRAPHMILL_LIMIT_UPLOAD_FILES", "100")
    return Settings()


@pytest.fixture
async def http(settings: Settings, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    # Nobody listens on port 1: the API has to do without Temporal.
    app = create_app(settings, Addresses(database_url, "127.0.0.1:1"))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        yield client
