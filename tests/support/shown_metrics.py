"""What alert rules and dashboards ask Prometheus for."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from tests.support.go_checkers import checker, run, said

# Grafana puts a duration there.
_WINDOW = re.compile(r"\$__(rate_interval|interval|range)")


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric and the labels that it is asked for by."""

    metric: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Target:
    """An expression, and where it stands."""

    place: str
    expression: str


def load_rules(file: Path) -> list[dict[str, Any]]:
    loaded = yaml.safe_load(file.read_text())
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def load_dashboards(folder: Path) -> dict[str, dict[str, Any]]:
    return {file.name: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All, those in rows that are folded included."""
    for panel in cast(list[dict[str, Any]], dashboard["panels"]):
        yield panel
        yield from panel.get("panels", [])


def targets(deployment: Path) -> list[Target]:
    """All expressions of the deployment."""
    found = [
        Target(rule.get("alert") or rule["record"], rule["expr"])
        for rule in load_rules(deployment / "prometheus" / "alerts.yml")
    ]
    for name, dashboard in load_dashboards(deployment / "grafana" / "dashboards").items():
        found += [
            Target(f"{name}: {panel['title']}", target["expr"])
            for panel in panels(dashboard)
            for target in panel.get("targets", [])
        ]
    return found


def recorded(deployment: Path) -> set[str]:
    """Metrics that rules make of others."""
    rules = load_rules(deployment / "prometheus" / "alerts.yml")
    return {rule["record"] for rule in rules if "record" in rule}


def selectors(expressions: Iterable[str]) -> list[list[Selector]]:
    """What each asks for, as Prometheus's own parser reads it."""
    filled = [_WINDOW.sub("5m", one) for one in expressions]
    done = run(checker("expressions"), given=json.dumps(filled))
    assert done.returncode == 0, said(done)
    return [
        [Selector(one["metric"], one["labels"]) for one in of_one]
        for of_one in json.loads(done.stdout)
    ]
