"""Routes answer as surface and OpenAPI say; whatever goes wrong is a problem document."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from api import search
from graphmill.application.search import MODES
from graphmill.ids import document_id
from graphmill.models import CollectionKey
from tests.published_graph import publish

ROOT = Path(__file__).resolve().parents[3]

# Of nothing; the same in every process that collects tests.
_NO_RUN = UUID("7f8c1a52-3c1e-4a52-9d0c-5b5e2f6a1c11")


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert {"type", "title", "detail"} <= set(document)
    return str(document["detail"])


async def upload(http: httpx.AsyncClient, *names: str, collection: str = "files") -> None:
    files = [("files", (name, name.encode())) for name in names]
    answer = await http.post(f"/v1/collections/{collection}/documents", files=files)
    assert answer.status_code == 201, answer.text


async def test_health_names_the_part_that_is_down(http: httpx.AsyncClient) -> None:
    answer = await http.get("/health")
    assert answer.status_code == 503
    told = answer.json()
    assert told["ok"] is False
    assert told["parts"]["database"] == {"ok": True, "detail": ""}
    assert "Temporal does not answer" in told["parts"]["temporal"]["detail"]


async def test_a_collection_is_made_shown_listed_and_found_missing(
    http: httpx.AsyncClient,
) -> None:
    made = await http.post("/v1/collections", json={"name": "files"})
    assert (made.status_code, made.json()["name"]) == (201, "files")
    assert (await http.post("/v1/collections", json={"name": "files"})).status_code == 200
    assert (await http.get("/v1/collections/files")).json() == made.json()
    await http.post("/v1/collections", json={"name": "more"})
    first = (await http.get("/v1/collections", params={"limit": 1})).json()
    assert ([c["name"] for c in first["collections"]], first["next"]) == (["files"], "files")
    rest = (await http.get("/v1/collections", params={"after": first["next"]})).json()
    assert ([c["name"] for c in rest["collections"]], rest["next"]) == (["more"], None)
    assert "no collection 'none'" in problem(await http.get("/v1/collections/none"), 404)


async def test_no_request_hops_through_threads(
    http: httpx.AsyncClient, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each hop waits for its turn, where cores are wanted by others."""

    async def refuse(*args: object, **more: object) -> None:
        raise AssertionError("a dependency is a plain function")

    def refuse_parts(*args: object) -> None:
        raise AssertionError("an answer is streamed by a plain generator")

    text = b"# C\n\nAda Lovelace met Charles Babbage in London. Charles Babbage met Ada Lovelace."
    await publish(pool, CollectionKey("default", "asked"), {"a.md": text, "b.md": text + b" Yes."})
    monkeypatch.setattr("fastapi.dependencies.utils.run_in_threadpool", refuse)
    monkeypatch.setattr("starlette.responses.iterate_in_threadpool", refuse_parts)
    question = {"question": "Who met Charles Babbage?", "stream": True}
    answer = await http.post("/v1/collections/asked/query", json=question)
    assert "event: end" in answer.text
    await upload(http, "a.txt")
    once = {"Idempotency-Key": "k"}
    body = {"files": ("a.txt", b"a")}
    url = "/v1/collections/files/documents"
    assert (await http.post(url, files=body, headers=once)).status_code == 201
    for path in ("", "/files", "/files/documents", "/files/entities", "/files/reports"):
        assert (await http.get(f"/v1/collections{path}")).status_code == 200
    assert (await http.get("/health/pools")).status_code == 200
    document = f"{url}/{document_id('a.txt')}"
    assert (await http.delete(document)).status_code == 503  # Temporal is away
    assert (await http.post("/v1/runs/" + str(uuid4()) + "/pause")).status_code == 503


async def test_a_tenant_sees_its_own_collections_only(http: httpx.AsyncClient) -> None:
    await upload(http, "a.txt")
    other = {"X-Tenant": "other"}
    assert (await http.get("/v1/collections", headers=other)).json()["collections"] == []
    problem(await http.get("/v1/collections/files", headers=other), 404)
    problem(await http.get("/v1/collections/files/documents", headers=other), 404)
    assert "tenant name" in problem(
        await http.get("/v1/collections", headers={"X-Tenant": "Not/This"}), 400
    )


async def test_documents_are_paged_and_shown(http: httpx.AsyncClient) -> None:
    await upload(http, "b.txt", "a.txt", "sub/c.txt")
    page = (await http.get("/v1/collections/files/documents", params={"limit": 2})).json()
    assert [d["name"] for d in page["documents"]] == ["a.txt", "b.txt"]
    rest = await http.get("/v1/collections/files/documents", params={"after": page["next"]})
    assert [d["name"] for d in rest.json()["documents"]] == ["sub/c.txt"]
    assert rest.json()["next"] is None
    id = document_id("sub/c.txt")
    shown = (await http.get(f"/v1/collections/files/documents/{id}")).json()
    assert (shown["name"], shown["state"], shown["size"]) == ("sub/c.txt", "uploaded", 9)
    nothing = {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0, "usd": 0}
    assert shown["model"] == nothing
    problem(await http.get(f"/v1/collections/files/documents/{uuid4()}"), 404)
    done = await http.get("/v1/collections/files/documents", params={"state": "done"})
    assert done.json()["documents"] == []


async def test_a_missing_temporal_is_told_with_what_to_do(http: httpx.AsyncClient) -> None:
    await upload(http, "a.txt")
    answer = await http.post("/v1/collections/files/index")
    assert "Temporal does not answer" in problem(answer, 503)
    assert answer.headers["retry-after"]
    for body in (
        {"method": "standard", "budget_usd": 5, "batch": True},
        {"method": None, "budget_usd": 0.5},
    ):
        problem(await http.post("/v1/collections/files/index", json=body), 503)


async def test_batches_of_method_fast_are_refused(http: httpx.AsyncClient) -> None:
    await upload(http, "a.txt")
    body = {"method": "fast", "batch": True}
    answer = await http.post("/v1/collections/files/index", json=body)
    assert "method fast asks no model" in problem(answer, 400)


async def test_without_temporal_no_document_is_deleted_and_that_is_said(
    http: httpx.AsyncClient,
) -> None:
    await upload(http, "a.txt")
    document = f"/v1/collections/files/documents/{document_id('a.txt')}"
    answer = await http.delete(document)
    assert "nothing is deleted: Temporal does not answer" in problem(answer, 503)
    assert (await http.get(document)).is_success
    problem(await http.delete(f"/v1/collections/files/documents/{uuid4()}"), 404)


async def test_many_are_deleted_at_once_or_none(http: httpx.AsyncClient) -> None:
    await upload(http, "a.txt", "b.txt")
    url = "/v1/collections/files/documents/delete"
    ids = [str(document_id(name)) for name in ("a.txt", "b.txt")]
    answer = await http.post(url, json={"documents": ids})
    assert "nothing is deleted: Temporal does not answer" in problem(answer, 503)
    problem(await http.post(url, json={"documents": [*ids, str(uuid4())]}), 404)
    for documents in ([], ["a.txt"], [ids[0]] * 10_001, "all"):
        problem(await http.post(url, json={"documents": documents}), 422)


async def test_those_that_are_there_are_forgotten_without_a_run(http: httpx.AsyncClient) -> None:
    await upload(http, "a.txt", "b.txt")
    url = "/v1/collections/files/documents/forget"
    ids = [str(document_id("a.txt")), str(uuid4())]
    assert (await http.post(url, json={"documents": ids})).status_code == 204
    listed = (await http.get("/v1/collections/files/documents")).json()["documents"]
    assert [document["name"] for document in listed] == ["b.txt"]
    none = "/v1/collections/none/documents/forget"
    problem(await http.post(none, json={"documents": ids}), 404)


async def test_the_latest_run_of_a_collection_is_shown(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await upload(http, "a.txt")
    for state in ("failed", "completed"):
        await pool.execute(
            "INSERT INTO runs (id, tenant, collection, workflow_id, method, state, phase,"
            " started_at, ended_at) VALUES (gen_random_uuid(), 'default', 'files',"
            " 'index/default/files', 'fast', $1, 'done', clock_timestamp(), now())",
            state,
        )
    run = (await http.get("/v1/collections/files/run")).json()
    assert (run["state"], run["collection"], run["projections"]) == ("completed", "files", [])


async def test_a_run_that_is_not_there_is_not_found_while_temporal_is_away(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await upload(http, "a.txt")
    id = uuid4()
    await pool.execute(
        "INSERT INTO runs (id, tenant, collection, workflow_id, method, state, phase, ended_at)"
        " VALUES ($1, 'default', 'files', 'index/default/files', 'fast', 'completed', 'done',"
        " now())",
        id,
    )
    run = (await http.get(f"/v1/runs/{id}")).json()
    assert (run["run_id"], run["state"], run["documents"]["total"]) == (str(id), "completed", 1)
    assert (run["method"], run["budget_usd"], run["model"]["steps"]) == ("fast", None, {})
    assert "has ended" in problem(await http.post(f"/v1/runs/{id}/pause"), 409)
    problem(await http.get(f"/v1/runs/{id}", headers={"X-Tenant": "other"}), 503)


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("index", {"priority": 6}, "body.priority"),
        ("index", {"priority": "3"}, "body.priority"),
        ("index", {"force_rebuild": 1}, "body.force_rebuild"),
        ("index", {"method": "guess"}, "body.method"),
        ("index", {"methd": "fast"}, "body.methd"),
        ("index", {"budget_usd": -1}, "body.budget_usd"),
        ("index", {"budget_usd": "5"}, "body.budget_usd"),
        ("index", {"budget_usd": 1e10}, "body.budget_usd"),
        ("index", {"batch": "yes"}, "body.batch"),
        ("query", {}, "body.question"),
        ("query", {"question": "x", "modus": "local"}, "body.modus"),
    ],
)
async def test_a_wrong_field_is_named(
    http: httpx.AsyncClient, path: str, body: dict[str, object], said: str
) -> None:
    answer = await http.post(f"/v1/collections/files/{path}", json=body)
    assert said in problem(answer, 422)
    assert answer.json()["errors"][0]["field"] == said


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("collections", "name"),
        ("collections/files/index", "method, force_rebuild, priority, budget_usd, batch"),
        ("collections/files/query", "question, mode, stream"),
        ("collections/files/documents/delete", "documents"),
        ("collections/files/documents/forget", "documents"),
        (f"runs/{_NO_RUN}/retry", "budget_usd"),
    ],
)
async def test_who_sends_an_unknown_field_is_told_those_of_the_body(
    http: httpx.AsyncClient, path: str, known: str
) -> None:
    answer = await http.post(f"/v1/{path}", json={"nonsense": 1})
    problem(answer, 422)
    said = {"field": "body.nonsense", "detail": f"there is no such field; known are {known}"}
    assert said in answer.json()["errors"]


@pytest.mark.parametrize(
    ("method", "path", "field", "route"),
    [
        ("GET", "runs/nonsense", "run_id", "/v1/collections/NAME/run"),
        ("GET", "runs/nonsense/events", "run_id", "/v1/collections/NAME/run"),
        ("POST", "runs/nonsense/pause", "run_id", "/v1/collections/NAME/index"),
        ("GET", "collections/files/documents/a.txt", "id", "/v1/collections/NAME/documents"),
        ("DELETE", "collections/files/documents/a.txt", "id", "/v1/collections/NAME/documents"),
        ("GET", "collections/files/entities/ADA/neighbours", "id", "/v1/collections/NAME/entities"),
    ],
)
async def test_what_is_no_id_is_told_what_one_looks_like_and_which_route_tells_it(
    http: httpx.AsyncClient, method: str, path: str, field: str, route: str
) -> None:
    answer = await http.request(method, f"/v1/{path}")
    detail = problem(answer, 422)
    assert detail.startswith(f"path.{field}: the id of a")
    assert "is a UUID such as " in detail
    assert route in detail


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain", "x"])
@pytest.mark.parametrize(
    "path",
    [
        "collections",
        "collections/files/index",
        "collections/files/query",
        "collections/files/documents/delete",
        f"runs/{_NO_RUN}/retry",
        "runs/nonsense/retry",
    ],
)
async def test_a_body_that_is_not_told_to_be_json_is_refused_with_the_header_to_send(
    http: httpx.AsyncClient, path: str, kind: str | None
) -> None:
    headers = {} if kind is None else {"content-type": kind}
    answer = await http.post(f"/v1/{path}", content=b'{"name": "files"}', headers=headers)
    assert "`content-type: application/json`" in problem(answer, 415)


@pytest.mark.parametrize("path", ["/v1/collections", "/v1/collections/files/documents"])
async def test_a_cursor_that_no_page_gave_is_refused(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path, params={"after": "a\0"})
    assert "query.after" in problem(answer, 422)


@pytest.mark.parametrize("name", ["\\ud800", "\\u0000", "a\\nb"])
async def test_a_field_of_any_name_is_refused_as_such(http: httpx.AsyncClient, name: str) -> None:
    content = '{"name": "files", "' + name + '": 1}'
    kind = {"content-type": "application/json"}
    problem(await http.post("/v1/collections", content=content, headers=kind), 422)
    content = '{"question": "' + name + '"}'
    answer = await http.post("/v1/collections/none/query", content=content, headers=kind)
    assert answer.status_code in (400, 404, 422)


async def test_what_was_sent_is_not_sent_back(http: httpx.AsyncClient) -> None:
    body = {"name": "x", "password": "hunter2"}
    answer = await http.post("/v1/collections", json=body)
    problem(answer, 422)
    assert "hunter2" not in answer.text


async def test_an_answer_comes_as_events_where_that_is_asked_for(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    text = b"# C\n\nAda Lovelace met Charles Babbage in London. Charles Babbage met Ada Lovelace."
    await publish(pool, CollectionKey("default", "files"), {"a.md": text, "b.md": text + b" Yes."})
    body = {"question": "Who met Charles Babbage?"}
    whole = (await http.post("/v1/collections/files/query", json=body)).json()
    answer = await http.post("/v1/collections/files/query", json=body | {"stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in (event.split("\n", 1) for event in answer.text.strip().split("\n\n"))
    ]
    assert [name for name, _ in events] == ["part"] * (len(events) - 1) + ["end"]
    assert "".join(told["text"] for name, told in events if name == "part") == whole["answer"]
    assert whole["answer"]
    last = events[-1][1]
    assert last | {"seconds": 0} == whole | {"seconds": 0}
    gone = await http.post("/v1/collections/none/query", json=body | {"stream": True})
    problem(gone, 404)


async def test_a_question_that_is_like_nothing_is_answered(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    """No passage has a word of it, and none a vector that points its way."""
    texts = {
        f"{n}.md": f"# {n}\n\nAda Lovelace met Charles Babbage in London. Charles Babbage wrote to"
        f" Ada Lovelace of the Difference Engine {n}.".encode()
        for n in range(4)
    }
    await publish(pool, CollectionKey("default", "files"), texts)
    for mode in MODES:
        for question in ("H", "Q", "x", "zz", "~", "0"):
            body = {"question": question, "mode": mode}
            answer = await http.post("/v1/collections/files/query", json=body)
            assert answer.status_code == 200, (question, answer.text)


@pytest.mark.parametrize("mode", ["global", "drift", "guess", "", None])
async def test_a_mode_that_this_release_lacks_is_refused_with_those_it_has(
    http: httpx.AsyncClient, mode: str | None
) -> None:
    await upload(http, "a.txt")
    body = {"question": "Who?", "mode": mode}
    answer = await http.post("/v1/collections/files/query", json=body)
    detail = problem(answer, 422)
    assert all(repr(known) in detail for known in MODES)
    assert answer.json()["errors"][0]["field"] == "body.mode"


async def test_what_is_missing_is_told_with_the_route_that_shows_what_there_is(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    """And with the command, where there is one: commands raise the same errors."""
    text = b"# C\n\nAda Lovelace met Charles Babbage in London. Charles Babbage met Ada Lovelace."
    await publish(pool, CollectionKey("default", "files"), {"a.md": text})
    files, none = "/v1/collections/files", "/v1/collections/none"
    for path, *told in (
        (none, "`graphmill collections list`", "GET /v1/collections "),
        (f"{none}/documents", "GET /v1/collections "),
        (f"{none}/entities", "GET /v1/collections "),
        (f"{none}/run", "GET /v1/collections "),
        (f"{files}/documents/{uuid4()}", "`graphmill documents list", f"GET {files}/documents "),
        (f"{files}/entities/{uuid4()}/neighbours", f"GET {files}/entities "),
    ):
        detail = problem(await http.get(path), 404)
        assert all(words in detail for words in told), detail


async def test_a_question_to_nothing_is_not_found(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/collections/none/query", json={"question": "Who?"})
    problem(answer, 404)


async def test_what_no_route_serves_is_a_problem_too(http: httpx.AsyncClient) -> None:
    assert "/openapi.json lists" in problem(await http.get("/nowhere"), 404)
    answer = await http.put("/v1/collections")
    problem(answer, 405)
    assert answer.headers["allow"] == "GET, POST"
    for path, methods in (
        ("files", "DELETE, GET"),
        ("files/documents", "GET, POST"),
        ("files/documents/forget", "POST"),
        (f"files/documents/{uuid4()}", "DELETE, GET"),
    ):
        answer = await http.put(f"/v1/collections/{path}")
        assert answer.headers["allow"] == methods
    problem(await http.get("/v1/collections/files/documents/forget"), 405)
    assert (await http.put("/openapi.json")).headers["allow"]
    kind = {"content-type": "application/json"}
    problem(await http.post("/v1/collections", content=b"{", headers=kind), 422)


async def test_an_unforeseen_error_tells_nothing_of_itself(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(answer: object) -> dict[str, object]:
        raise ValueError("secret")

    await upload(http, "a.txt")
    monkeypatch.setattr(search, "answer_to_json", fail)
    answer = await http.post("/v1/collections/files/query", json={"question": "Who?"})
    problem(answer, 500)
    assert "secret" not in answer.text


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_from_where_pages_about_the_api_have_their_scripts_is_told(
    http: httpx.AsyncClient, page: str
) -> None:
    """Where none of them is reached, the page stays blank."""
    text = (await http.get(page)).text
    loaded = set(re.findall(r"<script[^>]* src=\"https://([^/\"]+)/", text))
    assert loaded
    told = (ROOT / "docs/howto/http-api.md").read_text()
    assert all(host in told for host in loaded), loaded


async def test_the_document_of_the_api_lists_its_routes(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]
    assert {
        "/health",
        "/health/live",
        "/health/ready",
        "/health/pools",
        "/health/pools/log",
        "/metrics",
        "/v1/collections",
        "/v1/collections/{name}",
        "/v1/collections/{name}/documents",
        "/v1/collections/{name}/documents/{id}",
        "/v1/collections/{name}/documents/delete",
        "/v1/collections/{name}/documents/forget",
        "/v1/limits",
        "/v1/collections/{name}/index",
        "/v1/collections/{name}/run",
        "/v1/collections/{name}/query",
        "/v1/collections/{name}/entities",
        "/v1/collections/{name}/entities/{id}/neighbours",
        "/v1/collections/{name}/communities",
        "/v1/collections/{name}/reports",
        "/v1/runs/{run_id}",
        *(
            f"/v1/runs/{{run_id}}/{order}"
            for order in ("pause", "resume", "cancel", "retry", "events")
        ),
    } == set(paths)
