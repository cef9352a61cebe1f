"""What `doctor` looks at of model endpoints: whether they answer, take the key and have the models.

Nothing is asked of a model, so it costs nothing.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Set
from typing import cast

import httpx

from graphmill.application.checks import Check
from graphmill.errors import SettingsError
from graphmill.model_settings import EndpointSettings, ModelRole, key_of
from graphmill.settings import Settings

_SECONDS = 5.0
# A gateway's list of a thousand models has some hundred kilobytes.
_MOST_BYTES = 4_000_000
_SHOWN_MODELS = 5


async def check_endpoints(settings: Settings) -> AsyncIterator[Check]:
    """By the settings of this process, which a worker elsewhere may not share."""
    if not settings.model_endpoints:
        yield Check("models", True, "no endpoint is set: graphs are built by method fast")
    roles = {settings.model_for(role) for role in ModelRole} - {""}
    for endpoint in settings.model_endpoints:
        wanted = {endpoint.models.get(model, model) for model in roles if endpoint.serves(model)}
        ok, words = await _check(endpoint, wanted)
        yield Check(f"endpoint {endpoint.name}", ok, f"{endpoint.base_url} {words}")


async def _check(endpoint: EndpointSettings, wanted: Set[str]) -> tuple[bool | None, str]:
    try:
        key = key_of(endpoint)
    except SettingsError as error:
        return False, f"cannot be asked: {error}"
    headers = {"Authorization": f"Bearer {key or 'none'}"}
    try:
        async with (
            asyncio.timeout(_SECONDS),
            httpx.AsyncClient(timeout=_SECONDS) as client,
            client.stream("GET", f"{endpoint.base_url}/models", headers=headers) as answer,
        ):
            if answer.status_code in (401, 403):
                return False, f"refuses the key ({answer.status_code})"
            if not answer.is_success:
                return None, f"answers, but does not list its models ({answer.status_code})"
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _MOST_BYTES:
                    return None, "answers, and lists more models than can be read here"
    except (httpx.HTTPError, TimeoutError) as error:
        return False, (
            f"does not answer ({type(error).__name__}); check the address, and that it runs"
        )
    listed = _models(bytes(body))
    if listed is None:
        return None, "answers, but does not list its models"
    if missing := sorted(wanted - listed):
        some = ", ".join(sorted(listed)[:_SHOWN_MODELS]) or "none"
        return None, f"answers, and does not list {', '.join(missing)}; it has {some}"
    return True, f"answers and has {', '.join(sorted(wanted)) or 'no model that is asked for'}"


def _models(body: bytes) -> frozenset[str] | None:
    """Names in a list of models; None where it is no such list."""
    try:
        rows = json.loads(body)["data"]
        return frozenset(cast(str, row["id"]) for row in rows if isinstance(row["id"], str))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
