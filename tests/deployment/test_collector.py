"""The collector takes its configuration. None runs here as it is deployed: one of the same release,
with those components alone that the file names, validates it."""

import re
from pathlib import Path

import pytest
import yaml

from tests.support.go_checkers import BUILDS, checker, refused, run, said

pytestmark = BUILDS


def _validate(file: Path) -> tuple[str, ...]:
    return ("validate", "--config", f"file:{file}")


def test_the_collector_takes_its_configuration(deployment: Path) -> None:
    done = run(checker("collector"), *_validate(deployment / "collector" / "config.yaml"))
    assert done.returncode == 0, said(done)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("check_interval: 1s", "check_intervals: 1s", ["check_intervals"]),
        ("check_interval: 1s", "check_interval: 0s", ["check_interval"]),
        ("exporters: [otlp_grpc/viewer]", "exporters: [otlp_grpc/other]", ["otlp_grpc/other"]),
        ("receivers: [otlp]", "receivers: [jaeger]", ["jaeger"]),
        ("  batch:", "  bath:", ["bath"]),
        ("endpoint: jaeger:4317", "endpoint: ''", ["endpoint"]),
        ("level: warn", "level: loud", ["level"]),
    ],
)
def test_the_collector_refuses_what_is_wrong(
    old: str, new: str, words: list[str], deployment: Path, tmp_path: Path
) -> None:
    text = (deployment / "collector" / "config.yaml").read_text()
    assert old in text
    broken = tmp_path / "config.yaml"
    broken.write_text(text.replace(old, new, 1))
    assert refused(run(checker("collector"), *_validate(broken)), words)


def test_it_listens_where_processes_send_and_sends_where_the_viewer_listens(
    deployment: Path, compose_file: Path
) -> None:
    config = yaml.safe_load((deployment / "collector" / "config.yaml").read_text())
    services = yaml.safe_load(compose_file.read_text())["services"]
    sent = services["worker-cpu"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
    listens = config["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    assert sent == f"http://collector:{listens.rpartition(':')[2]}"
    for exporter in config["exporters"].values():
        assert exporter["endpoint"].partition(":")[0] in services
    # It refuses work before its container is ended for its memory.
    limit = services["collector"]["deploy"]["resources"]["limits"]["memory"]
    found = re.fullmatch(r"(\d+)m", limit)
    assert found
    assert config["processors"]["memory_limiter"]["limit_mib"] <= 0.75 * int(found[1])
