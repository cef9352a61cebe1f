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
    page = httpx.Response(200, text="<html>a proxy</html>")
    async with Client(transport=answering(lambda request: page)) as client:
        with pytest.raises(GraphmillError, match="is it graphmill"):
            await client.collection("c")
    broken = httpx.Response(404, text="<html>secret</html>")
    async with Client(transport=answering(lambda request: broken)) as client:
        with pytest.raises(NotFound, match="answered 404") as raised:
            await client.collection("c")
    assert "secret" not in str(raised.value)


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
