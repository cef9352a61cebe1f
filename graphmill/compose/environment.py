"""The .env beside docker-compose.temporal.yml: secrets made by chance, figures made to fit."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from graphmill.compose.sizing import COUNTS, Machine, figures
from graphmill.errors import SettingsError

SECRETS = (
    "POSTGRES_PASSWORD",
    "POSTGRES_GRAPHMILL_PASSWORD",
    "TEMPORAL_POSTGRES_PASSWORD",
    "NEO4J_PASSWORD",
    "QDRANT_API_KEY",
    "GRAFANA_PASSWORD",
)
_COUNT = "GRAPHMILL_DEPLOYMENT_"


def make(machine: Machine) -> str:
    """The text of a new file."""
    # Of hexadecimal digits: they stand in addresses as they are.
    return _text({name: secrets.token_hex(24) for name in SECRETS} | figures(machine))


def refit(text: str, machine: Machine) -> str:
    """The text with new figures; counts that the machine does not name, secrets and whatever
    somebody added stay.

    Raises:
        SettingsError: a line of it is not NAME=VALUE.
    """
    have = _read(text)
    counts = {
        name: _number(have[variable], variable)
        for name in COUNTS
        if (variable := f"{_COUNT}{name.upper()}") in have
    }
    fitted = figures(Machine(machine.memory, machine.cores, {**counts, **machine.counts}))
    missing = {name: secrets.token_hex(24) for name in SECRETS if name not in have}
    return _text(have | missing | fitted)


def write_new(file: Path, text: str) -> None:
    """For its owner's eyes alone.

    Raises:
        SettingsError: there is one.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SettingsError(
            f"{file} is here: its secrets are those of the volumes, and new ones would lock you"
            " out; --refit writes the figures alone anew"
        ) from None
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)


def replace(file: Path, text: str) -> None:
    """Whole or not at all."""
    own = file.with_name(f"{file.name}.new")
    own.unlink(missing_ok=True)
    write_new(own, text)
    own.replace(file)


def _read(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, sign, value = line.partition("=")
        if not sign:
            raise SettingsError(f"{line.split()[0]}: expected is NAME=VALUE on each line")
        found[name.strip()] = value.strip()
    return found


def _text(values: Mapping[str, str]) -> str:
    lines = ["# Written by scripts/compose-env; --refit writes the figures anew. Keep it secret."]
    return "\n".join((*lines, *(f"{name}={value}" for name, value in values.items()), ""))


def _number(value: str, name: str) -> int:
    if not value.isdecimal():
        raise SettingsError(f"{name} is {value!r}: expected is a number")
    return int(value)
