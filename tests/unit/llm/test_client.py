"""What breaks on the way to an endpoint is told as what it is."""

import pytest
import trustme

from graphmill.llm.addresses import Address
from graphmill.llm.calls import Message, Question
from graphmill.llm.client import open_client
from graphmill.llm.faults import BrokenAnswer, CallRefused, EndpointFault, TimedOut, Unreachable
from tests.unit.llm.small_server import EMPTY, small_server

QUESTION = Question("test.v1", "a-model", (Message("user", "what is it?"),))


async def asked(url: str) -> Exception:
    """What is raised."""
    async with open_client(Address("one", url, "a-key"), 0.5) as client:
        with pytest.raises((EndpointFault, CallRefused)) as raised:
            await client.ask(QUESTION)
    assert "a-key" not in str(raised.value)
    return raised.value


async def test_a_certificate_that_nobody_trusts_ends_the_run_with_what_to_do() -> None:
    async with small_server(trustme.CA().issue_cert("127.0.0.1")) as server:
        fault = await asked(f"https://127.0.0.1:{server.port}")
    assert type(fault) is CallRefused
    assert "SSL_CERT_FILE" in str(fault)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://endpoint.invalid/v1"])
async def test_where_nothing_listens_may_be_something_later(url: str) -> None:
    assert type(await asked(url)) is Unreachable


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (EMPTY, BrokenAnswer),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]", BrokenAnswer),
        (b"SSH-2.0-something_else\r\n", BrokenAnswer),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", EndpointFault),
        # It says that more comes, and nothing does.
        (b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"choices"', TimedOut),
        (b"", TimedOut),
    ],
)
async def test_an_answer_that_is_none_may_be_one_later(
    answer: bytes, fault: type[EndpointFault]
) -> None:
    async with small_server() as server:
        server.answer = answer
        assert isinstance(await asked(f"http://127.0.0.1:{server.port}"), fault)


@pytest.mark.parametrize("answer", [b"", b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"cho'])
async def test_a_connection_that_is_cut_may_hold_later(answer: bytes) -> None:
    async with small_server() as server:
        server.answer = answer
        server.cuts = True
        assert type(await asked(f"http://127.0.0.1:{server.port}")) is Unreachable
