"""`graphmill up` in a home of its own, as a user starts it; and kill -9 of any of its parts."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

from graphmill.application.graphmill import Graphmill
from graphmill.bootstrap import open_application
from graphmill.embedded import processes
from graphmill.embedded.home import Addresses, Home
from graphmill.settings import load_settings
from graphmill.tenancy import acting_for

_START_SECONDS = 60
# What a user's shell may have set, and a test must not take over.
FOREIGN = (
    "GRAPHMILL_",
    "TEMPORAL_",
    "DATABASE_URL",
    "OPENAI_",
    "ANTHROPIC_",
    "NEO4J_",
    "QDRANT_",
    "OTEL_",
)


class Target(StrEnum):
    """What is killed."""

    CPU_WORKER = "the cpu worker"
    POOL_PROCESS = "a process of the cpu worker's pool"
    WORKFLOW_WORKER = "the workflow worker"
    LLM_WORKER = "the worker that asks models"
    API = "the API"
    TEMPORAL = "the Temporal server"
    POSTGRES = "PostgreSQL"
    EVERYTHING = "everything at once"


class Stack:
    """A home, and what runs in it."""

    def __init__(self, home: Path, environment: dict[str, str] | None = None) -> None:
        self.home = Home.at(home)
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)
        }
        self.environment |= {
            "GRAPHMILL_HOME": str(self.home.path),
            "GRAPHMILL_TEMPORAL_PORT": "0",
            "GRAPHMILL_TEMPORAL_UI_PORT": "0",
            "GRAPHMILL_API_PORT": "0",
        } | (environment or {})
        self._supervisor: subprocess.Popen[bytes] | None = None

    @property
    def addresses(self) -> Addresses | None:
        return self.home.read_addresses()

    def start(self) -> None:
        """`graphmill up`; returns when everything is up."""
        self.home.path.mkdir(parents=True, exist_ok=True)
        log = self.home.path / "up.log"
        with log.open("ab") as output:
            self._supervisor = subprocess.Popen(
                command("up"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                cwd=self.home.path,  # where a test may have put a graphmill.toml
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while self.addresses is None:
            if self._supervisor.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the stack does not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self._supervisor is not None:
            self._supervisor.send_signal(signal.SIGINT)
            self._supervisor.wait(60)
            self._supervisor = None

    def kill(self, target: Target) -> None:
        """kill -9."""
        if target is Target.EVERYTHING:
            self.kill_everything()
            return
        deadline = time.monotonic() + _START_SECONDS
        while not (found := self.find(target)):
            assert time.monotonic() < deadline, f"{target} does not run"
            time.sleep(0.02)
        for process in found:
            process.kill()

    def kill_everything(self) -> None:
        """The supervisor first, so that it starts nothing again; then all that it started."""
        if self._supervisor is not None:
            self._supervisor.kill()
            self._supervisor.wait()
            self._supervisor = None
        while marked := processes.marked(self.home.path):
            processes.kill(marked)

    def run(
        self, *words: str, timeout: float = 120, environment: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """A command of graphmill's to its end; `environment` is added to the stack's own."""
        return subprocess.run(
            command(*words),
            env=self.environment | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def run_json(self, *words: str, timeout: float = 120) -> tuple[int, Any]:
        """(exit code, what it printed) of a command with --json."""
        done = self.run(*words, "--json", timeout=timeout)
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            raise AssertionError(
                f"graphmill {' '.join(words)} ended with {done.returncode} and no JSON:"
                f"\n{done.stdout}\n{done.stderr}"
            ) from None

    @asynccontextmanager
    async def application(self) -> AsyncGenerator[Graphmill]:
        """What the CLI and the API call, over this stack's servers as they are now."""
        addresses = self.addresses
        assert addresses is not None, "nothing runs"
        settings = load_settings({"home": self.home.path})
        async with open_application(settings, addresses) as app:
            with acting_for(settings.tenant):
                yield app

    def log(self) -> str:
        """What `graphmill up` said: which parts died and were started again."""
        return (self.home.path / "up.log").read_text()

    def find(self, target: Target) -> list[psutil.Process]:
        """The processes of it that run."""
        if target is Target.POOL_PROCESS:
            [worker] = self.find(Target.CPU_WORKER)
            # Its children are the nursery, which has the processes that work as children.
            return [pooled for child in worker.children() for pooled in child.children()][:1]
        found: list[psutil.Process] = []
        for process in processes.marked(self.home.path):
            try:
                if _is(process, target):
                    found.append(process)
            except psutil.Error:  # it ended meanwhile
                continue
        return found


def _is(process: psutil.Process, target: Target) -> bool:
    words = process.cmdline()
    match target:
        case Target.CPU_WORKER:
            return words[-2:] == ["workers", "cpu"]
        case Target.WORKFLOW_WORKER:
            return words[-2:] == ["workers", "workflow"]
        case Target.LLM_WORKER:
            return "workers" in words and words[words.index("workers") + 1 :][:1] == ["llm"]
        case Target.API:
            return words[-1:] == ["api"]
        case Target.TEMPORAL:
            return "start-dev" in words
        case Target.POSTGRES:
            # Its first process alone: the others have to notice by themselves.
            parent = process.parent()
            return process.name() == "postgres" and (parent is None or parent.name() != "postgres")
        case _:
            return False


def command(*words: str) -> tuple[str, ...]:
    """graphmill in this interpreter, wherever the test runs."""
    return (sys.executable, "-P", "-m", "graphmill.cli", *words)
