"""A request with an Idempotency-Key is done once, and its answer given again."""

import asyncio
from typing import Any, cast

import asyncpg
import httpx
import pytest

from api.upkeep import upkeep
from graphmill.application.graphmill import Graphmill
from graphmill.errors import InvalidRequest, Unavailable
from graphmill.stores.postgres.catalog import PostgresCatalog, UploadCounts
from graphmill.stores.postgres.idempotency import PostgresIdempotency
from tests.support.waiting import until

URL = "/v1/collections/files/documents"


def with_key(key: str, **more: str) -> dict[str, str]:
    return {"Idempotency-Key": key} | more


async def upload(http: httpx.AsyncClient, text: str, headers: dict[str, str]) -> httpx.Response:
    return await http.post(URL, files=[("files", ("a.txt", text.encode()))], headers=headers)


async def test_the_same_upload_is_answered_as_the_first_time(http: httpx.AsyncClient) -> None:
    first = await upload(http, "one", with_key("k1"))
    assert (first.status_code, first.json()["new"]) == (201, 1)
    assert "idempotency-replayed" not in first.headers
    again = await upload(http, "one", with_key("k1"))
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = await upload(http, "one", with_key("k2"))
    assert (other.json()["new"], other.json()["unchanged"]) == (0, 1)
    # Another tenant's keys are his own.
    theirs = await upload(http, "one", with_key("k1", **{"X-Tenant": "other"}))
    assert theirs.json()["new"] == 1


async def test_another_request_with_the_same_key_is_refused(http: httpx.AsyncClient) -> None:
    await upload(http, "one", with_key("k1"))
    changed = await upload(http, "two", with_key("k1"))
    assert changed.status_code == 422
    assert "Idempotency-Key" in changed.json()["detail"]
    assert (await http.get(URL)).json()["documents"][0]["size"] == 3
    elsewhere = await http.post("/v1/collections/files/index", headers=with_key("k1"))
    assert elsewhere.status_code == 422


async def test_of_two_different_ones_at_once_with_one_key_one_is_done(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()
    store = PostgresCatalog.upload

    async def slow(self: PostgresCatalog, *args: Any, **more: Any) -> UploadCounts:
        begun.set()
        await goes_on.wait()
        return await store(self, *args, **more)

    monkeypatch.setattr(PostgresCatalog, "upload", slow)
    first = asyncio.create_task(upload(http, "one", with_key("k1")))
    await begun.wait()
    other = await asyncio.wait_for(upload(http, "two", with_key("k1")), 10)
    assert other.status_code == 422
    assert "Idempotency-Key" in other.json()["detail"]
    goes_on.set()
    assert (await first).status_code == 201
    assert (await http.get(URL)).json()["documents"][0]["size"] == 3


async def test_one_that_died_on_the_way_is_done_when_it_comes_again(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await upload(http, "one", with_key("k1"))
    await pool.execute("UPDATE idempotent_answers SET answer = ''")  # as before it was answered
    again = await upload(http, "one", with_key("k1"))
    assert (again.status_code, again.json()["unchanged"]) == (201, 1)
    assert "idempotency-replayed" not in again.headers
    third = await upload(http, "one", with_key("k1"))
    assert third.headers["idempotency-replayed"] == "true"


async def test_a_duplicate_that_fails_does_not_free_the_key_of_the_first(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()
    store = PostgresCatalog.upload

    async def slow_then_failing(self: PostgresCatalog, *args: Any, **more: Any) -> UploadCounts:
        if begun.is_set():
            raise InvalidRequest("the second one may not")
        begun.set()
        await goes_on.wait()
        return await store(self, *args, **more)

    monkeypatch.setattr(PostgresCatalog, "upload", slow_then_failing)
    first = asyncio.create_task(upload(http, "one", with_key("k1")))
    await begun.wait()
    assert (await upload(http, "one", with_key("k1"))).status_code == 400
    assert (await upload(http, "two", with_key("k1"))).status_code == 422
    goes_on.set()
    assert (await first).status_code == 201
    again = await upload(http, "one", with_key("k1"))
    assert again.headers["idempotency-replayed"] == "true"


async def test_what_may_be_done_keeps_its_key(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage may have come behind the commit."""

    async def gone(self: PostgresCatalog, *args: Any, **more: Any) -> UploadCounts:
        raise Unavailable("PostgreSQL does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(PostgresCatalog, "upload", gone)
        assert (await upload(http, "one", with_key("k1"))).status_code == 503
    assert (await upload(http, "two", with_key("k1"))).status_code == 422
    assert (await upload(http, "one", with_key("k1"))).status_code == 201


async def test_what_is_kept_of_an_upload_does_not_grow_with_it(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    files = [("files", (f"{n}.txt", str(n).encode())) for n in range(100)]
    first = await http.post(URL, files=files, headers=with_key("k1"))
    assert len(first.json()["documents"]) == 100
    assert await pool.fetchval("SELECT max(length(answer)) FROM idempotent_answers") < 100
    again = await http.post(URL, files=files, headers=with_key("k1"))
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()


async def test_errors_are_not_kept(http: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    for _ in range(2):
        answer = await http.post("/v1/collections/none/index", headers=with_key("k1"))
        assert answer.status_code == 404
    other = await http.post("/v1/collections/nobody/index", headers=with_key("k1"))
    assert other.status_code == 404  # what failed has used up no key
    assert await pool.fetchval("SELECT count(*) FROM idempotent_answers") == 0


async def test_of_many_at_once_all_get_one_answer(http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(upload(http, "one", with_key("k1")) for _ in range(20)))
    assert {answer.text for answer in answers} == {answers[0].text}
    assert (await http.get("/v1/collections/files")).json()["documents"]["total"] == 1


async def test_after_a_day_a_key_is_forgotten(http: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    await upload(http, "one", with_key("k1"))
    await pool.execute("UPDATE idempotent_answers SET answered_at = now() - interval '25 hours'")
    assert (await upload(http, "two", with_key("k1"))).json()["changed"] == 1
    assert await pool.fetchval("SELECT count(*) FROM idempotent_answers") == 1


async def test_old_answers_go_though_nobody_asks(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    for tenant in ("default", "other"):
        await upload(http, "one", with_key("old", **{"X-Tenant": tenant}))
    await pool.execute("UPDATE idempotent_answers SET answered_at = now() - interval '25 hours'")
    await upload(http, "one", with_key("new"))
    transport = http._transport  # pyright: ignore[reportPrivateUsage]
    assert isinstance(transport, httpx.ASGITransport)
    app: Any = transport.app
    async with upkeep(app.state.graphmill, every_seconds=0.05):
        await until(lambda: _keys_are(pool, ["new"]))
        await upload(http, "one", with_key("later"))
        await pool.execute("UPDATE idempotent_answers SET answered_at = '2020-01-01'")
        await until(lambda: _keys_are(pool, []))


async def test_what_nobody_foresaw_does_not_end_the_upkeep(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked: list[int] = []

    class Failing:
        idempotency: Any = None

        async def forget_old(self) -> None:
            asked.append(1)
            raise ValueError("no such thing was thought of")

    app = Failing()
    app.idempotency = app
    async with upkeep(cast(Graphmill, app), every_seconds=0.01):
        await until(lambda: len(asked) > 2)
    assert "could not be removed" in caplog.text


async def test_old_answers_go_some_at_once_and_by_one_process(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphmill.stores.postgres.idempotency._REMOVED_AT_ONCE", 2)
    await pool.execute(
        "INSERT INTO idempotent_answers (tenant, key, request, answer, answered_at)"
        " SELECT 'default', n, '', 'a', '2020-01-01' FROM generate_series(1, 5) AS n"
    )
    answers = PostgresIdempotency(pool)
    async with pool.acquire() as other, other.transaction():
        await other.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('idempotent answers', 0))"
        )
        await asyncio.wait_for(answers.forget_old(), 5)
        assert await _keys_are(pool, ["1", "2", "3", "4", "5"])
    await answers.forget_old()
    assert await _keys_are(pool, [])


async def _keys_are(pool: asyncpg.Pool, keys: list[str]) -> bool:
    rows = await pool.fetch("SELECT key FROM idempotent_answers ORDER BY key")
    return [row["key"] for row in rows] == keys


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ü"])
async def test_a_key_that_is_none_is_refused(http: httpx.AsyncClient, key: str) -> None:
    answer = await http.post(
        "/v1/collections/files/index", headers=[(b"Idempotency-Key", key.encode())]
    )
    assert answer.status_code == 422
