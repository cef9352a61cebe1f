"""Keys: who has one is let in as the tenant it is of, to what it allows, and to nothing else."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from api.app import create_app
from graphmill.api_keys import InvalidKey, Scope, new_secret, read_key
from graphmill.application.api_keys import ApiKeys
from graphmill.application.doctor import check_database
from graphmill.embedded.home import Addresses
from graphmill.errors import InvalidRequest, NotFound
from graphmill.models import CollectionKey
from graphmill.settings import Settings, load_settings
from graphmill.stores.postgres.api_keys import PostgresApiKeys, PostgresKeyring
from tests.published_graph import publish

OPEN = {"/health", "/health/live", "/health/ready"}
OF_THE_DEPLOYMENT = {"/metrics", "/health/pools", "/health/pools/log"}


@pytest.fixture
def keys(pool: asyncpg.Pool) -> ApiKeys:
    return ApiKeys(PostgresApiKeys(pool), PostgresKeyring(pool))


@pytest.fixture
async def guarded(
    monkeypatch: pytest.MonkeyPatch, database_url: str
) -> AsyncIterator[httpx.AsyncClient]:
    """The API as it answers others than this machine."""
    monkeypatch.setenv("GRAPHMILL_API_HOST", "0.0.0.0")
    app = create_app(Settings(), Addresses(database_url, "127.0.0.1:1"))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://graphmill.example") as client,
    ):
        yield client


def routes() -> list[tuple[str, str]]:
    """(method, path) of all there are, with something in the place of names and ids."""
    app = create_app(Settings(), Addresses("postgresql:///nowhere", None))
    found: list[tuple[str, str]] = []
    paths: dict[str, dict[str, object]] = app.openapi()["paths"]
    for template in paths.keys() - OPEN:
        path = template.replace("{name}", "files")
        for id in ("{id}", "{run_id}"):
            path = path.replace(id, str(UUID(int=7)))
        found += [(method.upper(), path) for method in paths[template]]
    return sorted(found)


def bearer(key: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} | more


async def test_every_route_needs_a_key_on_any_other_address_than_loopback(
    guarded: httpx.AsyncClient,
) -> None:
    assert len(routes()) > 15
    for method, path in routes():
        answer = await guarded.request(method, path)
        assert answer.status_code == 401, (method, path, answer.text)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
    for path in OPEN:
        assert (await guarded.get(path)).status_code in (200, 503)


async def test_whoever_has_no_good_key_is_told_how_to_send_and_to_make_one(
    guarded: httpx.AsyncClient, keys: ApiKeys
) -> None:
    revoked, text = await keys.create("default", "gone", (Scope.READ,))
    await keys.revoke("default", revoked.id)
    details: list[str] = []
    for sent in ({}, {"Authorization": "Basic x"}, bearer("x"), bearer(new_secret().text)):
        answer = await guarded.get("/v1/collections", headers=sent)
        details.append(answer.json()["detail"])
        assert "`Authorization: Bearer KEY`" in details[-1]
        assert "`graphmill keys create NAME`" in details[-1]
    answer = await guarded.get("/v1/collections", headers=bearer(text))
    assert answer.json()["detail"] == details[-1]  # nor is it told that there was such a key


async def test_wrong_revoked_and_expired_keys_are_refused_everywhere(
    guarded: httpx.AsyncClient, keys: ApiKeys, pool: asyncpg.Pool
) -> None:
    revoked, revoked_text = await keys.create("default", "gone", tuple(Scope))
    await keys.revoke("default", revoked.id)
    expired, expired_text = await keys.create("default", "old", tuple(Scope), timedelta(days=1))
    await pool.execute("UPDATE api_keys SET expires_at = now() WHERE id = $1", expired.id)
    _, good = await keys.create("default", "good", tuple(Scope))
    swapped = f"{revoked_text[:21]}{good[21:]}"
    wrong = [revoked_text, expired_text, swapped, new_secret().text, good[:-1], "x", "Ünïcode"]
    for method, path in routes():
        for key in wrong:
            headers = [(b"Authorization", f"Bearer {key}".encode())]
            answer = await guarded.request(method, path, headers=headers)
            assert answer.status_code == 401, (method, path, key)
            assert key not in answer.text
    for header in ("Basic Z29vZDpnb29k", f"bearer\t{good}", good):
        answer = await guarded.get("/v1/collections", headers={"Authorization": header})
        assert answer.status_code == 401, header
    assert (await guarded.get("/v1/collections", headers=bearer(good))).status_code == 200


async def test_a_key_sees_its_tenant_and_no_other(
    guarded: httpx.AsyncClient, keys: ApiKeys, pool: asyncpg.Pool
) -> None:
    theirs = CollectionKey("other", "files")
    await publish(pool, theirs, {"v.md": b"# Vault\n\nThe vault of Ottoline holds a ledger."})
    _, ours = await keys.create("default", "ours", (Scope.ADMIN,))
    before = await pool.fetch("SELECT * FROM documents")
    for method, path in routes():
        if path in ("/v1/collections", "/v1/limits"):
            continue
        kwargs: dict[str, Any] = {"json": {"question": "Where is the ledger?"}}
        answer = await guarded.request(method, path, headers=bearer(ours), **kwargs)
        assert answer.status_code in (403, 404, 415, 422, 503), (method, path, answer.text)
        assert (answer.status_code == 403) == (path in OF_THE_DEPLOYMENT), (method, path)
        assert "ttoline" not in answer.text
        answer = await guarded.request(
            method, path, headers=bearer(ours, **{"X-Tenant": "other"}), **kwargs
        )
        assert answer.status_code == 403, (method, path)
    assert (await guarded.get("/v1/collections", headers=bearer(ours))).json() == {
        "collections": [],
        "next": None,
    }
    assert await pool.fetch("SELECT * FROM documents") == before
    _, key = await keys.create("other", "theirs", (Scope.READ,))
    listed = await guarded.get("/v1/collections/files/documents", headers=bearer(key))
    assert [document["name"] for document in listed.json()["documents"]] == ["v.md"]


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        (Scope.READ, {"GET"}),
        (Scope.INDEX, {"GET", "POST", "DELETE document"}),
        (Scope.ADMIN, {"GET", "POST", "DELETE document", "DELETE collection"}),
        (Scope.OPERATOR, set[str]()),
    ],
)
async def test_a_key_allows_what_its_scope_says(
    guarded: httpx.AsyncClient, keys: ApiKeys, scope: Scope, allowed: set[str]
) -> None:
    _, key = await keys.create("default", "one", (scope,))
    for method, path in routes():
        answer = await guarded.request(method, path, headers=bearer(key), json={"question": "?"})
        if path in OF_THE_DEPLOYMENT:
            may = scope is Scope.OPERATOR
        elif path.endswith("/query"):
            may = scope is not Scope.OPERATOR
        elif method == "DELETE":
            what = "document" if "/documents/" in path else "collection"
            may = f"DELETE {what}" in allowed
        else:
            may = method in allowed
        assert (answer.status_code != 403) == may, (method, path, answer.text)
        if not may:
            assert "scope" in answer.json()["detail"]


async def test_on_loopback_a_key_that_is_sent_counts(
    http: httpx.AsyncClient, keys: ApiKeys
) -> None:
    key, text = await keys.create("other", "theirs", (Scope.INDEX,))
    made = await http.post("/v1/collections", json={"name": "n"}, headers=bearer(text))
    assert made.status_code == 201
    assert (await http.get("/v1/collections/n")).status_code == 404
    assert (await http.get("/v1/collections/n", headers={"X-Tenant": "other"})).is_success
    await keys.revoke("other", key.id)
    assert (await http.get("/v1/collections", headers=bearer(text))).status_code == 401


@pytest.mark.parametrize("header", ["gmk_x", "Token gmk_x", "Basic Z29vZDpnb29k"])
async def test_a_key_that_is_sent_otherwise_is_no_silent_none(
    http: httpx.AsyncClient, header: str
) -> None:
    answer = await http.get("/v1/collections", headers={"Authorization": header})
    assert answer.status_code == 401


async def test_nothing_secret_is_stored_or_listed(keys: ApiKeys, pool: asyncpg.Pool) -> None:
    key, text = await keys.create("default", "one", (Scope.ADMIN, Scope.READ))
    assert key.scopes == (Scope.READ, Scope.ADMIN)
    secret = text.split("_")[2]
    assert secret not in str(await pool.fetch("SELECT api_keys::text FROM api_keys"))
    assert secret not in str(await keys.list("default"))
    assert await keys.list("other") == ()
    with pytest.raises(NotFound):
        await keys.revoke("other", key.id)
    await keys.caller(text)
    (listed,) = await keys.list("default")
    assert listed.last_used_at is not None
    revoked = await keys.revoke("default", key.id)
    assert (await keys.revoke("default", key.id)).revoked_at == revoked.revoked_at
    with pytest.raises(InvalidKey):
        await keys.caller(text)


async def test_a_key_has_a_name_and_a_scope(keys: ApiKeys) -> None:
    for name, scopes in (("", (Scope.READ,)), ("a\nb", (Scope.READ,)), ("x", ())):
        with pytest.raises(InvalidRequest):
            await keys.create("default", name, scopes)


def test_a_mistyped_key_is_known_without_a_look_at_those_there_are() -> None:
    text = new_secret().text
    assert read_key(text).id == text.split("_")[1]
    for broken in (text.replace("gmk_", "gmx_"), text[:-2], text + "0", text.upper(), ""):
        with pytest.raises(InvalidKey):
            read_key(broken)
    digits = text.split("_")
    digits[2] = digits[2][::-1]
    with pytest.raises(InvalidKey):
        read_key("_".join(digits))


async def test_doctor_says_which_keys_are_missing(
    keys: ApiKeys, pool: asyncpg.Pool, database_url: str
) -> None:
    async def told(**given: object) -> tuple[bool | None, str] | None:
        checks = [check async for check in check_database(database_url, load_settings(given))]
        return next(((one.ok, one.words) for one in checks if one.name == "keys"), None)

    assert await told() is None  # on loopback nobody needs one
    ok, words = await told(api_require_keys=True) or (None, "")
    assert (ok, words) == (
        False,
        "the API wants keys and there is none: `graphmill keys create NAME`",
    )
    await keys.create("acme", "a reader", [Scope.READ])
    ok, words = await told(api_host="0.0.0.0") or (False, "")
    assert ok is None
    assert "--scope operator" in words
    await keys.create("acme", "who runs it", [Scope.OPERATOR])
    assert await told(api_require_keys=True) == (True, "2, 1 with scope operator")
