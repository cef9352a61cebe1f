"""graphmill's commands in this process: Python and its libraries are loaded once."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from graphmill.cli.app import app
from tests.support.stack import FOREIGN, Stack


@dataclass(frozen=True)
class Done:
    """What a command printed and how it ended."""

    returncode: int
    stdout: str
    stderr: str


def run(stack: Stack, *words: str, environment: Mapping[str, str] | None = None) -> Done:
    """A command over a running stack, in this process."""
    foreign = {name: None for name in os.environ if name.startswith(FOREIGN)}
    result = CliRunner().invoke(
        app, words, env=foreign | stack.environment | dict(environment or {})
    )
    return Done(result.exit_code, result.stdout, result.stderr)


def run_with(environment: Mapping[str, str], *words: str) -> Done:
    """A command on a machine that has only this in its environment, in this process."""
    foreign = {name: None for name in os.environ if name.startswith(FOREIGN)}
    result = CliRunner().invoke(app, words, env=foreign | dict(environment))
    return Done(result.exit_code, result.stdout, result.stderr)


def run_json(stack: Stack, *words: str) -> tuple[int, Any]:
    done = run(stack, *words, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)
