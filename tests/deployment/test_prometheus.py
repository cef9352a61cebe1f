"""Prometheus takes its configuration and rules, each alert fires where it should, and asks services
that are there. No Prometheus runs here: its own promtool reads the files and plays series to it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from graphmill.roles import Role
from tests.support.go_checkers import BUILDS, checker, refused, run, said

pytestmark = BUILDS


_KEY = "/etc/graphmill-keys/prometheus"


@pytest.fixture
def folder(deployment: Path, tmp_path: Path) -> Path:
    """A copy of what Prometheus has, with a key where this machine can have one."""
    shutil.copytree(deployment / "prometheus", tmp_path / "prometheus")
    key = tmp_path / "key"
    key.write_text("gmk_test")
    file = tmp_path / "prometheus" / "prometheus.yml"
    text = file.read_text()
    assert _KEY in text
    file.write_text(text.replace(_KEY, str(key)))
    return tmp_path / "prometheus"


def _change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def _rules(deployment: Path) -> list[dict[str, Any]]:
    loaded = yaml.safe_load((deployment / "prometheus" / "alerts.yml").read_text())
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def test_prometheus_takes_its_configuration_and_the_rules(folder: Path) -> None:
    promtool = checker("promtool")
    done = run(promtool, "check", "config", "--lint=all", "--lint-fatal", folder / "prometheus.yml")
    assert done.returncode == 0, said(done)
    done = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", folder / "alerts.yml")
    assert done.returncode == 0, said(done)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("prometheus.yml", "scrape_timeout:", "scrape_timeouts:", ["scrape_timeouts"]),
        ("prometheus.yml", "[alerts.yml]", "[alarms.yml]", ["alarms.yml"]),
        ("prometheus.yml", "scrape_timeout: 10s", "scrape_timeout: 20s", ["scrape timeout"]),
        ("alerts.yml", "> 10000", "> 10000 by", ["parse error"]),
        ("alerts.yml", "for: 10m", "for: ten minutes", ["not a valid duration"]),
        ("alerts.yml", "{{ $labels.role }} wait", "{{ .labels.role wait", ["template"]),
    ],
)
def test_promtool_refuses_what_is_wrong(
    file: str, old: str, new: str, words: list[str], folder: Path
) -> None:
    _change(folder / file, old, new)
    assert refused(run(checker("promtool"), "check", "config", folder / "prometheus.yml"), words)


def test_each_alert_fires_where_it_should_and_not_elsewhere(deployment: Path, folder: Path) -> None:
    done = run(checker("promtool"), "test", "rules", folder / "alerts_test.yml")
    assert done.returncode == 0, said(done)

    tests = yaml.safe_load((folder / "alerts_test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    for rule in _rules(deployment):
        if alert := rule.get("alert"):
            fires = {bool(case["exp_alerts"]) for case in cases if case["alertname"] == alert}
            assert fires == {True, False}, alert


@pytest.mark.parametrize(
    ("old", "new", "alert"),
    [
        ("> 10000", "> 20000", "GraphmillBacklog"),
        (
            "max by (role) (graphmill_pool_queued)",
            "sum by (role) (graphmill_pool_queued)",
            "20002 tasks",
        ),
        (") > 0.05\n          and", ") > 0.5\n          and", "GraphmillDocumentsFailing"),
        ("> 0.8", "> 0.7", "GraphmillDatabaseConnections"),
        ('{job="graphmill-worker"} > 4e9', " > 4e9", "GraphmillWorkerMemory"),
        (" > 0.9", " > 0.95", "GraphmillWorkerNearItsLimit"),
        ('{job!="graphmill-api"}[15m]) >= 3', "[15m]) >= 3", "GraphmillRestarts"),
        ("[15m]) >= 3", "[15m]) >= 2", "GraphmillRestarts"),
        ("(graphmill_workers_expected) == 0", "(graphmill_workers_expected) == 1", "role store"),
        ("(graphmill_workers) > 0", "(graphmill_workers) != 0", "GraphmillWorkersMissing"),
        ('{state="over_budget"}', "", "GraphmillBudgetReached"),
    ],
)
def test_a_rule_that_is_changed_fails_its_test(
    old: str, new: str, alert: str, folder: Path
) -> None:
    _change(folder / "alerts.yml", old, new)
    assert refused(run(checker("promtool"), "test", "rules", folder / "alerts_test.yml"), [alert])


def test_every_alert_has_a_place_in_the_how_to(deployment: Path, project_root: Path) -> None:
    how_to = (project_root / "docs" / "howto" / "compose.md").read_text()
    for rule in _rules(deployment):
        if alert := rule.get("alert"):
            assert rule["annotations"]["runbook"] == f"docs/howto/compose.md#{alert.lower()}"
            assert f"\n### {alert}\n" in how_to, alert
            assert rule["labels"]["severity"] in ("warning", "critical")


def test_prometheus_asks_services_that_are_there(deployment: Path, compose_file: Path) -> None:
    services = yaml.safe_load(compose_file.read_text())["services"]
    jobs = yaml.safe_load((deployment / "prometheus" / "prometheus.yml").read_text())
    asked: set[str] = set()
    for job in jobs["scrape_configs"]:
        for found in job.get("dns_sd_configs", []):
            asked.update(found["names"])
        for found in job.get("static_configs", []):
            asked.update(target.partition(":")[0] for target in found["targets"])
    asked = {"prometheus" if name == "localhost" else name for name in asked}
    assert asked <= set(services)
    watched = {"temporal", "collector", "jaeger", "grafana", "prometheus"}
    assert asked == {"api"} | {f"worker-{role}" for role in Role} | watched
    key = next(job for job in jobs["scrape_configs"] if job["job_name"] == "graphmill-api")
    assert key["authorization"]["credentials_file"] == _KEY
    assert f"metrics-key:{Path(_KEY).parent}:ro" in services["prometheus"]["volumes"]
