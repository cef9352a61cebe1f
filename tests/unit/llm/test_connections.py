"""A connection is used again by the next call, and carries one call at a time."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
import trustme

from graphmill.llm.connections import Connections, TooLarge
from graphmill.llm.refusals import Refused
from tests.unit.llm.small_server import EMPTY, small_server


async def _call(connections: Connections) -> None:
    assert await connections.post("x", {}) == b"{}"


async def test_calls_one_after_the_other_share_a_connection() -> None:
    async with small_server() as server:
        connections = Connections(f"http://127.0.0.1:{server.port}", "key")
        for _ in range(3):
            await _call(connections)
        await connections.close()
    assert (server.opened, len(server.lines)) == (1, 3)


async def test_calls_at_once_have_a_connection_each_and_leave_them_to_the_next() -> None:
    async with small_server() as server:
        connections = Connections(f"http://127.0.0.1:{server.port}", "key")
        for called in (20, 40):
            server.may_answer.clear()
            calls = [asyncio.create_task(_call(connections)) for _ in range(20)]
            while len(server.lines) < called:
                await asyncio.sleep(0.01)
            server.may_answer.set()
            await asyncio.gather(*calls)
        await connections.close()
        while server.closed < server.opened:
            await asyncio.sleep(0.01)
    assert (server.opened, len(server.lines)) == (20, 40)


async def test_what_nobody_needs_any_more_is_closed() -> None:
    async with small_server() as server:
        connections = Connections(f"http://127.0.0.1:{server.port}", "key", idle_seconds=0.2)
        await asyncio.gather(*(_call(connections) for _ in range(20)))
        while server.closed < server.opened:
            await asyncio.sleep(0.05)
        await _call(connections)
        await connections.close()


async def test_a_call_that_is_cancelled_leaves_nothing_of_its_answer_to_the_next() -> None:
    async with small_server() as server:
        connections = Connections(f"http://127.0.0.1:{server.port}", "key")
        server.may_answer.clear()
        cancelled = asyncio.create_task(_call(connections))
        while not server.lines:
            await asyncio.sleep(0.01)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        server.may_answer.set()
        await _call(connections)
        await connections.close()
    assert cancelled.cancelled()
    assert (server.opened, len(server.lines)) == (2, 2)


@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_the_proxy_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    async with small_server() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"{scheme}127.0.0.1:{proxy.port}")
        connections = Connections("http://endpoint.invalid/v1", "key")
        await _call(connections)
        await connections.close()
    assert proxy.lines == [b"POST http://endpoint.invalid/v1/x HTTP/1.1"]


async def test_an_answer_is_not_read_beyond_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphmill.llm.connections.MOST_BYTES", 100_000)
    async with small_server() as server:
        # It says that a gigabyte comes, of which a part does.
        server.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n" + b"x" * 300_000
        connections = Connections(f"http://127.0.0.1:{server.port}", "key")
        async with asyncio.timeout(10):
            with pytest.raises(TooLarge):
                await connections.post("x", {})
            server.answer = EMPTY
            await _call(connections)
        await connections.close()


async def test_documents_do_not_go_where_a_redirect_leads() -> None:
    async with small_server() as elsewhere, small_server() as server:
        location = f"location: http://127.0.0.1:{elsewhere.port}/\r\n".encode()
        server.answer = b"HTTP/1.1 307 Go\r\n" + location + b"content-length: 0\r\n\r\n"
        connections = Connections(f"http://127.0.0.1:{server.port}", "key")
        with pytest.raises(Refused) as refused:
            await connections.post("x", {})
        await connections.close()
    assert refused.value.refusal.status == 307
    assert elsewhere.opened == 0


async def test_a_query_of_the_address_goes_with_each_call() -> None:
    async with small_server() as server:
        connections = Connections(f"http://127.0.0.1:{server.port}/a?api-version=1", "key")
        await connections.post("chat/completions", {})
        await connections.close()
    assert server.lines == [b"POST /a/chat/completions?api-version=1 HTTP/1.1"]


async def test_a_certificate_is_trusted_by_its_authority_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    async with small_server(authority.issue_cert("127.0.0.1")) as server:
        connections = Connections(f"https://127.0.0.1:{server.port}", "key")
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await _call(connections)
        await connections.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        connections = Connections(f"https://127.0.0.1:{server.port}", "key")
        await _call(connections)
        await connections.close()
    assert len(server.lines) == 1


async def test_whose_call_it_is_is_said_as_the_openai_library_says_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "an-organization")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: west")
    async with small_server() as server:
        connections = Connections(f"http://127.0.0.1:{server.port}", "a-key")
        await _call(connections)
        await connections.close()
    head = server.heads[0].lower()
    for line in (
        b"authorization: bearer a-key",
        b"content-type: application/json",
        b"openai-organization: an-organization",
        b"x-gateway: west",
        b"user-agent: graphmill",
    ):
        assert head.count(b"\r\n" + line + b"\r\n") == 1
