"""What graphmill.Client is wrongly given is one of its errors, in plain words, and goes nowhere."""

from typing import Any, cast
from uuid import uuid4

import httpx
import pytest

from graphmill.client import Client, InvalidRequest, SyncClient, Unavailable
from tests.support.api_client import answering, ok, without_pauses

__all__ = ["without_pauses"]

LIMITS = {"document_bytes": 1000, "upload_bytes": 1000, "upload_files": 1000}


WRONG: list[tuple[str, list[object], dict[str, object], str]] = [
    ("index", ["up"], {"method": "quick"}, "method is 'quick'; this release has fast, standar"),
    ("index", ["up"], {"priority": 9}, "priority is 9; expected is a whole number, 1 to 5"),
    ("index", ["up"], {"budget_usd": -1}, "budget_usd is -1; expected is a number of dollars"),
    ("index", ["up"], {"batch": "yes"}, "batch is 'yes'; expected is true or false"),
    ("index", ["up/x"], {}, "collection name is 'up/x'; expected are"),
    ("retry", [uuid4()], {"budget_usd": "10"}, "budget_usd is '10'; expected is a number"),
    ("query", ["up", None], {}, "question is None: "),
    ("query", ["up", "\ud800"], {}, "question is '.ud800': .*expected is text"),
    ("query", ["up", "Who?"], {"mode": 1}, "mode is 1: "),
    ("create_collection", [7], {}, "collection name is 7; expected are"),
    ("collection", [7], {}, "collection name is 7; expected are"),
    ("delete_documents", ["up", ["x"]], {}, "documents.0 is 'x': "),
    ("delete_documents", ["up", uuid4()], {}, "documents is UUID.*list"),
    ("forget_documents", ["up", []], {}, "documents is \\[\\]: .*at least 1"),
]


@pytest.mark.parametrize(("method", "given", "named", "words"), WRONG)
async def test_a_wrong_argument_is_told_and_not_sent(
    method: str, given: list[object], named: dict[str, object], words: str
) -> None:
    async with Client(transport=answering()) as client:
        with pytest.raises(InvalidRequest, match=words) as raised:
            await getattr(client, method)(*given, **named)
    assert len(str(raised.value)) < 400


async def test_a_long_argument_is_not_told_whole() -> None:
    async with Client(transport=answering()) as client:
        with pytest.raises(InvalidRequest) as raised:
            await client.delete_documents("up", cast(Any, "x" * 10_000))
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"hi", r"^bytes need a name: upload\(collection, \{'a.txt': b'...'\}\)$"),
        ([], "^no path was given; name a file or folder"),
        ([b"hi"], "no path; expected is a file, a folder"),
        (7, "no path; expected is a file, a folder"),
        ({"a.txt": "hi"}, "document 'a.txt' is given as str; expected are bytes by names"),
        ({7: b"hi"}, "document 7 is given"),
    ],
)
async def test_what_is_no_upload_is_told(source: object, words: str) -> None:
    async with Client(transport=answering(ok(LIMITS))) as client:
        with pytest.raises(InvalidRequest, match=words):
            await client.upload("up", cast(Any, source))


async def test_a_date_that_is_text_is_told() -> None:
    async with Client(transport=answering(ok(LIMITS))) as client:
        with pytest.raises(InvalidRequest, match="creation_date is '2024-05-06'; expected is a d"):
            await client.upload("up", {"a.txt": b"x"}, creation_date=cast(Any, "2024-05-06"))


@pytest.mark.parametrize("kind", [Client, SyncClient])
@pytest.mark.parametrize(
    "url", ["127.0.0.1:25975", "graphmill.example", "http://h:x", "http://[", "http://h\0"]
)
def test_what_is_no_address_is_told_at_once(kind: type[Client | SyncClient], url: str) -> None:
    with pytest.raises(InvalidRequest, match="`url` of the client, or GRAPHMILL_URL") as raised:
        kind(url)
    assert repr(url) in str(raised.value)


def test_an_address_of_the_environment_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHMILL_URL", "graphmill.example")
    with pytest.raises(
        InvalidRequest, match=r"'graphmill.example': expected is an address such as"
    ):
        Client()


@pytest.mark.parametrize("url", ["https://me:secret@graphmill.example", "me:secret@graphmill"])
def test_a_secret_in_an_address_is_not_shown(url: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        Client(url)
    assert "secret" not in str(raised.value)


def test_what_is_no_tenant_is_told_at_once() -> None:
    with pytest.raises(InvalidRequest, match="tenant name is 'ü'"):
        Client(tenant="ü")


async def test_a_server_that_is_away_is_told_with_its_address() -> None:
    transport = answering(*[httpx.ConnectError("no")] * 6)
    async with Client("http://127.0.0.1:9/", transport=transport) as client:
        for ask in (client.health, client.limits):
            with pytest.raises(
                Unavailable, match=r"at http://127.0.0.1:9 does not answer .Connect"
            ):
                await ask()
