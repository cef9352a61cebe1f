"""The temporal program is looked for in the promised order; what cannot serve is passed over."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from graphmill.embedded.home import Home
from graphmill.embedded.temporal_binary import find_or_get
from graphmill.errors import Unavailable

_NEW = "temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)"
_OLD = "temporal version 1.1.0 (Server 1.25.0, UI 2.30.0)"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user's cache, an empty PATH but for the shell, and no network for the SDK."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))

    async def no_download(**_: object) -> None:
        raise RuntimeError("failed to download: no route to host")

    monkeypatch.setattr(WorkflowEnvironment, "start_local", no_download)
    return tmp_path / "cache" / "graphmill" / "bin"


def _program(path: Path, words: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "{words}"\n')
    path.chmod(0o755)
    return path


async def test_the_one_on_path_comes_before_the_home_and_that_before_the_cache(
    home: Home, cache: Path, tmp_path: Path, said: list[str], tell: Callable[[str], None]
) -> None:
    in_cache = _program(cache / "temporal", _NEW)
    assert await find_or_get(home, tell) == in_cache
    in_home = _program(home.binaries / "temporal", _NEW)
    assert await find_or_get(home, tell) == in_home
    on_path = _program(tmp_path / "path" / "temporal", _NEW)
    assert await find_or_get(home, tell) == on_path
    assert said == []


async def test_one_without_priority_and_fairness_is_passed_over_and_named(
    home: Home, cache: Path, tmp_path: Path, said: list[str], tell: Callable[[str], None]
) -> None:
    _program(tmp_path / "path" / "temporal", _OLD)
    in_home = _program(home.binaries / "temporal", _NEW)
    assert await find_or_get(home, tell) == in_home
    assert "server 1.25" in said[0]
    assert "1.29" in said[0]


async def test_without_any_the_error_names_every_way_and_what_it_needs(
    home: Home, cache: Path, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    _program(tmp_path / "path" / "temporal", "something else")
    with pytest.raises(Unavailable) as raised:
        await find_or_get(home, tell)
    words = str(raised.value)
    for way in (
        "TEMPORAL_ADDRESS",
        "on PATH",
        "not the Temporal CLI",
        str(home.binaries / "temporal"),
        "HTTPS to temporal.download",
        "no route to host",
        "needs Go",
    ):
        assert way in words


async def test_go_builds_into_the_cache_whole_or_not_at_all(
    home: Home,
    cache: Path,
    tmp_path: Path,
    said: list[str],
    tell: Callable[[str], None],
) -> None:
    # Stands in for Go: leaves a program where GOBIN says, as the real one does after minutes.
    go = _program(tmp_path / "path" / "go", "")
    go.write_text(
        "#!/bin/sh\n"
        f'printf \'#!/bin/sh\\necho "{_NEW}"\\n\' > "$GOBIN/temporal"\n'
        '/bin/chmod 755 "$GOBIN/temporal"\n'
        'case "$*" in *@v*) exit 0;; esac\nexit 1\n'
    )
    assert await find_or_get(home, tell) == cache / "temporal"
    assert any("about 3 minutes" in line for line in said)
    assert sorted(os.listdir(cache)) == ["lock", "temporal"]
    said.clear()
    assert await find_or_get(home, tell) == cache / "temporal"
    assert said == []


async def test_a_build_that_fails_leaves_nothing_and_shows_its_words(
    home: Home, cache: Path, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    go = _program(tmp_path / "path" / "go", "")
    go.write_text('#!/bin/sh\necho half > "$GOBIN/temporal"\necho proxy is down\nexit 1\n')
    with pytest.raises(Unavailable, match="proxy is down"):
        await find_or_get(home, tell)
    assert os.listdir(cache) == ["lock"]
