"""The sum over all processes, and what is said where it does not fit."""

from pathlib import Path

import pytest

from graphmill.database_connections import (
    Room,
    application_pools,
    embedded_max_connections,
    judge,
    plan,
    pool_size,
    uncounted,
)
from graphmill.errors import SettingsError
from graphmill.roles import Role
from graphmill.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def no_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _settings(**given: object) -> Settings:
    return load_settings({"cpu_workers": 4, "uvicorn_workers": 1, **given})


def _planned(settings: Settings) -> dict[str, tuple[int, int]]:
    return {part.name: (part.count, part.connections) for part in plan(settings)}


def test_a_pool_is_what_its_roles_use_at_once_and_never_more_than_the_setting() -> None:
    settings = _settings(database_connections=10)
    assert pool_size(settings, [Role.WORKFLOW]) == 1
    assert pool_size(settings, [Role.CPU]) == 6  # two beside those that its processes work on
    assert pool_size(settings, [Role.EMBEDDING]) == 4
    assert pool_size(settings, [Role.STORE]) == 10  # two upload folders
    assert pool_size(settings, [Role.LLM]) == 10
    assert pool_size(settings, [Role.EMBEDDING, Role.STORE]) == 10
    assert pool_size(_settings(cpu_workers=64), [Role.CPU]) == 10
    assert pool_size(_settings(cpu_workers=64, database_connections=80), [Role.CPU]) == 66


def test_without_a_table_the_deployment_is_what_up_runs() -> None:
    assert _planned(_settings(uvicorn_workers=3)) == {
        "worker-workflow": (1, 1),
        "worker-cpu": (1, 6),
        "worker-io": (1, 11),  # one beside the pool for the locks of batches
        "api": (3, 10),
        "commands": (2, 3),
    }


def test_the_application_has_two_pools_of_what_a_process_may_open_and_three_at_least() -> None:
    assert [application_pools(most) for most in (1, 2, 3, 4, 5, 10)] == [
        *((2, 1), (2, 1), (2, 1), (2, 2), (3, 2), (8, 2))
    ]
    few = _planned(_settings(database_connections=1))
    assert (few["api"], few["commands"]) == ((1, 3), (2, 3))


def test_the_table_names_processes_and_several_roles_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graphmill.toml").write_text(
        "[deployment]\nworkflow = 2\ncpu = 3\nllm = 40\nembedding_store = 1\n"
        "api = 4\ncommands = 0\n"
    )
    monkeypatch.setenv("GRAPHMILL_DEPLOYMENT_LLM", "5")
    assert _planned(_settings()) == {
        "workflow": (2, 1),
        "cpu": (3, 6),
        "llm": (5, 11),
        "embedding_store": (1, 10),
        "api": (4, 10),
        "commands": (0, 3),
    }


def test_a_kind_of_process_that_there_is_not_is_named() -> None:
    with pytest.raises(SettingsError, match=r"deployment\.gpu.*workflow, cpu, llm"):
        _settings(deployment={"gpu": 1})


def test_a_role_that_runs_and_is_in_no_sum_is_told() -> None:
    settings = _settings(deployment={"cpu": 1, "embedding_store": 1, "api": 1})
    assert uncounted(settings, [Role.LLM, Role.STORE]) == (Role.LLM,)
    assert uncounted(_settings(deployment={"api": 1}), [Role.LLM]) == ()


def test_what_does_not_fit_is_told_with_its_sum_and_the_largest_setting_that_does() -> None:
    settings = _settings(deployment={"llm": 10, "api": 2, "commands": 0})
    room = Room(97, 7, "max_connections 100, 3 reserved")
    fit = judge(settings, room)
    assert not fit.ok
    assert "llm 10 x 11, api 2 x 10: 130 at most; the server leaves 90" in fit.words
    assert "max_connections 100, 3 reserved, others use 7" in fit.words
    assert "lower GRAPHMILL_DATABASE_CONNECTIONS to 6" in fit.words  # 10 x 7 + 2 x 6 = 82
    assert "raise max_connections by 40" in fit.words
    assert judge(settings.model_copy(update={"database_connections": 6}), room).ok
    assert not judge(settings.model_copy(update={"database_connections": 7}), room).ok


def test_no_setting_is_named_where_none_would_do() -> None:
    fit = judge(_settings(deployment={"llm": 100}), Room(97, 0, "max_connections 100, 3 reserved"))
    assert "GRAPHMILL_DATABASE_CONNECTIONS" not in fit.words
    assert "run fewer processes" in fit.words


@pytest.mark.parametrize(
    ("given", "most"),
    [
        ({}, 100),
        ({"database_connections": 200, "uvicorn_workers": 4}, 1 + 6 + 201 + 4 * 200 + 6 + 20),
        ({"deployment": {"llm": 20}}, 20 * 11 + 10 + 6 + 20),
    ],
)
def test_the_embedded_server_has_room_for_what_it_serves(
    given: dict[str, object], most: int
) -> None:
    settings = _settings(**given)
    assert embedded_max_connections(settings) == most
    assert judge(settings, Room(most - 3, 0, "")).ok
