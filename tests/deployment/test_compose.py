"""docker-compose.temporal.yml is what compose understands, and keeps what the how-to promises. No
engine runs here: the specification's schema and compose's own loader read it."""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from graphmill.compose.environment import SECRETS
from graphmill.compose.sizing import COUNTS, FIXED
from graphmill.database_connections import Room, judge
from graphmill.roles import Role
from graphmill.settings import Settings, load_settings
from tests.deployment.conftest import MACHINE
from tests.support.go_checkers import BUILDS, checker, refused, run, said

pytestmark = BUILDS


_OURS = {"api", "metrics-key", *(f"worker-{role}" for role in Role)}
_ONCE = {"temporal-schema", "temporal-namespace", "metrics-key"}
# Images that run as somebody else than root by themselves, as their Dockerfiles say (USER).
_NOT_ROOT_BY_ITSELF = {
    "temporalio/admin-tools",
    "temporalio/server",
    "temporalio/ui",
    "otel/opentelemetry-collector",
    "jaegertracing/jaeger",
}
# Its image holds one program, which cannot ask itself.
_WITHOUT_HEALTH_CHECK = {"collector"}


def _load(env_file: Path, *files: Path) -> dict[str, Any]:
    done = run(checker("compose"), env_file, *files)
    assert done.returncode == 0, said(done)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def services(compose_file: Path, env_file: Path) -> dict[str, Any]:
    """As compose will run them, with every variable filled in."""
    return _load(env_file, compose_file)["services"]


def _environment(service: Mapping[str, Any]) -> dict[str, str]:
    return service.get("environment") or {}


def _replicas(service: Mapping[str, Any]) -> int:
    return service["deploy"].get("replicas", 1)


def _seconds(duration: str) -> int:
    minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration).groups(default="0")  # pyright: ignore[reportOptionalMemberAccess]
    return 60 * int(minutes) + int(seconds)


def test_the_specification_takes_the_file(compose_file: Path, tmp_path: Path) -> None:
    words = ("-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
    done = run(sys.executable, *words, compose_file)
    assert done.returncode == 0, said(done)

    broken = tmp_path / "compose.yml"
    broken.write_text(compose_file.read_text().replace("stop_grace_period:", "stop_grace:"))
    assert refused(run(sys.executable, *words, broken), ["stop_grace"])


def test_compose_loads_it_with_the_env_that_we_write(services: dict[str, Any]) -> None:
    roles = {f"worker-{role}" for role in Role}
    stores = {"postgres", "neo4j", "qdrant", "temporal-postgres"}
    watching = {"collector", "jaeger", "prometheus", "grafana", "metrics-key"}
    temporal = {"temporal", "temporal-schema", "temporal-namespace", "temporal-ui"}
    assert set(services) == {"api"} | roles | stores | watching | temporal


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("stop_signal: SIGINT", "stop_signall: SIGINT", ["stop_signall"]),
        ("temporal-schema: {condition", "temporal-schemas: {condition", ["temporal-schemas"]),
        ("networks: [inside, outside]", "networks: [inside, beyond]", ["beyond"]),
        ('["neo4j:/data"', '["neo5j:/data"', ["neo5j"]),
        ("${NEO4J_HEAP:?", "${NEO4J_HEAPS:?", ["NEO4J_HEAPS", "compose-env"]),
    ],
    ids=["a key", "a dependency", "a network", "a volume", "a variable"],
)
def test_compose_refuses_what_is_not_there(
    old: str, new: str, words: list[str], compose_file: Path, env_file: Path, tmp_path: Path
) -> None:
    text = compose_file.read_text()
    assert old in text
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(text.replace(old, new, 1))
    assert refused(run(checker("compose"), env_file, broken), words)


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_has_a_default(
    name: str, compose_file: Path, env_file: Path, tmp_path: Path
) -> None:
    lines = [line for line in env_file.read_text().splitlines() if not line.startswith(f"{name}=")]
    without = tmp_path / "env"
    without.write_text("\n".join(lines))
    assert refused(run(checker("compose"), without, compose_file), [name])


def test_no_secret_stands_in_a_file(compose_file: Path, deployment: Path) -> None:
    """Whatever is named like one is a variable that has to be set."""
    named = re.compile(r"^\s*-?\s*\w*(?:PASSWORD|PWD|API_KEY|SECRET|_AUTH|TOKEN)\w*\s*[:=]\s*(.+)$")
    for file in (compose_file, *(path for path in deployment.rglob("*") if path.is_file())):
        for line in file.read_text().splitlines():
            if found := named.match(line):
                assert re.search(r"\$\{\w+:\?", found[1]), f"{file.name}: {line}"


def test_one_service_builds_the_image_that_all_of_ours_run(services: dict[str, Any]) -> None:
    """Two builds of one tag at once fail. All others wait for the one that builds."""
    builders = {name for name, service in services.items() if service.get("build")}
    assert builders == {"worker-store"}
    for name, service in services.items():
        ours = service["image"] == services["worker-store"]["image"]
        assert ours == (name in _OURS), name
        assert service.get("pull_policy") == ("never" if ours else None), name
        if ours and name not in builders:
            assert "worker-store" in service["depends_on"], name


def test_who_opens_other_stores_has_their_secrets_and_nobody_else(services: dict[str, Any]) -> None:
    for variable in ("NEO4J_PASSWORD", "QDRANT_API_KEY"):
        told = {name for name in _OURS if variable in _environment(services[name])}
        assert told == {"api", "worker-projection"}, variable
    for variable in ("NEO4J_URI", "QDRANT_URL"):
        told = {name for name in _OURS if variable in _environment(services[name])}
        assert told == {"api", "worker-projection", "worker-store"}, variable


def test_a_model_on_this_machine_is_reached_by_those_who_ask(services: dict[str, Any]) -> None:
    reach = {name for name, service in services.items() if service.get("extra_hosts")}
    assert reach == {"api", "worker-llm", "worker-embedding"}
    for name in reach:
        assert services[name]["extra_hosts"] == ["host.docker.internal=host-gateway"], name


def test_who_comes_by_the_network_needs_a_password_and_a_backup_does_not(
    services: dict[str, Any],
) -> None:
    for name in ("postgres", "temporal-postgres"):
        words = _environment(services[name])["POSTGRES_INITDB_ARGS"].split()
        assert {"--auth-host=scram-sha-256", "--auth-local=trust"} <= set(words), name
        # The image's own line for all hosts goes by it.
        assert "POSTGRES_HOST_AUTH_METHOD" not in _environment(services[name]), name


def test_nothing_is_fetched_when_a_container_starts(services: dict[str, Any]) -> None:
    assert _environment(services["grafana"])["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"


def test_nobody_is_root(services: dict[str, Any]) -> None:
    for name, service in services.items():
        image = service["image"].partition(":")[0]
        user = service.get("user", "")
        assert image in _NOT_ROOT_BY_ITSELF or user, name
        assert user.partition(":")[0] not in ("0", "root"), name
        assert service["cap_drop"] == ["ALL"], name
        assert not service.get("cap_add"), name
        assert not service.get("privileged"), name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_ours_write_to_volumes_and_memory_alone(services: dict[str, Any]) -> None:
    for name in _OURS:
        service = services[name]
        assert service["read_only"] is True, name
        assert service["init"] is True, name
        assert service["user"] == "10001:10001", name
        for volume in service.get("volumes", []):
            assert volume["type"] == "volume" or volume["read_only"], (name, volume)


def test_images_are_pinned(services: dict[str, Any]) -> None:
    for name, service in services.items():
        _, _, tag = service["image"].rpartition(":")
        assert re.search(r"\d+\.\d+", tag), (name, service["image"])


def test_what_stays_up_has_a_health_check_and_limits(services: dict[str, Any]) -> None:
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert int(limits["memory"]) > 0, name
        assert float(limits["cpus"]) > 0, name
        if name in _ONCE:
            assert service["restart"] == "on-failure:5", name
            continue
        assert service["restart"] == "unless-stopped", name
        assert ("healthcheck" in service) != (name in _WITHOUT_HEALTH_CHECK), name


def test_who_waits_waits_for_something_that_tells_its_health(services: dict[str, Any]) -> None:
    for name, service in services.items():
        waits_for: dict[str, dict[str, Any]] = service.get("depends_on") or {}
        for other, how in waits_for.items():
            expected = "service_completed_successfully" if other in _ONCE else "service_healthy"
            assert how["condition"] == expected, (name, other)


def test_grace_is_longer_than_what_a_process_takes_to_leave(services: dict[str, Any]) -> None:
    from workers.registry import _DRAIN as drain  # pyright: ignore[reportPrivateUsage]

    api_grace: int = Settings.model_fields["api_grace_seconds"].default

    for role in Role:
        grace = _seconds(services[f"worker-{role}"]["stop_grace_period"])
        assert grace >= drain.total_seconds() + 5, role
    assert _seconds(services["api"]["stop_grace_period"]) >= api_grace + 10


def test_every_role_is_run_by_a_service_of_its_own(services: dict[str, Any]) -> None:
    for role in Role:
        assert services[f"worker-{role}"]["command"] == ["graphmill", "worker", str(role)]
    assert services["api"]["command"] == ["graphmill", "api"]


def test_each_process_is_told_how_many_run(services: dict[str, Any]) -> None:
    """The table [deployment] is what `replicas` make, in the environment of each."""
    run_now = {str(role): _replicas(services[f"worker-{role}"]) for role in Role}
    processes = _replicas(services["api"]) * int(_environment(services["api"])["UVICORN_WORKERS"])
    expected = run_now | {"api": processes}
    assert run_now["cpu"] == MACHINE.counts["cpu"]
    for name in _OURS:
        told = {
            key.removeprefix("GRAPHMILL_DEPLOYMENT_").lower(): int(value)
            for key, value in _environment(services[name]).items()
            if key.startswith("GRAPHMILL_DEPLOYMENT_")
        }
        assert told.pop("commands") == COUNTS["commands"]
        assert told == expected, name


def _settings(service: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in _environment(service).items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.mark.parametrize("name", sorted(_OURS))
def test_the_environment_of_each_process_is_taken(
    name: str, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(services[name], monkeypatch)
    assert settings.temporal_address == "temporal:7233"
    opens_stores = name in ("api", "worker-projection", "worker-store")
    assert (settings.qdrant_url == "http://qdrant:6333") is opens_stores
    assert settings.metrics_port == 9464
    assert settings.api_needs_keys is (name == "api")


def test_doctor_will_find_room_for_all_connections(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(services["api"], monkeypatch)
    (words,) = [word for word in services["postgres"]["command"] if "max_connections" in word]
    allowed = int(words.partition("=")[2])
    # As the service's user sees it, with some people and a backup at work.
    assert judge(settings, Room(allowed - 3, 12, "max_connections")).ok
    assert not judge(settings, Room(allowed - 3, allowed // 2, "max_connections")).ok


def test_limits_of_all_together_are_less_than_the_machine_has(services: dict[str, Any]) -> None:
    limits = {
        name: int(service["deploy"]["resources"]["limits"]["memory"]) * _replicas(service)
        for name, service in services.items()
        if name not in _ONCE  # they have ended before the others take what they may
    }
    processes = int(_environment(services["api"])["UVICORN_WORKERS"])
    for name, mebibytes in FIXED.items():
        count = processes if name == "api" else _replicas(services[name])
        assert limits[name] == mebibytes * 1024**2 * count, name
    fitted = {"postgres", "neo4j", "qdrant", "worker-cpu"}
    assert set(limits) == set(FIXED) | fitted
    assert 0.95 * MACHINE.memory < sum(limits.values()) + 1024**3 <= MACHINE.memory


def test_ports_are_published_on_this_machine_alone(services: dict[str, Any]) -> None:
    published = {
        name: [(port["host_ip"], port["published"]) for port in service["ports"]]
        for name, service in services.items()
        if service.get("ports")
    }
    assert published == {
        "api": [("127.0.0.1", "8000")],
        "temporal-ui": [("127.0.0.1", "8233")],
        "jaeger": [("127.0.0.1", "16686")],
        "prometheus": [("127.0.0.1", "9090")],
        "grafana": [("127.0.0.1", "3000")],
    }


def test_stores_and_who_reads_documents_reach_nobody_outside(
    compose_file: Path, env_file: Path, services: dict[str, Any]
) -> None:
    assert _load(env_file, compose_file)["networks"]["inside"]["internal"] is True
    outside = {name for name, service in services.items() if "outside" in service["networks"]}
    assert outside == {
        *("api", "worker-llm", "worker-embedding"),
        *("temporal-ui", "jaeger", "prometheus", "grafana"),
    }


def test_who_reads_documents_has_no_key_of_a_model(
    compose_file: Path, env_file: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "docker-compose.yml"
    copy.write_text(compose_file.read_text())
    (tmp_path / "models.env").write_text("OPENAI_API_KEY=sk-test\n")
    loaded = _load(env_file, copy)["services"]
    told = {name for name, one in loaded.items() if "OPENAI_API_KEY" in _environment(one)}
    assert told == {"api", "worker-llm", "worker-store", "worker-embedding"}


def _mounts(service: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What of this machine it sees, by where."""
    volumes: list[dict[str, Any]] = service.get("volumes", [])
    return {one["target"]: one for one in volumes if one["type"] == "bind"}


def test_graphmill_toml_is_read_by_all_who_have_settings(
    compose_file: Path, deployment: Path, env_file: Path, project_root: Path
) -> None:
    loaded = _load(env_file, compose_file, deployment / "compose" / "settings.yml")["services"]
    workdir = re.search(r"^WORKDIR (/srv\S+)$", (project_root / "Dockerfile").read_text(), re.M)
    assert workdir
    file = f"{workdir[1]}/{Settings.model_config.get('toml_file')}"
    told = {name for name, service in loaded.items() if file in _mounts(service)}
    assert told == {"api", *(f"worker-{role}" for role in Role)}
    for name in told:
        mount = _mounts(loaded[name])[file]
        assert mount["source"] == str(compose_file.parent / "graphmill.toml")
        assert mount["read_only"] is True
        assert mount["bind"].get("create_host_path", False) is False
    # What was there before still is.
    assert any(one["type"] == "volume" for one in loaded["api"]["volumes"])


def test_scheduled_folders_are_seen_by_who_reads_them(
    compose_file: Path, deployment: Path, env_file: Path, tmp_path: Path
) -> None:
    files = [compose_file, deployment / "compose" / "folders.yml"]
    assert refused(run(checker("compose"), env_file, *files), ["GRAPHMILL_FOLDERS"])
    env = tmp_path / "env"
    env.write_text(f"{env_file.read_text()}GRAPHMILL_FOLDERS=/home/ada/papers\n")
    loaded = _load(env, *files, deployment / "compose" / "settings.yml")["services"]
    seen = {
        name: _mounts(one)["/folders"]
        for name, one in loaded.items()
        if _mounts(one).get("/folders")
    }
    assert set(seen) == {"api", "worker-store"}
    for mount in seen.values():
        assert (mount["source"], mount["read_only"]) == ("/home/ada/papers", True)


def test_every_file_that_is_mounted_is_there(services: dict[str, Any], deployment: Path) -> None:
    mounted = [
        Path(volume["source"])
        for service in services.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    ]
    assert all(path.exists() for path in mounted), mounted
    # And nothing lies there that nobody mounts, but for compose files and the tests of the alerts.
    for file in (path for path in deployment.rglob("*") if path.is_file()):
        assert file.name == "alerts_test.yml" or any(
            file.is_relative_to(path) for path in (*mounted, deployment / "compose")
        ), file


def test_every_named_volume_is_used(
    compose_file: Path, env_file: Path, services: dict[str, Any]
) -> None:
    used = {
        volume["source"]
        for service in services.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "volume"
    }
    assert used == set(_load(env_file, compose_file)["volumes"])


def test_the_image_is_the_one_that_a_checker_was_made_for(
    services: dict[str, Any], project_root: Path
) -> None:
    """A file that a checker of another release took says little."""
    checkers = project_root / "tests" / "deployment" / "checkers"
    prometheus = re.search(
        r"prometheus/prometheus v0\.(\d)(\d\d)\.(\d+)\n",
        (checkers / "prometheus" / "go.mod").read_text(),
    )
    assert prometheus
    major, minor, patch = prometheus.groups()
    assert services["prometheus"]["image"] == f"prom/prometheus:v{major}.{int(minor)}.{patch}"
    collector = re.search(r"/otelcol v([\d.]+)\n", (checkers / "collector" / "go.mod").read_text())
    assert collector
    assert services["collector"]["image"] == f"otel/opentelemetry-collector:{collector[1]}"


def test_every_file_that_the_how_to_names_is_there(project_root: Path) -> None:
    how_to = (project_root / "docs" / "howto" / "compose.md").read_text()
    named = set(re.findall(r"(?<![\w/])(?:deployment|scripts|graphmill)/[\w./-]*\w", how_to))
    assert {"deployment/compose/settings.yml", "scripts/compose-restore"} <= named
    assert {name for name in named if not (project_root / name).exists()} == set()


@pytest.mark.parametrize("name", ["compose-env", "compose-backup", "compose-restore"])
def test_scripts_for_people_may_be_executed(name: str, project_root: Path) -> None:
    assert os.access(project_root / "scripts" / name, os.X_OK)
