"""Whatever the OpenAPI document allows, and much that it does not, is answered as it says: no 5xx,
no other status, media type, header or body than are told. Schemathesis asks, a bounded number of
times and the same in each run."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from graphmill import SyncClient
from graphmill.http_api.examples import DOCUMENT, UPLOAD
from tests.support.api_process import ApiProcess
from tests.support.stack import Stack

SEED = 20261130
EXAMPLES = 12
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
TEXTS = {
    DOCUMENT["name"]: str(UPLOAD["files"][0]).encode(),
    **{
        f"{n}.md": f"# {n}\n\nAda Lovelace met Charles Babbage in London. Charles Babbage wrote to"
        f" Ada Lovelace of the Difference Engine {n}.".encode()
        for n in range(4)
    },
    "broken.pdf": b"%PDF-1.7 and nothing after it",
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


@pytest.fixture(scope="module")
def configuration(anybodys: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Most requests are of a collection, a run, a document and an entity that are there; the others
    of whatever comes to mind. Streams of events are read to their first one: those of a run that is
    held would not end. The deletion of a collection has one of its own, or nothing would be left
    for the others."""
    with SyncClient(anybodys) as client:
        client.upload("doomed", {"a.txt": b"a"})
        client.upload("papers", TEXTS)
        run = client.wait(client.index("papers").run_id)
        entity = next(client.entities("papers"))
        document = next(client.documents("papers"))
    names = {
        "collections": ("path.name", ["papers"]),
        "runs": ("path.run_id", [str(run.run_id)]),
        "ids": ("path.id", [str(document.id), str(entity.id), DOCUMENT["id"]]),
        "tenants": ("header.X-Tenant", ["default"]),
    }
    lines = ["max-stream-events = 1", "request-timeout = 30"]
    for name, (_, values) in names.items():
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(values)}"]
    lines += ["[dictionaries.doomed]", 'values = ["doomed"]', "[parameters]"]
    lines += [
        f'"{parameter}" = {{ dictionary = "{name}", probability = 0.7 }}'
        for name, (parameter, _) in names.items()
    ]
    lines += [
        "[[operations]]",
        'include-name = "DELETE /v1/collections/{name}"',
        'parameters = { "path.name" = { dictionary = "doomed", probability = 1.0 } }',
    ]
    path = tmp_path_factory.mktemp("any-configuration") / "schemathesis.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def ask(
    url: str, configuration: Path, examples: int, seconds: float, *words: str, more: str = ""
) -> str:
    """What Schemathesis said, where it found nothing wrong."""
    began = time.monotonic()
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
    )
    told = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, told[-20_000:]
    print(f"{told[told.rindex('SUMMARY') :]}\n{time.monotonic() - began:.0f} s")
    return told


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
        1,
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
