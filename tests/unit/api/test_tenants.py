"""What a request of one tenant finds of another's by names, ids, cursors, filters and headers:
nothing."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from api.app import create_app
from api.requests import Application
from graphmill.embedded.home import Addresses
from graphmill.ids import document_id
from graphmill.models import CollectionKey
from graphmill.settings import Settings
from tests.published_graph import publish

OURS, THEIRS = CollectionKey("default", "files"), CollectionKey("other", "files")
AS_THEM = {"X-Tenant": "other"}
DOCUMENTS = "/v1/collections/files/documents"


@pytest.fixture
async def both(pool: asyncpg.Pool) -> None:
    """Two tenants have a collection of the same name, with one document of the same name."""
    await publish(
        pool,
        OURS,
        {"same.md": b"# Rivers\n\nThe Bubye River flows.", "ours.md": b"# Bread\n\nKnead it."},
    )
    await publish(
        pool,
        THEIRS,
        {
            "same.md": b"# Vault\n\nThe vault of Ottoline holds the secret ledger.",
            "theirs.md": b"# Keys\n\nThe secret ledger names Ottoline and Bubye River.",
        },
    )


async def names(http: httpx.AsyncClient, **params: str | int) -> list[str]:
    answer = await http.get(DOCUMENTS, params=params)
    assert answer.status_code == 200, answer.text
    return [document["name"] for document in answer.json()["documents"]]


@pytest.mark.usefixtures("both")
async def test_documents_are_one_s_own_by_any_cursor_and_filter(http: httpx.AsyncClient) -> None:
    assert await names(http) == ["ours.md", "same.md"]
    assert await names(http, after="theirs.md") == []
    assert await names(http, after="' OR tenant = 'other' --") == ["ours.md", "same.md"]
    assert await names(http, after="ours.md", limit=1) == ["same.md"]
    assert await names(http, state="done") == ["ours.md", "same.md"]
    assert (await http.get(DOCUMENTS, params={"state": "done' OR 'a'='a"})).status_code == 422
    # Parameters that nobody asks for.
    assert await names(http, tenant="other", x_tenant="other", collection="other/files") == [
        "ours.md",
        "same.md",
    ]


@pytest.mark.usefixtures("both")
async def test_ids_of_another_s_documents_are_not_found_and_nothing_of_theirs_changes(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    before = await pool.fetch("SELECT * FROM documents WHERE tenant = 'other' ORDER BY name")
    graph = await pool.fetchrow("SELECT * FROM graphs WHERE tenant = 'other'")
    assert graph is not None
    ids: list[UUID] = [document_id("theirs.md"), UUID(int=graph["id"])]
    for table in ("entities", "text_units", "communities"):
        ids += [row[0] for row in await pool.fetch(f"SELECT id FROM {table} WHERE tenant='other'")]
    for id in ids:
        assert (await http.get(f"{DOCUMENTS}/{id}")).status_code == 404
        assert (await http.delete(f"{DOCUMENTS}/{id}")).status_code == 404
    # The same name in both has the same id: one's own is shown.
    shown = (await http.get(f"{DOCUMENTS}/{document_id('same.md')}")).json()
    assert shown["title"] == "Rivers"
    assert (await http.delete(f"{DOCUMENTS}/{document_id('same.md')}")).status_code == 503
    await http.delete("/v1/collections/files")
    upload = [("files", ("theirs.md", b"Ours now."))]
    assert (await http.post(DOCUMENTS, files=upload)).json()["new"] == 1
    after = await pool.fetch("SELECT * FROM documents WHERE tenant = 'other' ORDER BY name")
    assert after == before


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("mode", ["local", "basic"])
async def test_questions_are_answered_from_one_s_own_graph(
    http: httpx.AsyncClient, mode: str
) -> None:
    question = {"question": "Where is the secret ledger of Ottoline, near Bubye River?"}
    query = "/v1/collections/files/query"
    ours = (await http.post(query, json=question | {"mode": mode})).json()
    theirs = (await http.post(query, json=question | {"mode": mode}, headers=AS_THEM)).json()
    assert "Bubye" in ours["answer"]
    assert "ledger" in theirs["answer"]
    for secret in ("secret", "ttoline", "OTTOLINE", "theirs"):
        assert secret not in str(ours)
    assert "flows" not in str(theirs)


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(
    "header",
    [
        "other' OR '1'='1",
        "other'; RESET ROLE; --",
        "../other",
        "other/files",
        "OTHER",
        "other,default",
        "",
        "*",
        "%",
        "x" * 64,
    ],
)
async def test_a_header_that_is_no_tenant_s_name_is_refused(
    http: httpx.AsyncClient, header: str
) -> None:
    answer = await http.get(DOCUMENTS, headers={"X-Tenant": header})
    assert answer.status_code == 400, answer.text
    assert "tenant name" in answer.json()["detail"]


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(
    "name",
    ["other%2Ffiles", "..%2Fother%2Ffiles", "files%27--", "files%00", "*", "%25", "files%20"],
)
async def test_a_name_that_is_no_collection_s_finds_none(
    http: httpx.AsyncClient, name: str
) -> None:
    for path in (f"/v1/collections/{name}", f"/v1/collections/{name}/documents"):
        answer = await http.get(path, headers=AS_THEM)
        assert answer.status_code in (400, 404, 422), answer.text


@pytest.mark.usefixtures("both")
async def test_requests_at_once_never_mix(http: httpx.AsyncClient) -> None:
    async def ask(number: int) -> None:
        theirs = number % 2
        answer = await http.get(DOCUMENTS, headers=AS_THEM if theirs else {})
        listed = [document["name"] for document in answer.json()["documents"]]
        assert listed == ["same.md", "theirs.md"] if theirs else ["ours.md", "same.md"]

    await asyncio.gather(*(ask(number) for number in range(60)))


@pytest.mark.usefixtures("both")
async def test_a_route_that_asks_for_no_tenant_sees_nobody_s_rows(
    settings: Settings, database_url: str
) -> None:
    """As somebody might forget it."""
    app = create_app(settings, Addresses(database_url, None))

    @app.get("/forgotten")
    async def forgotten(graphmill: Application) -> list[str]:  # pyright: ignore[reportUnusedFunction]
        return [found.name for found in await graphmill.collections.list("other")]

    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http,
    ):
        assert (await http.get("/forgotten")).json() == []


async def test_what_all_tenants_spent_is_in_the_metrics_and_in_no_run_of_another(
    http: httpx.AsyncClient, pool: asyncpg.Pool, both: None
) -> None:
    run_id = uuid4()
    await pool.execute(
        "INSERT INTO runs (id, tenant, collection, workflow_id, method, state, phase, ended_at)"
        " VALUES ($1, 'other', 'files', 'index/other/files', 'fast', 'completed', 'done', now())",
        run_id,
    )
    for tenant in ("default", "other"):
        await pool.execute(
            "INSERT INTO model_accounts (run_id, step, model, slot, tenant, collection, calls)"
            " VALUES ($1, 'step', $2, 0, $2, 'files', 3)",
            run_id,
            tenant,
        )
    metrics = (await http.get("/metrics")).text
    for model in ("default", "other"):
        assert f'graphmill_model_calls_total{{model="{model}",step="step"}} 3.0' in metrics
    theirs = (await http.get(f"/v1/runs/{run_id}", headers=AS_THEM)).json()
    assert list(theirs["model"]["models"]) == ["other"]
    # Temporal, which may know of a run that nobody has opened, is away.
    assert (await http.get(f"/v1/runs/{run_id}")).status_code == 503
