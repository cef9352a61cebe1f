"""The command line: what it says at once, how it takes what is wrong, its exit codes."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from graphmill.cli.app import app

# Modules that take long to import: `--help` must do without them.
_HEAVY = ("temporalio", "pydantic", "asyncpg", "numpy", "pyarrow", "fastapi")


@dataclass(frozen=True)
class Done:
    """What a command printed and how it ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str, home: Path, environment: dict[str, str] | None = None) -> Done:
    """A command in this process: a new one would spend a second on loading what is loaded here."""
    foreign = {
        name: None
        for name in os.environ
        if name.startswith(("GRAPHMILL_", "TEMPORAL_", "DATABASE_URL"))
    }
    ours = {"GRAPHMILL_HOME": str(home / "home")}
    result = CliRunner().invoke(app, words, env=foreign | ours | (environment or {}))
    return Done(result.exit_code, result.stdout, result.stderr)


def test_a_command_ends_its_process_with_its_exit_code(tmp_path: Path) -> None:
    done = subprocess.run(
        (sys.executable, "-P", "-m", "graphmill.cli", "index", "nothing/here", "-c", "x"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: nothing/here does not exist\n"


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from graphmill.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit as end: code = end.code\n"
        f"loaded = [name for name in {_HEAVY!r} if name in sys.modules]\n"
        "print(loaded, file=sys.stderr); sys.exit(code or bool(loaded))"
    )
    done = subprocess.run(
        (sys.executable, "-P", "-c", script), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for command in ("up", "demo", "index", "status", "pause", "query", "export", "doctor"):
        assert command in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("index",),
        ("index", "."),
        ("index", ".", "-c", "x", "--method", "magic"),
        ("index", ".", "-c", "x", "--priority", "9"),
        ("index", ".", "-c", "x", "--budget", "five"),
        ("index", ".", "-c", "x", "--budget", "-1"),
        ("index", ".", "-c", "x", "--budget", "nan"),
        ("index", ".", "-c", "x", "--estimate", "--method", "standard"),
        ("index", ".", "-c", "x", "--batch", "--method", "fast"),
        ("nonsense",),
        ("index", "nothing/here", "-c", "x"),
        ("index", ".", "-c", "../x"),
        ("documents", "list", "-c", "x", "--tenant", "Not/This"),
        ("prompts", "set", "nothing/here", "-c", "x"),
        ("prompts", "tune", "-c", "x", "--sample", "65"),
    ],
)
def test_wrong_use_ends_with_2_and_no_traceback(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run(*words, home=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("status", "x"),
        ("pause", "x"),
        ("resume", "x"),
        ("cancel", "x"),
        ("retry", "x"),
        ("documents", "list", "-c", "x"),
        ("collections", "list"),
        ("prompts", "show", "-c", "x"),
        ("prompts", "reset", "-c", "x"),
        ("prompts", "history", "-c", "x"),
        ("prompts", "use", "0123abcd", "-c", "x"),
        ("prompts", "tune", "-c", "x"),
        ("export", "x", "-o", "out"),
        ("worker", "cpu"),
        ("api",),
        ("index", ".", "-c", "x"),
        ("index", ".", "-c", "x", "--method", "standard", "--budget", "0.5"),
    ],
)
def test_where_nothing_runs_commands_say_so_and_how_to_start_it(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "a.txt").write_text("a")
    done = run(*words, "--json", home=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: nothing runs in ")
    assert "graphmill up" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not done.stdout
    assert not (tmp_path / "home").exists()


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    done = run("status", "x", home=tmp_path, environment={"GRAPHMILL_API_PORT": "many"})
    assert done.returncode == 2
    assert "GRAPHMILL_API_PORT is 'many'" in done.stderr


def test_the_traceback_is_shown_where_it_is_asked_for(tmp_path: Path) -> None:
    done = run("status", "x", home=tmp_path, environment={"GRAPHMILL_DEBUG": "1"})
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_role_that_there_is_not_is_refused_whether_or_not_a_server_runs(tmp_path: Path) -> None:
    done = run("worker", "store", "cpuu", home=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "error: there is no role 'cpuu': the roles are workflow, cpu, llm, embedding, store,"
        " projection\n"
    )
    assert "nothing runs" in run("worker", "store", "cpu", home=tmp_path).stderr


def test_doctor_tells_what_is_missing_and_ends_with_0_where_nothing_is_wrong(
    tmp_path: Path,
) -> None:
    done = run("doctor", "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] is True
    words = {check["name"]: check["words"] for check in told["checks"]}
    assert "graphmill up" in words["stack"]
    assert str(tmp_path / "home") in words["home"]


def test_doctor_names_servers_that_do_not_answer(tmp_path: Path) -> None:
    environment = {
        "DATABASE_URL": f"postgresql://me:hunter2@/none?host={tmp_path}",
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
    }
    done = run("doctor", "--json", home=tmp_path, environment=environment)
    assert done.returncode == 1
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert not checks["postgresql"]["ok"]
    assert not checks["temporal"]["ok"]
    assert "127.0.0.1:1;" in checks["temporal"]["words"]
    # Its reader has just asked it.
    assert "graphmill doctor" not in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hunter2", "DATABASE_URL is no address; such as postgresql://USER:PASSWORD@HOST/DATABASE"),
        ("mysql://me:hunter2@h/x", "DATABASE_URL is no address; such as postgresql://"),
        ("postgresql://me:hunter2@h:port/x", "DATABASE_URL is no address; such as postgresql://"),
        ("postgresql://me:hunter2@h/x?sslmode=no", "DATABASE_URL has a part that cannot be used"),
    ],
)
def test_doctor_says_that_an_address_is_none(tmp_path: Path, url: str, words: str) -> None:
    done = run("doctor", "--json", home=tmp_path, environment={"DATABASE_URL": url})
    assert done.returncode == 1
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert not checks["postgresql"]["ok"]
    assert checks["postgresql"]["words"].startswith(words)
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "other", "missing"),
    [
        ("DATABASE_URL", "postgresql:///none?host=/nowhere", "temporal", "TEMPORAL_ADDRESS"),
        ("TEMPORAL_ADDRESS", "127.0.0.1:1", "postgresql", "DATABASE_URL"),
    ],
)
def test_doctor_says_which_server_it_did_not_look_at(
    tmp_path: Path, variable: str, value: str, other: str, missing: str
) -> None:
    done = run("doctor", "--json", home=tmp_path, environment={variable: value})
    assert done.returncode == 1
    words = {check["name"]: check["words"] for check in json.loads(done.stdout)["checks"]}
    assert words[other].startswith(f"not looked at: {missing} is not set")


def test_doctor_looks_on_where_a_setting_is_wrong(tmp_path: Path) -> None:
    done = run("doctor", "--json", home=tmp_path, environment={"GRAPHMILL_API_PORT": "many"})
    assert done.returncode == 1
    assert "GRAPHMILL_API_PORT" in json.loads(done.stdout)["checks"][0]["words"]


def test_a_server_that_is_away_is_an_error_in_one_line(tmp_path: Path) -> None:
    environment = {
        "DATABASE_URL": f"postgresql://me:hunter2@/none?host={tmp_path}",
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
    }
    done = run("collections", "list", home=tmp_path, environment=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("error: PostgreSQL does not answer")
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr


PRICED = """
[[endpoints]]
name = "nowhere"
base_url = "http://127.0.0.1:1/v1"
prompt_price = 0.4
completion_price = 1.6
"""


def test_an_estimate_needs_nothing_that_runs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ada Lovelace met Charles Babbage in London.")
    words = ("index", "a.txt", "-c", "x", "--estimate")
    free = run(*words, "--json", home=tmp_path)
    assert free.returncode == 0, free.stderr
    assert json.loads(free.stdout) == {"method": "fast", "documents": 1, "calls": 0}
    (tmp_path / "graphmill.toml").write_text(PRICED)
    told = json.loads(run(*words, "--json", home=tmp_path).stdout)
    assert (told["method"], told["documents"], told["text_units"]) == ("standard", 1, 1)
    assert told["usd"] == pytest.approx(
        (0.4 * told["prompt_tokens"] + 1.6 * told["completion_tokens"]) / 1e6
    )
    assert told["seconds"] > 0
    assert told["assumptions"]["answer_tokens"] == 600
    shown = run(*words, home=tmp_path)
    assert "in all" in shown.stdout
    assert "Assumed: 600 tokens an answer" in shown.stderr
    batched = run(*words, "--batch", home=tmp_path).stdout
    assert "up to 24 h" in batched
    assert "up to 0 h" not in batched  # what is asked directly beside them
    fast = run(*words, "--method", "fast", "--json", home=tmp_path)
    assert json.loads(fast.stdout)["method"] == "fast"
    assert not (tmp_path / "home").exists()
