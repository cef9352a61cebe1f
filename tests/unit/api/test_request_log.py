"""What the log says of a request: its route and status, and nothing that its sender wrote."""

import logging

import httpx
import pytest
from fastapi import FastAPI, Response

from api.request_log import RequestLog


def small_app() -> FastAPI:
    app = FastAPI()

    @app.get("/v1/collections/{name}")
    async def collection(name: str) -> str:
        return name

    @app.get("/health")
    async def health(status: int = 200) -> Response:
        return Response(status_code=status)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("words of a document")

    app.add_middleware(RequestLog)
    return app


@pytest.mark.parametrize(
    ("method", "path", "level", "line"),
    [
        ("GET", "/v1/collections/secret?q=secret", "INFO", "GET /v1/collections/{name}: 200"),
        ("POST", "/v1/collections/secret", "INFO", "POST /v1/collections/{name}: 405"),
        ("GET", "/secret\nINFO", "INFO", "no such route: 404"),
        ("SECRET", "/nowhere", "INFO", "no such route: 404"),
        ("SECRET", "/health", "DEBUG", "(no such method) /health: 405"),
        ("GET", "/health", "DEBUG", "GET /health: 200"),
        ("GET", "/health?status=503", "WARNING", "GET /health: 503"),
        ("GET", "/broken", "WARNING", "GET /broken: 500"),
    ],
)
async def test_a_line_for_each_request(
    caplog: pytest.LogCaptureFixture, method: str, path: str, level: str, line: str
) -> None:
    caplog.set_level(logging.DEBUG, "api.request_log")
    transport = httpx.ASGITransport(small_app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        await client.request(method, path.replace("\n", "%0a"))
    (told,) = (record for record in caplog.records if record.name == "api.request_log")
    words = told.getMessage()
    assert (told.levelname, words.partition(" in ")[0]) == (level, line)
    assert "secret" not in words.lower()
