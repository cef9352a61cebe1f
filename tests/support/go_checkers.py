"""Checkers of what is deployed, in Go: built once for a machine from tests/deployment/checkers.

`python -m tests.support.go_checkers` builds them all: before the tests, which would compete for the
cores with it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

_SOURCES = Path(__file__).parent.parent / "deployment" / "checkers"
_BUILD_SECONDS = 900.0
BUILDS = pytest.mark.timeout(1200)
"""Of tests that may have to build one."""


class _Built(NamedTuple):
    """A program of a module in _SOURCES."""

    module: str
    package: str
    tags: str = ""


_PROGRAMS = {
    # As `docker compose` reads its file.
    "compose": _Built("compose", "."),
    # A collector of what our configuration names.
    "collector": _Built("collector", "."),
    # Which metrics an expression asks for.
    "expressions": _Built("prometheus", "."),
    # With the one kind of service discovery that we use: the others take most of its build.
    "promtool": _Built(
        "prometheus", "github.com/prometheus/prometheus/cmd/promtool", "remove_all_sd,enable_dns_sd"
    ),
}


def checker(name: str) -> Path:
    """The program, built if this machine has not built it from these sources.

    Skips the test where there is no Go; outside of CI, where that is a failure.
    """
    if shutil.which("go") is None:
        words = "go not found: the checkers of what is deployed are built by Go 1.26 or newer"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    built = _PROGRAMS[name]
    sources = _SOURCES / built.module
    digest = hashlib.sha256(
        b"".join(file.read_bytes() for file in sorted(sources.iterdir())) + repr(built).encode()
    ).hexdigest()[:12]
    cache = Path.home() / ".cache" / "graphmill"
    program = cache / f"{name}-{digest}"
    if not program.exists():
        cache.mkdir(parents=True, exist_ok=True)
        # One at a time, and once: Go takes all cores for itself.
        with (cache / "checkers.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not program.exists():
                _build(built, sources, program)
    return program


def _build(built: _Built, sources: Path, program: Path) -> None:
    own = program.with_suffix(".new")
    words = ["go", "build", "-o", str(own), "-tags", built.tags, "-ldflags", "-s -w", built.package]
    done = subprocess.run(
        words, cwd=sources, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    own.replace(program)


def run(
    program: Path | str, *words: str | Path, given: str | None = None, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """A checker to its end, whatever it finds."""
    return subprocess.run(
        [str(program), *map(str, words)],
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def said(done: "subprocess.CompletedProcess[str]") -> str:
    return done.stdout + done.stderr


def refused(done: "subprocess.CompletedProcess[str]", words: Sequence[str]) -> bool:
    """Whether it found a fault and named it by these words."""
    return done.returncode != 0 and all(word in said(done) for word in words)


def _build_all() -> None:
    if shutil.which("go") is None:
        print("no Go here: what is deployed is not checked")  # the tests say the same, or fail
        return
    for name in _PROGRAMS:
        began = time.monotonic()
        checker(name)
        if (seconds := time.monotonic() - began) > 1:
            print(f"built {name}, a checker of what is deployed: {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    _build_all()
