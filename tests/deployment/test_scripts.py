"""The scripts that prepare servers, run against real ones where this machine has them: Temporal's
namespace and attributes on a Temporal server. What prepares PostgreSQL: test_databases.py."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from graphmill.embedded.home import Home
from graphmill.embedded.temporal_server import DYNAMIC_CONFIG
from graphmill.search_attributes import ALL
from tests.support.temporal import find_program, temporal_server

_NAMESPACE = "fleet"


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with temporal_server(tmp_path_factory.mktemp("temporal")) as address:
        yield address


def _create_namespace(
    deployment: Path, tmp_path: Path, address: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    home = Home.at(tmp_path)
    home.create()
    programs = tmp_path / "programs"
    programs.mkdir(exist_ok=True)
    link = programs / "temporal"
    link.unlink(missing_ok=True)
    link.symlink_to(find_program(home))
    return subprocess.run(
        ["sh", str(deployment / "temporal" / "create-namespace.sh")],
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "TEMPORAL_ADDRESS": address,
            "TEMPORAL_NAMESPACE": _NAMESPACE,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def _attributes(address: str) -> tuple[int, dict[str, int]]:
    """(days of retention, types of search attributes by name)."""
    client = await Client.connect(address, namespace=_NAMESPACE)
    described = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=_NAMESPACE)
    )
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=_NAMESPACE)
    )
    days = described.config.workflow_execution_retention_ttl.ToTimedelta().days
    return days, {key.name: listed.custom_attributes[key.name] for key in ALL}


def test_a_namespace_is_made_with_what_graphmill_needs_and_made_once(
    temporal: str, deployment: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        done = _create_namespace(deployment, tmp_path, temporal, RETENTION="7d")
        assert done.returncode == 0, done.stdout + done.stderr
        days, types = asyncio.run(_attributes(temporal))
        assert days == 7
        assert set(types.values()) == {IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD}


def test_a_server_that_does_not_answer_is_given_up(deployment: Path, tmp_path: Path) -> None:
    done = _create_namespace(deployment, tmp_path, "127.0.0.1:1", ATTEMPTS="2", PAUSE="0")
    assert done.returncode == 1
    assert "given up after 2 tries: temporal operator cluster health" in done.stderr


def test_the_schema_of_both_databases_is_made_in_order(deployment: Path, tmp_path: Path) -> None:
    """By a tool that writes down what it is asked: the real one is in an image that runs nowhere
    here."""
    tool = tmp_path / "temporal-sql-tool"
    tool.write_text('#!/bin/sh\necho "$@" >>"$ASKED"\n')
    tool.chmod(0o755)
    asked = tmp_path / "asked"
    given = {"SQL_PLUGIN": "postgres12", "SQL_HOST": "db", "SQL_PORT": "5432", "SQL_USER": "t"}
    script = ["sh", str(deployment / "temporal" / "setup-schema.sh")]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "ASKED": str(asked), **given}
    refused = subprocess.run(
        script, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert refused.returncode != 0
    assert "SQL_PASSWORD" in refused.stderr
    subprocess.run(script, env=environment | {"SQL_PASSWORD": "x"}, timeout=30, check=True)
    assert asked.read_text().splitlines() == [
        "--database temporal create",
        "--database temporal setup-schema --version 0.0",
        "--database temporal update-schema --schema-name postgresql/v12/temporal",
        "--database temporal_visibility create",
        "--database temporal_visibility setup-schema --version 0.0",
        "--database temporal_visibility update-schema --schema-name postgresql/v12/visibility",
    ]


def test_the_server_is_set_as_the_embedded_one_but_for_its_partitions(deployment: Path) -> None:
    config = yaml.safe_load((deployment / "temporal" / "dynamic-config.yaml").read_text())
    told = {name: [one["value"] for one in values] for name, values in config.items()}
    embedded = {
        name: [yaml.safe_load(value)]
        for name, value in DYNAMIC_CONFIG.items()
        if "Partitions" not in name
    }
    assert told == embedded


def test_every_script_is_one_that_its_shell_reads(deployment: Path) -> None:
    scripts = sorted(deployment.rglob("*.sh"))
    assert scripts
    for script in scripts:
        shell = script.read_text().splitlines()[0].removeprefix("#!/bin/")
        subprocess.run([shell, "-n", str(script)], check=True, timeout=30)


def test_the_metrics_key_is_made_once_and_read_by_the_group(
    deployment: Path, tmp_path: Path
) -> None:
    """By a command that stands for `graphmill`: tests/e2e/test_shown_metrics.py uses a real key."""
    command = tmp_path / "graphmill"
    command.write_text('#!/bin/sh\necho x >>"$0.calls"\necho \'{"id": "a", "key": "gmk_made"}\'\n')
    command.chmod(0o755)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    file = tmp_path / "prometheus"
    for _ in range(2):
        subprocess.run(
            ["sh", str(deployment / "graphmill" / "metrics-key.sh"), str(file)],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            check=True,
            timeout=30,
        )
    assert file.read_text() == "gmk_made"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert (tmp_path / "graphmill.calls").read_text() == "x\n"
    assert [one.name for one in tmp_path.glob("prometheus*")] == ["prometheus"]
