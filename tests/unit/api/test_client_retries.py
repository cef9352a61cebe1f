"""What passes is tried again by graphmill.Client, and what does not is one of its errors."""

import json
from uuid import uuid4

import httpx
import pytest

from graphmill.client import (
    Client,
    Conflict,
    GraphmillError,
    InvalidKey,
    InvalidRequest,
    NotAllowed,
    NotFound,
    Unavailable,
)
from tests.support.api_client import (
    Answer,
    answering,
    api,
    client,
    events,
    ok,
    problem,
    without_pauses,
)

__all__ = ["api", "client", "without_pauses"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (413, InvalidRequest),
        (422, InvalidRequest),
        (401, InvalidKey),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (418, GraphmillError),
        (500, GraphmillError),
    ],
)
async def test_what_is_wrong_is_one_of_its_errors(status: int, kind: type[GraphmillError]) -> None:
    async with Client(transport=answering(problem(status, "the collection has no such"))) as client:
        with pytest.raises(kind, match="the collection has no such") as raised:
            await client.collection("x")
    assert type(raised.value) is kind


async def test_what_passes_is_tried_again_with_the_same_key() -> None:
    keys: list[str] = []
    run = {"run_id": str(uuid4()), "workflow_id": "w", "collection": "c", "joined": False}

    def noting(answer: Answer) -> Answer:
        def note(request: httpx.Request) -> httpx.Response:
            keys.append(request.headers["idempotency-key"])
            return answer(request)

        return note

    transport = answering(
        noting(problem(503)), httpx.ConnectError("refused"), noting(problem(502)), noting(ok(run))
    )
    async with Client(transport=transport) as client:
        assert str((await client.index("c")).run_id) == run["run_id"]
    assert len(keys) == 3
    assert len(set(keys)) == 1


async def test_a_server_that_stays_away_is_unavailable() -> None:
    for down in (httpx.ConnectError("no"), problem(503, "PostgreSQL does not answer")):
        async with Client(transport=answering(*[down] * 5)) as client:
            with pytest.raises(Unavailable, match="does not answer"):
                await client.collection("c")


async def test_what_is_no_answer_of_ours_is_said_so() -> None:
    async with Client(transport=answering(ok({"other": 1}))) as client:
        with pytest.raises(GraphmillError, match="is it graphmill"):
            await client.collection("c")
    for status, kind in (
        (200, GraphmillError),
        (301, GraphmillError),
        (404, NotFound),
        (405, GraphmillError),
    ):
        page = httpx.Response(status, text="<html>secret</html>", headers={"location": "/x"})
        for ask in (Client.health, Client.collection_page):
            transport = answering(lambda request, page=page: page)
            async with Client("https://graphmill.example/docs/", transport=transport) as client:
                with pytest.raises(kind, match=f"answered {status} .*, such as") as raised:
                    await ask(client)
            words = str(raised.value)
            assert words.startswith("https://graphmill.example/docs does not answer as graphmill's")
            assert words.endswith("such as https://graphmill.example")
            assert "secret" not in words
            assert ("leads to https://graphmill.example)" in words) is (status == 301)


async def test_an_address_without_a_path_is_not_proposed_again() -> None:
    moved = httpx.Response(308, headers={"location": "https://h:7/v1/collections"})
    async with Client("http://h", transport=answering(lambda request: moved)) as client:
        with pytest.raises(GraphmillError) as raised:
            await client.collection_page()
    assert str(raised.value) == (
        "http://h does not answer as graphmill's API (h answered 308 Permanent Redirect, which"
        " leads to https://h:7); set GRAPHMILL_URL, or `url` of the client, to its address without"
        " a path, such as https://graphmill.example"
    )


async def test_what_a_proxy_before_graphmill_says_is_not_laid_on_the_address() -> None:
    for status in (413, 500):
        page = httpx.Response(status, text="<html>secret</html>")
        async with Client(transport=answering(lambda request, page=page: page)) as client:
            with pytest.raises(GraphmillError, match=rf"^127.0.0.1 answered {status} [\w ]+$"):
                await client.collection("c")
    page = httpx.Response(503, text="<html>secret</html>")
    async with Client(transport=answering(lambda request: page)) as client:
        with pytest.raises(Unavailable, match="answered 503"):
            await client.health()


async def test_a_path_in_the_address_that_is_no_prefix_of_the_api_is_told(
    api: httpx.ASGITransport,
) -> None:
    async with Client("http://127.0.0.1/docs", transport=api) as client:
        for ask in (client.health, client.collection_page, lambda: client.query("c", "Who?")):
            with pytest.raises(
                NotFound, match=r"127.0.0.1/docs does not answer as graphmill's API"
            ):
                await ask()
    # What is missing behind a proxy that takes a path away is just missing.
    for url, told in (("http://h/mill", "there is no collection"), ("http://h", "Not Found")):
        async with Client(url, transport=answering(problem(404, told))) as client:
            with pytest.raises(NotFound, match=f"^{told}$"):
                await client.collection("c")


async def test_what_may_have_been_done_is_not_asked_for_again() -> None:
    late = httpx.ReadTimeout("late")
    async with Client(transport=answering(late)) as client:
        with pytest.raises(Unavailable):
            await client.query("c", "Who?")
    for error in (httpx.ReadError("cut"), problem(503, "the documents are being deleted")):
        async with Client(transport=answering(error)) as client:
            with pytest.raises(Unavailable):
                await client.delete_collection("c")
    done = answering(httpx.ConnectError("no"), lambda request: httpx.Response(204))
    async with Client(transport=done) as client:
        await client.delete_collection("c")


async def test_who_has_no_key_is_told_where_to_set_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPHMILL_API_KEY", raising=False)
    for told in ("an API key is needed", "send a key that `graphmill keys create NAME` makes"):
        async with Client(transport=answering(problem(401, told))) as client:
            with pytest.raises(InvalidKey, match=f"^{told}; set GRAPHMILL_API_KEY, or") as raised:
                await client.collection("c")
        # The server may have said it already.
        assert str(raised.value).count("`graphmill keys create NAME` makes") == 1


async def test_who_has_a_wrong_key_is_told_where_it_comes_from() -> None:
    refused = json.dumps({"status": 401, "detail": "it was revoked"})
    for answer in (problem(401, "it was revoked"), events(("1", "error", refused))):
        async with Client(api_key="gmk_wrong", transport=answering(answer)) as client:
            with pytest.raises(
                InvalidKey, match=r"^it was revoked; .* GRAPHMILL_API_KEY"
            ) as raised:
                await client.wait(uuid4())
        assert "gmk_wrong" not in str(raised.value)


async def test_what_a_proxy_refuses_is_not_laid_on_the_key() -> None:
    page = httpx.Response(401, text="<html>who are you?</html>")
    async with Client(transport=answering(lambda request: page)) as client:
        with pytest.raises(InvalidKey, match=r"answered 401 Unauthorized$"):
            await client.collection("c")
