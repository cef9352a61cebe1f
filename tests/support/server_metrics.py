"""What a release of Temporal's server told, kept as a file (tests/deployment/told)."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServerMetric:
    """None: the server has it, and nobody has seen its labels."""

    labels: frozenset[str] | None
    service_names: frozenset[str] | None


def read_told(file: Path) -> dict[str, ServerMetric]:
    """By name."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {
        name: ServerMetric(_words(labels), _words(services))
        for name, labels, services in (line.split(" ") for line in lines)
    }


def _words(written: str) -> frozenset[str] | None:
    if written == "!":
        return None
    return frozenset(written.split(",")) if written != "-" else frozenset()
