"""Dashboards are what Grafana takes, as far as their JSON tells. No Grafana runs here, and it has
no checker: their expressions are read by Prometheus's parser, the rest is compared."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.go_checkers import BUILDS, checker, refused, run
from tests.support.shown_metrics import load_dashboards, panels, selectors, targets

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
