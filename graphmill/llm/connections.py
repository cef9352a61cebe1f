"""HTTP to one endpoint: bodies out, bodies in, over connections that are kept.

Through aiohttp, since a call by the openai library costs this process seven times the CPU
(docs/decisions/model-calls.md). It repeats nothing, keeps no cookies, and reads no answer beyond a
bound.
"""

from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
import openai
from pydantic_core import to_json
from yarl import URL

from graphmill.llm.refusals import Refused, read_refusal

_CONNECT_SECONDS = 10.0
# Endpoints close what is idle for longer, and a socket that they closed is still one of ours.
_IDLE_SECONDS = 15.0
# The longest answer that is asked for has some 200 kB, and a batch of vectors under 6 MB.
MOST_BYTES = 16_000_000
# Of what an endpoint says when it refuses.
_MOST_REFUSAL = 64_000


class TooLarge(Exception):
    """An answer that is longer than any that was asked for."""


class Connections:
    """Who asks bounds how long, and how many at once: each call has a connection of its own while
    it lasts. Made in an event loop."""

    def __init__(self, base_url: str, api_key: str, idle_seconds: float = _IDLE_SECONDS) -> None:
        self._base_url = URL(base_url)
        # The certificates that the openai library trusts, wherever Python looks for its own.
        trusted = httpx2.create_ssl_context() if self._base_url.scheme == "https" else True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=idle_seconds, ssl=trusted),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Authorization": f"Bearer {api_key}",
                "User-Agent": "graphmill",
                **_headers_for(api_key),
            },
            # Not trust_env, which would look into .netrc for each call.
            proxy=_proxy_for(self._base_url),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        )

    async def post(self, path: str, body: object) -> bytes:
        """The body of the answer.

        Raises:
            Refused: its status says that it is none.
            TooLarge: it has more than MOST_BYTES.
            aiohttp.ClientError: the endpoint cannot be reached, or the connection broke.
        """
        url = self._base_url.joinpath(path).with_query(self._base_url.query)
        # No redirect is followed: nobody said that documents may go where it leads.
        call = self._session.post(url, data=to_json(body), allow_redirects=False)
        async with call as response:
            if response.status >= 300:
                said = await _read(response, _MOST_REFUSAL)
                raise Refused(read_refusal(response.status, response.headers, said))
            content = await _read(response, MOST_BYTES)
            if len(content) > MOST_BYTES:
                raise TooLarge
            return bytes(content)

    async def close(self) -> None:
        """When no call is in the air any more."""
        await self._session.close()


async def _read(response: aiohttp.ClientResponse, most: int) -> bytearray:
    """All of it, or somewhat more than `most` bytes; what is left is not waited for."""
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) > most:
            break
    return content


def _proxy_for(url: URL) -> str | None:
    """What the environment names for it (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY)."""
    if proxy_bypass(url.host or ""):
        return None
    proxies = getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    return found if found is None or "://" in found else f"http://{found}"


def _headers_for(api_key: str) -> dict[str, str]:
    """What the openai library says of whose call it is, also by its variables of the environment
    (OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_CUSTOM_HEADERS)."""
    library = openai.AsyncOpenAI(api_key=api_key).default_headers
    return {
        name: value
        for name, value in library.items()
        if isinstance(value, str) and not name.startswith(("X-Stainless", "User-Agent"))
    }
