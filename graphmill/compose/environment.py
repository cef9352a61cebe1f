"""The .env beside docker-compose.temporal.yml: secrets made by chance, figures made to fit, and the
machine that they fit."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
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
# Read by --refit alone: somebody may have said that a part of the machine is ours.
_MEMORY, _CORES = "MACHINE_MEMORY_MIB", "MACHINE_CORES"
_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is said anew; None: as the file has it, or else as `here` (bytes, cores) is."""

    memory: int | None
    cores: int | None
    counts: Mapping[str, int]
    here: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Refitted:
    """The new text; `changes` are lines for people, without any secret."""

    text: str
    changes: tuple[str, ...] = field(default=())


def make(machine: Machine) -> str:
    """The text of a new file."""
    # Of hexadecimal digits: they stand in addresses as they are.
    secret = {name: secrets.token_hex(24) for name in SECRETS}
    return _text(secret | _fitted(machine))


def refit(text: str, wanted: Wanted) -> Refitted:
    """New figures; machine and counts that are not said anew, secrets and whatever somebody added
    stay.

    Raises:
        SettingsError: a line of it is not NAME=VALUE, or what is wanted does not fit.
    """
    have = _read(text)
    counts = {
        name: _number(have[variable], variable)
        for name in COUNTS
        if (variable := f"{_COUNT}{name.upper()}") in have
    }
    memory, cores = wanted.here
    if _MEMORY in have:
        memory = _number(have[_MEMORY], _MEMORY) * _MIB
    if _CORES in have:
        cores = _number(have[_CORES], _CORES)
    machine = Machine(wanted.memory or memory, wanted.cores or cores, {**counts, **wanted.counts})
    fitted = _fitted(machine)
    missing = {name: secrets.token_hex(24) for name in SECRETS if name not in have}
    changes = tuple(
        f"{name}: {have.get(name, 'new')} -> {value}"
        for name, value in fitted.items()
        if have.get(name) != value
    )
    return Refitted(_text(have | missing | fitted), changes)


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


def _fitted(machine: Machine) -> dict[str, str]:
    memory = machine.memory // _MIB
    told = {_MEMORY: str(memory), _CORES: str(machine.cores)}
    # Of what is written down: a refit of nothing new changes nothing.
    return told | figures(Machine(memory * _MIB, machine.cores, machine.counts))


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
