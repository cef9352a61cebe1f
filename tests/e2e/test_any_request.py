"""Whatever the OpenAPI document allows, and much that it does not, is answered as it says: no 5xx,
no other status, media type, header or body than are told. Schemathesis asks, a bounded number of
times and the same in each run."""

import json
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from graphmill import SyncClient
from graphmill.client import NotFound
from graphmill.http_api.examples import DOCUMENT, NEW_COLLECTION, UPLOAD
from tests.support.api_process import ApiProcess
from tests.support.stack import Stack

HOOKS = Path(__file__).resolve().parents[1] / "support/asked_statuses.py"
SEED = 20261130
EXAMPLES = 12
# As many as it takes for each operation to be done once.
KEYED_EXAMPLES = 4
SOAK_EXAMPLES = 250
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
)
# Each is given to a run of its own.
ORDERS = ("pause", "resume", "cancel")
# Those of the examples are among them.
TEXTS = {
    DOCUMENT["name"]: str(UPLOAD["files"][0]).encode(),
    **{
        f"{n}.md": f"# {n}\n\nAda Lovelace met Charles Babbage in London. Charles Babbage wrote to"
        f" Ada Lovelace of the Difference Engine {n}.".encode()
        for n in range(4)
    },
    "babbage.pdf": b"%PDF-1.7 and nothing after it",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Its API asks for keys."""
    stack = Stack(tmp_path_factory.mktemp("any"), {"GRAPHMILL_API_REQUIRE_KEYS": "true"})
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def anybodys(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An API that asks for none, where every scope is everybody's."""
    log = tmp_path_factory.mktemp("any-log") / "api.log"
    with ApiProcess(stack, log, {"GRAPHMILL_API_REQUIRE_KEYS": "false"}) as api:
        yield api.url


@dataclass(frozen=True, slots=True)
class Read:
    """What reads find: nothing of it is changed by what is asked."""

    run: UUID
    entity: UUID
    document: UUID


@pytest.fixture(scope="module")
def read(anybodys: str) -> Read:
    with SyncClient(anybodys) as client:
        client.upload("read", TEXTS)
        run = client.wait(client.index("read").run_id)
        entity = next(client.entities("read"))
        document = next(client.documents("read"))
    return Read(run.run_id, entity.id, document.id)


@pytest.fixture
def configuration(anybodys: str, read: Read, tmp_path: Path) -> Path:
    """Most requests are of a collection, a run, a document and an entity that are there; the others
    of whatever comes to mind. Streams of events are read to their first one: those of a run that is
    held would not end. What deletes documents, a collection, or holds and ends runs has its own, or
    nothing would be left for the others: also of the collection that the document's examples name,
    which is deleted as the others are asked for."""
    with SyncClient(anybodys) as client:
        client.upload(NEW_COLLECTION["name"], TEXTS)
        client.upload("doomed", {"a.txt": b"a"})
        client.upload("shrinking", TEXTS)
        shrinking = next(client.documents("shrinking"))
        held = {order: held_run(client, order) for order in ORDERS}
    choices: dict[str, list[str]] = {
        "collections": ["read"],
        "runs": [str(read.run)],
        "ids": [str(read.document), str(read.entity), DOCUMENT["id"]],
        "documents": [str(read.document)],
        "entities": [str(read.entity)],
        "tenants": ["default"],
        "doomed": ["doomed"],
        "shrinking": ["shrinking"],
        "shrunk": [str(shrinking.id)],
        **{order: [str(run)] for order, run in held.items()},
    }
    lines = ["max-stream-events = 1", "request-timeout = 30"]
    # Names that answers tell would be deleted too.
    for phase in ("coverage", "fuzzing"):
        lines += [f"[phases.{phase}.extra-data-sources]", "responses = false"]
    for name, values in choices.items():
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(values)}"]
    lines += ["[parameters]"]
    lines += [
        f'"{parameter}" = {{ dictionary = "{name}", probability = 0.7 }}'
        for parameter, name in (
            ("path.name", "collections"),
            ("path.run_id", "runs"),
            ("path.id", "ids"),
            ("header.X-Tenant", "tenants"),
        )
    ]
    documents = "/v1/collections/{name}/documents"
    own: dict[str, dict[str, str]] = {
        "DELETE /v1/collections/{name}": {"path.name": "doomed"},
        f"DELETE {documents}/{{id}}": {"path.name": "shrinking", "path.id": "shrunk"},
        f"GET {documents}/{{id}}": {"path.id": "documents"},
        "GET /v1/collections/{name}/entities/{id}/neighbours": {"path.id": "entities"},
        f"POST {documents}/delete": {"path.name": "shrinking"},
        f"POST {documents}/forget": {"path.name": "shrinking"},
        **{f"POST /v1/runs/{{run_id}}/{order}": {"path.run_id": order} for order in ORDERS},
    }
    for operation, parameters in own.items():
        chosen = ", ".join(
            f'"{parameter}" = {{ dictionary = "{name}", probability = 1.0 }}'
            for parameter, name in parameters.items()
        )
        lines += [
            "[[operations]]",
            f'include-name = "{operation}"',
            f"parameters = {{ {chosen} }}",
        ]
    path = tmp_path / "schemathesis.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def held_run(client: SyncClient, collection: str) -> UUID:
    """One that is under way until somebody has it go on; not the one of the test before."""
    collection = f"{collection}-{uuid4().hex}"
    texts = {f"{n}.txt": f"Ada met Charles {n} times.".encode() for n in range(20)}
    client.upload(collection, texts)
    run = client.index(collection)
    deadline = time.monotonic() + 10
    while True:
        try:
            client.pause(run.run_id)
            return run.run_id
        except NotFound:  # Temporal's list, by which it is found at first, follows a moment later
            assert time.monotonic() < deadline
            time.sleep(0.05)


def ask(
    url: str, configuration: Path, examples: int, seconds: float, *words: str, more: str = ""
) -> None:
    """Schemathesis finds nothing wrong; and each operation was done at least once, or what is told
    of it would never have been looked at."""
    began = time.monotonic()
    statuses = configuration.with_name("statuses")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)),
            *("run", f"{url}/openapi.json", "--phases", "examples,coverage,fuzzing"),
            *("--checks", ",".join(CHECKS) + more, "--max-examples", str(examples)),
            *("--seed", str(SEED), "--generation-database", "none", "--no-color"),
            *("--no-shrink", "--continue-on-failure", "--warnings", "off", *words),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
        cwd=configuration.parent,
        env=os.environ
        | {
            "SCHEMATHESIS_HOOKS": str(HOOKS),
            "GRAPHMILL_ASKED_STATUSES": str(statuses),
        },
    )
    told = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, told[-20_000:]
    print(f"{told[told.rindex('SUMMARY') :]}\n{time.monotonic() - began:.0f} s")
    answered: dict[str, Counter[str]] = defaultdict(Counter)
    for line in statuses.read_text().splitlines():
        status, _, operation = line.partition(" ")
        answered[operation][status] += 1
    assert len(answered) > 20
    never = {
        operation: dict(found)
        for operation, found in answered.items()
        if not any(status.startswith("2") for status in found)
    }
    assert not never


def test_whatever_is_asked_is_answered_as_is_told(anybodys: str, configuration: Path) -> None:
    ask(anybodys, configuration, EXAMPLES, 240)
    assert httpx.get(f"{anybodys}/health", trust_env=False).is_success


def test_a_key_is_asked_for_wherever_it_is_told_to_be(stack: Stack, configuration: Path) -> None:
    code, made = stack.run_json("keys", "create", "any request", "--scope", "admin")
    assert code == 0
    assert stack.addresses is not None
    assert stack.addresses.api_url is not None
    ask(
        stack.addresses.api_url,
        configuration,
        KEYED_EXAMPLES,
        240,
        *("--header", f"Authorization: Bearer {made['key']}", "--include-path-regex", "^/v1/"),
        more=",ignored_auth",
    )


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_whatever_is_asked_for_long_is_answered_as_is_told(
    anybodys: str, configuration: Path
) -> None:
    ask(anybodys, configuration, SOAK_EXAMPLES, 1700)
