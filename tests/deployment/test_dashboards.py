"""Dashboards are what Grafana takes, as far as their JSON tells. No Grafana runs here, and it has
no checker: their expressions are read by Prometheus's parser, the rest is compared."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.go_checkers import BUILDS, checker, refused, run
from tests.support.server_metrics import ServerMetric, read_told
from tests.support.shown_metrics import Selector, load_dashboards, panels, selectors, targets

pytestmark = BUILDS


@pytest.fixture(scope="module")
def dashboards(deployment: Path) -> dict[str, dict[str, Any]]:
    return load_dashboards(deployment / "grafana" / "dashboards")


@pytest.fixture(scope="module")
def sources(deployment: Path) -> dict[str, dict[str, Any]]:
    """Data sources that are provisioned, by their uid."""
    folder = deployment / "grafana" / "provisioning" / "datasources"
    loaded = [yaml.safe_load(file.read_text()) for file in folder.glob("*.yml")]
    return {one["uid"]: one for file in loaded for one in file["datasources"]}


def test_there_are_two_and_each_says_which_it_is(dashboards: dict[str, dict[str, Any]]) -> None:
    assert set(dashboards) == {"indexing.json", "temporal.json"}
    for kind in ("uid", "title"):
        assert len({one[kind] for one in dashboards.values()}) == len(dashboards)
    for one in dashboards.values():
        assert 0 < len(one["uid"]) <= 40
        assert one["schemaVersion"] >= 39
        assert "id" not in one  # the database's that it was made in


def test_panels_have_ids_and_places_of_their_own(dashboards: dict[str, dict[str, Any]]) -> None:
    for name, dashboard in dashboards.items():
        ids = [panel["id"] for panel in panels(dashboard)]
        assert len(ids) == len(set(ids)), name
        taken: set[tuple[int, int]] = set()
        for panel in panels(dashboard):
            at = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            }
            assert at["x"] + at["w"] <= 24, panel["title"]
            assert not cells & taken, (name, panel["title"])
            taken |= cells


def test_panels_ask_data_sources_that_are_provisioned(
    dashboards: dict[str, dict[str, Any]], sources: dict[str, dict[str, Any]]
) -> None:
    for name, dashboard in dashboards.items():
        for panel in panels(dashboard):
            if panel["type"] == "row":
                continue
            assert panel["targets"], (name, panel["title"])
            references = [target["refId"] for target in panel["targets"]]
            assert len(references) == len(set(references)), panel["title"]
            for asking in (panel, *panel["targets"]):
                source = asking["datasource"]
                assert sources[source["uid"]]["type"] == source["type"], panel["title"]


def test_data_sources_are_services_that_are_there(
    sources: dict[str, dict[str, Any]], compose_file: Path
) -> None:
    services = yaml.safe_load(compose_file.read_text())["services"]
    for source in sources.values():
        assert source["url"].removeprefix("http://").partition(":")[0] in services


def test_dashboards_are_provisioned_from_where_they_are_mounted(
    deployment: Path, compose_file: Path
) -> None:
    folder = deployment / "grafana" / "provisioning" / "dashboards"
    (file,) = folder.glob("*.yml")
    (provider,) = yaml.safe_load(file.read_text())["providers"]
    grafana = yaml.safe_load(compose_file.read_text())["services"]["grafana"]
    path = provider["options"]["path"]
    assert f"./deployment/grafana/dashboards:{path}:ro" in grafana["volumes"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{path}/indexing.json"


def test_every_expression_is_promql(deployment: Path) -> None:
    found = targets(deployment)
    assert len(found) > 50
    for target, asked in zip(found, selectors(one.expression for one in found), strict=True):
        assert asked, target
        assert all(one.metric for one in asked), target


def test_an_expression_that_is_none_is_refused() -> None:
    expressions = json.dumps(["up", "rate(up)"])
    assert refused(run(checker("expressions"), given=expressions), ["rate(up)", "range vector"])


# Others tell what begins so: graphmill, the SDK in its workers, Prometheus, any process.
_NOT_THE_SERVERS = ("graphmill", "temporal_", "up", "ALERTS", "process_")
_BY = re.compile(r"\bby \(([^)]*)\)")
_ADDED_BY_PROMETHEUS = {"instance", "job", "service"}


def _faults(expression: str, asked: list[Selector], told: dict[str, ServerMetric]) -> list[str]:
    """What the server of that release does not tell of an expression."""
    found: list[str] = []
    grouped = {label.strip() for by in _BY.findall(expression) for label in by.split(",")}
    for one in asked:
        if one.metric.startswith(_NOT_THE_SERVERS):
            continue
        if (metric := told.get(one.metric)) is None:
            found.append(one.metric)
            continue
        if metric.labels is None or metric.service_names is None:
            continue
        wanted = (grouped | one.labels.keys()) - _ADDED_BY_PROMETHEUS
        found += [f"{one.metric} by {label}" for label in sorted(wanted - metric.labels)]
        name = one.labels.get("service_name")
        if name is not None and name not in metric.service_names:
            found.append(f"{one.metric} of {name}")
    return found


@pytest.fixture(scope="module")
def told(project_root: Path, compose_file: Path) -> dict[str, ServerMetric]:
    """By the server of the release that the compose file runs: the tests' own is another."""
    services = yaml.safe_load(compose_file.read_text())["services"]
    release = services["temporal"]["image"].rpartition(":")[2]
    return read_told(project_root / "tests" / "deployment" / "told" / f"temporal-{release}.txt")


def test_the_server_that_is_deployed_tells_what_is_shown_of_it(
    deployment: Path, told: dict[str, ServerMetric]
) -> None:
    shown = targets(deployment)
    asked = selectors(one.expression for one in shown)
    of_server = [
        one.metric for each in asked for one in each if not one.metric.startswith(_NOT_THE_SERVERS)
    ]
    assert len(of_server) >= 12
    missing = {
        (target.place, fault)
        for target, each in zip(shown, asked, strict=True)
        for fault in _faults(target.expression, each, told)
    }
    assert missing == set()


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("sum(rate(service_request[5m]))", "service_request"),
        ("sum by (error) (rate(service_error_with_type[5m]))", "service_error_with_type by error"),
        ('service_requests{service_name="front"}', "service_requests of front"),
    ],
)
def test_what_the_deployed_server_does_not_tell_is_found(
    expression: str, fault: str, told: dict[str, ServerMetric]
) -> None:
    [asked] = selectors([expression])
    assert _faults(expression, asked, told) == [fault]
