"""The .env of docker-compose.temporal.yml: secrets by chance, figures by one formula."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmill.compose.__main__ import main
from graphmill.compose.environment import SECRETS, Wanted, make, refit
from graphmill.compose.sizing import (
    COUNTS,
    FIXED,
    LEAST_MEMORY,
    Machine,
    figures,
    max_connections,
    sized,
)
from graphmill.database_connections import plan
from graphmill.errors import SettingsError
from graphmill.settings import load_settings

_GIB = 1024**3


def _values(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def _bytes(size: str) -> int:
    found = re.fullmatch(r"(\d+)(?:m|MB)", size)
    assert found, size
    return int(found[1]) * 1024**2


@given(
    memory=st.integers(LEAST_MEMORY, 2048 * _GIB),
    cores=st.integers(2, 256),
    cpu=st.integers(1, 4),
    workflow=st.integers(1, 4),
)
def test_what_is_told_fits_into_any_machine(
    memory: int, cores: int, cpu: int, workflow: int
) -> None:
    counts = {"cpu": cpu, "workflow": workflow}
    try:
        found = figures(Machine(memory, cores, counts))
    except SettingsError:
        assert memory < 24 * _GIB
        return
    fixed = sum(
        FIXED[service] * 1024**2 * count for service, count in sized({**COUNTS, **counts}).items()
    )
    fitted = sum(_bytes(found[f"{name}_MEMORY"]) for name in ("POSTGRES", "NEO4J", "QDRANT"))
    assert fixed + fitted + cpu * _bytes(found["WORKER_CPU_MEMORY"]) + _GIB <= memory

    postgres, connections = _bytes(found["POSTGRES_MEMORY"]), int(found["POSTGRES_MAX_CONNECTIONS"])
    buffers = _bytes(found["POSTGRES_SHARED_BUFFERS"])
    sorting = connections * _bytes(found["POSTGRES_WORK_MEM"])
    assert buffers + max(sorting, 0) <= max(postgres * 0.5, buffers + 4 * connections * 1024**2)
    assert _bytes(found["POSTGRES_EFFECTIVE_CACHE_SIZE"]) <= postgres

    heap, cache = _bytes(found["NEO4J_HEAP"]), _bytes(found["NEO4J_PAGE_CACHE"])
    assert heap + cache + 512 * 1024**2 <= _bytes(found["NEO4J_MEMORY"])
    assert 512 * 1024**2 <= heap <= 31 * _GIB

    for name in ("POSTGRES", "NEO4J", "QDRANT", "TEMPORAL", "API"):
        assert 2 <= int(found[f"{name}_CPUS"]) <= cores

    processes = int(found["GRAPHMILL_CPU_WORKERS"])
    assert 1 <= processes <= max(1, cores // cpu)
    assert 256_000_000 <= int(found["GRAPHMILL_LIMIT_PARSE_MEMORY_BYTES"]) <= 3_000_000_000


def _deployment(found: Mapping[str, str]) -> dict[str, int]:
    prefix = "GRAPHMILL_DEPLOYMENT_"
    return {
        name.removeprefix(prefix).lower(): int(value)
        for name, value in found.items()
        if name.startswith(prefix)
    }


@given(
    cores=st.integers(2, 64),
    counts=st.fixed_dictionaries({name: st.integers(1, 12) for name in COUNTS}),
)
def test_our_own_connections_alone_never_fire_the_alert(cores: int, counts: dict[str, int]) -> None:
    found = figures(Machine(256 * _GIB, cores, counts))
    settings = load_settings(
        {
            "deployment": _deployment(found),
            "cpu_workers": int(found["GRAPHMILL_CPU_WORKERS"]),
            "database_connections": int(found["GRAPHMILL_DATABASE_CONNECTIONS"]),
            "store_concurrency": int(found["GRAPHMILL_STORE_CONCURRENCY"]),
            "embedding_concurrency": int(found["GRAPHMILL_EMBEDDING_CONCURRENCY"]),
        }
    )
    wanted = sum(part.total for part in plan(settings))
    allowed = int(found["POSTGRES_MAX_CONNECTIONS"])
    assert wanted <= 0.8 * allowed
    assert allowed - wanted >= 15


@given(st.integers(1, 10_000))
def test_however_many_connections_are_wanted_a_fifth_is_free(wanted: int) -> None:
    allowed = max_connections(wanted)
    assert wanted <= 0.8 * allowed
    assert wanted + 15 <= allowed <= wanted / 0.75 + 16


def test_processes_of_the_api_have_memory_and_a_core_each() -> None:
    one, four = (figures(Machine(64 * _GIB, 16, {"api": count})) for count in (1, 4))
    assert (one["API_MEMORY"], four["API_MEMORY"]) == ("512m", "2048m")
    assert (one["API_CPUS"], four["API_CPUS"]) == ("2", "4")
    assert figures(Machine(64 * _GIB, 2, {"api": 4}))["API_CPUS"] == "2"
    assert _bytes(four["POSTGRES_MEMORY"]) < _bytes(one["POSTGRES_MEMORY"])


def test_a_large_machine_gives_its_cores_to_those_that_are_asked() -> None:
    found = figures(Machine(256 * _GIB, 64))
    assert (found["POSTGRES_CPUS"], found["NEO4J_CPUS"], found["TEMPORAL_CPUS"]) == (
        "32",
        "16",
        "16",
    )


def test_a_machine_that_has_too_little_is_told_what_takes_how_much() -> None:
    more = {"cpu": 2, "llm": 2, "api": 4}
    with pytest.raises(SettingsError) as refused:
        figures(Machine(16 * _GIB, 2, more))
    told = re.search(
        r"^16\.0 GiB are too little for workflow 2, cpu 2, .*: the system and what has a fixed size"
        r" take ([\d.]+) GiB, ([\d.]+) are left, and 5\.5 are needed: ([\d.]+) GiB in all; run",
        str(refused.value),
    )
    assert told, refused.value
    fixed, left, needed = map(float, told.groups())
    assert fixed + left == pytest.approx(16)
    assert left < 5.5
    assert needed > 16
    assert needed == pytest.approx(fixed + 5.5, abs=0.01)
    # What it says is enough is enough.
    figures(Machine(int(needed * _GIB), 2, more))


def test_a_machine_below_the_least_is_told_the_least() -> None:
    words = r"^14\.9 GiB are too little for .* wants 15 GiB at least"
    with pytest.raises(SettingsError, match=words):
        figures(Machine(LEAST_MEMORY - 1, 2))
    figures(Machine(LEAST_MEMORY, 2))


@pytest.mark.parametrize("name", ["workflow", "cpu", "embedding", "store", "api"])
def test_none_of_a_role_that_is_waited_for_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}=0: everything waits for it"):
        figures(Machine(64 * _GIB, 16, {name: 0}))


@pytest.mark.parametrize("name", ["llm", "projection", "commands"])
def test_who_has_no_model_or_no_other_store_needs_no_worker_for_it(name: str) -> None:
    found = figures(Machine(64 * _GIB, 16, {name: 0}))
    assert found[f"GRAPHMILL_DEPLOYMENT_{name.upper()}"] == "0"


def test_a_machine_that_is_too_small_is_refused_in_plain_words() -> None:
    with pytest.raises(SettingsError, match="wants 15 GiB at least"):
        figures(Machine(8 * _GIB, 4))
    with pytest.raises(SettingsError, match=r"^cores: 1; .* wants 2 at least"):
        figures(Machine(32 * _GIB, 1))
    with pytest.raises(SettingsError, match="gpu: expected is one of"):
        figures(Machine(32 * _GIB, 4, {"gpu": 1}))


def test_no_two_files_have_the_same_secret() -> None:
    machine = Machine(32 * _GIB, 8)
    first, second = _values(make(machine)), _values(make(machine))
    secrets = [one[name] for one in (first, second) for name in SECRETS]
    assert len(set(secrets)) == 2 * len(SECRETS)
    # They stand in addresses as they are, and nobody guesses them.
    assert all(re.fullmatch(r"[0-9a-f]{48}", secret) for secret in secrets)


def test_the_file_is_its_owners_alone_and_never_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".env"
    words = ["--memory", "32", "--cores", "8", "--file", str(file)]
    assert main(words) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()
    assert main(words) == 2
    assert "its secrets are those of the volumes" in capsys.readouterr().err
    assert file.read_text() == before


def test_a_role_is_scaled_with_the_connections_it_needs_and_the_same_secrets(
    tmp_path: Path,
) -> None:
    file = tmp_path / ".env"
    machine = ["--memory", "64", "--cores", "16", "--file", str(file)]
    assert main([*machine, "llm=2"]) == 0
    before = _values(file.read_text())
    file.write_text(file.read_text() + "\n# mine\nPUBLISH_ON=10.0.0.5\n")
    assert main([*machine, "--refit", "store=3"]) == 0
    after = _values(file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {name: after[name] for name in SECRETS} == {name: before[name] for name in SECRETS}
    assert after["PUBLISH_ON"] == "10.0.0.5"
    assert (after["GRAPHMILL_DEPLOYMENT_LLM"], after["GRAPHMILL_DEPLOYMENT_STORE"]) == ("2", "3")
    more = int(after["POSTGRES_MAX_CONNECTIONS"]) - int(before["POSTGRES_MAX_CONNECTIONS"])
    assert more >= 2 * int(after["GRAPHMILL_STORE_CONCURRENCY"])


def test_the_script_takes_a_file_from_where_its_caller_is(
    tmp_path: Path, project_root: Path
) -> None:
    """In a checkout that has nothing else, and installs nothing."""
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    for folder in (checkout / "scripts", checkout / ".venv" / "bin", elsewhere):
        folder.mkdir(parents=True)
    shutil.copy(project_root / "scripts" / "compose-env", checkout / "scripts")
    for name, line in (("scripts/install", ":"), (".venv/bin/python", f'{sys.executable} "$@"')):
        program = checkout / name
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)

    def run(*words: str) -> None:
        script = checkout / "scripts" / "compose-env"
        machine = ("--memory", "32", "--cores", "8")
        environment = os.environ | {"PYTHONPATH": str(project_root)}
        subprocess.run(
            [script, *machine, *words], cwd=elsewhere, env=environment, timeout=60, check=True
        )

    run("--file", "mine.env")
    assert [file.name for file in elsewhere.iterdir()] == ["mine.env"]
    run("--refit", "--file", "mine.env", "llm=2")
    assert "GRAPHMILL_DEPLOYMENT_LLM=2" in (elsewhere / "mine.env").read_text()
    assert not list(checkout.glob("*.env"))
    run("--file", str(tmp_path / "absolute.env"))
    assert (tmp_path / "absolute.env").exists()
    # Without a name it is the one that compose reads.
    run()
    assert (checkout / ".env").exists()
    assert [file.name for file in elsewhere.iterdir()] == ["mine.env"]


def test_refit_of_what_is_printed_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--refit", "--file", "-"]) == 2
    assert "--refit writes a file anew" in capsys.readouterr().err


def test_refit_of_a_file_that_is_not_there_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--refit", "--file", "none.env"]) == 2
    told = capsys.readouterr().err
    assert told == "compose-env: there is no none.env yet: run it without --refit first\n"
    assert not list(tmp_path.iterdir())


def test_refit_keeps_the_machine_that_the_file_was_made_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".env"
    assert main(["--memory", "40.0007", "--cores", "6", "--file", str(file)]) == 0
    made = file.read_text()
    assert main(["--refit", "--file", str(file)]) == 0
    assert file.read_text() == made
    assert "nothing changes" in capsys.readouterr().err

    assert main(["--refit", "--file", str(file), "--memory", "48"]) == 0
    after = _values(file.read_text())
    assert (after["MACHINE_MEMORY_MIB"], after["MACHINE_CORES"]) == ("49152", "6")
    told = capsys.readouterr().err
    assert "MACHINE_MEMORY_MIB: 40960 -> 49152" in told
    assert f"POSTGRES_MEMORY: {_values(made)['POSTGRES_MEMORY']} -> " in told
    assert not any(after[name] in told for name in SECRETS)


def test_a_file_of_before_that_knows_no_machine_is_fitted_to_this_one() -> None:
    old = make(Machine(32 * _GIB, 8)).replace("MACHINE_", "OLD_")
    fitted = refit(old, Wanted(None, None, {}, here=(20 * _GIB, 4)))
    after = _values(fitted.text)
    assert (after["MACHINE_MEMORY_MIB"], after["MACHINE_CORES"]) == ("20480", "4")
    assert "MACHINE_MEMORY_MIB: new -> 20480" in fitted.changes


def test_lines_that_are_none_are_refused_without_being_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="expected is NAME=VALUE") as caught:
        refit("POSTGRES_PASSWORD s3cret", Wanted(32 * _GIB, 8, {}, here=(0, 0)))
    assert "s3cret" not in str(caught.value)
