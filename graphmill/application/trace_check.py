"""What `doctor` looks at of traces: whether the collector takes them."""

import asyncio
import os
from collections.abc import AsyncIterator

import httpx

from graphmill.application.checks import Check
from graphmill.errors import SettingsError
from graphmill.telemetry.tracing import HEADERS, TRACES_HEADERS, traces_url

_SECONDS = 5.0


async def check_traces() -> AsyncIterator[Check]:
    """Nothing where none are sent."""
    try:
        url = traces_url()
    except SettingsError as error:
        yield Check("traces", False, str(error))
        return
    if url is not None:
        ok, words = await _check(url)
        yield Check("traces", ok, f"{url} {words}")


async def _check(url: str) -> tuple[bool, str]:
    from opentelemetry.util.re import parse_env_headers

    given = os.environ.get(TRACES_HEADERS) or os.environ.get(HEADERS) or ""
    headers = dict(parse_env_headers(given, liberal=True))
    headers["content-type"] = "application/x-protobuf"
    try:
        async with asyncio.timeout(_SECONDS), httpx.AsyncClient(timeout=_SECONDS) as client:
            # No span at all, in protobuf.
            answer = await client.post(url, content=b"", headers=headers)
    except (httpx.HTTPError, TimeoutError) as error:
        return False, (
            f"does not answer ({type(error).__name__}); check OTEL_EXPORTER_OTLP_ENDPOINT, and that"
            " a collector runs there"
        )
    match answer.status_code:
        case status if answer.is_success:
            return True, f"takes traces ({status})"
        case 401 | 403 as status:
            return False, f"refuses the key ({status}); check OTEL_EXPORTER_OTLP_HEADERS"
        case status:
            return False, f"takes no traces ({status}); is that the port of OTLP over HTTP (4318)?"
