"""The one formula for memory, cores, connections and processes of docker-compose.temporal.yml.

The machine's memory, less what the kernel and its page tables want and less what the services of
a fixed size may take (FIXED), is parted: Neo4j 20 % and 1.5 GiB at least; of the others PostgreSQL
4/8, Qdrant 1/8, the cpu workers 3/8. So all limits together are never more than the machine has. Of
its part

    PostgreSQL  has 1/4 as shared_buffers, 3/4 as effective_cache_size, 1/16 as maintenance_work_mem
                (64 MiB to 1 GiB), and 1/4 for what sorts: work_mem = that / max_connections (4 to
                64 MiB); max_connections leaves of what the processes may open
                (database_connections.plan) a quarter free, and 3 that are reserved and 12 for
                people and backups at least
    Neo4j       leaves 512 MiB to the JVM itself; of the rest 50 % are heap (at most 31 GiB: beyond,
                pointers double) and 40 % page cache
    cpu workers have one process for each 1 GiB of a container, at most one a core; a document's
                process may take 3/4 of its container, at most 3 GB

Cores are shared, so their limits may add up to more than there are: PostgreSQL may take half of
them, Neo4j, Qdrant and either part of Temporal a quarter, the API one for each process; each two at
least.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from graphmill.database_connections import plan
from graphmill.errors import SettingsError
from graphmill.roles import Role
from graphmill.settings import load_settings

_MIB = 1024**2
_GIB = 1024**3

LEAST_MEMORY, LEAST_CORES = 15 * _GIB, 2
"""Of a machine; one that is sold with 16 GB has a little less to give."""

# For what is fitted: with less, PostgreSQL and the cpu workers have under 2 GiB.
_LEAST_REST = 5632 * _MIB

# What the kernel, the engine of containers and a shell take.
_SYSTEM = 1024 * _MIB

FIXED: Mapping[str, int] = {
    "temporal": 1024,
    "temporal-postgres": 768,
    "temporal-ui": 128,
    "collector": 256,
    "jaeger": 512,
    "prometheus": 512,
    "grafana": 512,
    "worker-workflow": 512,
    "worker-llm": 1024,
    "worker-embedding": 640,
    "worker-store": 512,
    "worker-projection": 512,
    "api": 512,
}
"""MiB that one container of a service may take, of the API one process; a test compares with the
compose file."""

_NEO4J, _LEAST_NEO4J = 0.20, 1536 * _MIB
_POSTGRES, _QDRANT, _CPU = 4 / 8, 1 / 8, 3 / 8  # of what Neo4j leaves
_JVM = 512 * _MIB
_HEAP, _PAGE_CACHE = 0.50, 0.40
_RESERVED_CONNECTIONS, _OTHERS_CONNECTIONS = 3, 12
# The alert GraphmillDatabaseConnections fires at 80 %: all of our own have to stay below.
_MOST_OF_CONNECTIONS = 0.75
_LONGEST_POINTERS = 31 * _GIB
_PROCESS = 1024 * _MIB
_MOST_PARSE = 3_000_000_000
# A pool of ten is what a process has unasked (graphmill/settings.py).
_DATABASE_CONNECTIONS = 10
_STORE_CONCURRENCY, _EMBEDDING_CONCURRENCY = 8, 2

COUNTS: Mapping[str, int] = {
    **{str(role): 1 for role in Role},
    str(Role.WORKFLOW): 2,  # whoever restarts one keeps all runs going
    "api": 2,
    "commands": 2,
}
"""Containers of each role; processes of the one API; commands at a time."""

# Without a model method fast works, without projections PostgreSQL answers alone. All else is
# waited for: by the other services when they start (store), or by every run.
_MAY_BE_NONE = (str(Role.LLM), str(Role.PROJECTION), "commands")


@dataclass(frozen=True, slots=True)
class Machine:
    """`memory` in bytes; `counts` go over COUNTS."""

    memory: int
    cores: int
    counts: Mapping[str, int] = field(default_factory=dict[str, int])


def figures(machine: Machine) -> dict[str, str]:
    """What the compose file takes from its .env, but for secrets.

    Raises:
        SettingsError: the machine is too small for that, or a count names nothing, or is 0 where
            something waits for one.
    """
    counts = _counts(machine)
    rest = _rest(machine, counts)
    neo4j = max(_LEAST_NEO4J, int(rest * _NEO4J))
    others = rest - neo4j
    cpu = int(others * _CPU) // counts["cpu"]
    processes = max(1, min(machine.cores // counts["cpu"], cpu // _PROCESS))
    found = {f"GRAPHMILL_DEPLOYMENT_{name.upper()}": str(count) for name, count in counts.items()}
    found |= {
        "WORKER_CPU_MEMORY": _mib(cpu),
        "GRAPHMILL_CPU_WORKERS": str(processes),
        "GRAPHMILL_LIMIT_PARSE_MEMORY_BYTES": str(min(_MOST_PARSE, cpu * 3 // 4)),
        "GRAPHMILL_DATABASE_CONNECTIONS": str(_DATABASE_CONNECTIONS),
        "GRAPHMILL_STORE_CONCURRENCY": str(_STORE_CONCURRENCY),
        "GRAPHMILL_EMBEDDING_CONCURRENCY": str(_EMBEDDING_CONCURRENCY),
        "API_MEMORY": f"{FIXED['api'] * counts['api']}m",
    }
    return (
        found
        | _cpus(machine.cores, counts["api"])
        | _postgres(int(others * _POSTGRES), max_connections(_wanted(counts, processes)))
        | _neo4j(neo4j)
        | {"QDRANT_MEMORY": _mib(int(others * _QDRANT))}
    )


def _rest(machine: Machine, counts: Mapping[str, int]) -> int:
    """What is left for what is fitted.

    Raises:
        SettingsError: it is too little, or the machine is.
    """
    fixed = _SYSTEM + sum(FIXED[service] * _MIB * count for service, count in sized(counts).items())
    least = max(LEAST_MEMORY, fixed + _LEAST_REST)
    asked = ", ".join(f"{name} {count}" for name, count in counts.items())
    if machine.cores < LEAST_CORES:
        raise SettingsError(
            f"cores: {machine.cores}; everything on one machine wants {LEAST_CORES} at least: take"
            " a larger machine"
        )
    if machine.memory < LEAST_MEMORY:
        raise SettingsError(
            f"{_below(least, machine.memory)} GiB are too little for {asked}: everything on one"
            f" machine wants {_at_least(least)} GiB at least; take a larger machine"
        )
    if machine.memory < least:
        raise SettingsError(
            f"{_below(least, machine.memory)} GiB are too little for {asked}: the system and what"
            f" has a fixed size take {_at_least(fixed)} GiB,"
            f" {max(0, machine.memory - fixed) * 10 // _GIB / 10} are left, and"
            f" {_LEAST_REST / _GIB} are needed: {_at_least(least)} GiB in all; run fewer, or take a"
            " larger machine"
        )
    return machine.memory - fixed


def _below(least: int, size: int) -> str:
    """In GiB; rounded, but never to what would be enough."""
    tenths = min(round(size / _GIB * 10), math.ceil(least / _GIB * 10) - 1)
    return f"{tenths / 10:.1f}"


def _at_least(size: int) -> str:
    return f"{math.ceil(size / _GIB * 10) / 10:.1f}".removesuffix(".0")


def sized(counts: Mapping[str, int]) -> dict[str, int]:
    """How many there are of what FIXED names: containers, and processes of the API."""
    return {
        service: counts.get(service.removeprefix("worker-"), 1)
        if service == "api" or service.startswith("worker-")
        else 1
        for service in FIXED
    }


def max_connections(wanted: int) -> int:
    """Of PostgreSQL, where our own processes may open so many."""
    return max(
        wanted + _RESERVED_CONNECTIONS + _OTHERS_CONNECTIONS,
        math.ceil(wanted / _MOST_OF_CONNECTIONS) + _RESERVED_CONNECTIONS,
    )


def _counts(machine: Machine) -> dict[str, int]:
    if unknown := sorted(machine.counts.keys() - COUNTS.keys()):
        raise SettingsError(
            f"{', '.join(unknown)}: expected is one of {', '.join(COUNTS)}, each with a number"
        )
    counts = {**COUNTS, **machine.counts}
    if none := [name for name, count in counts.items() if not count and name not in _MAY_BE_NONE]:
        raise SettingsError(
            f"{', '.join(f'{name}=0' for name in none)}: everything waits for it; 1 at least, and 0"
            f" of {', '.join(_MAY_BE_NONE)} alone"
        )
    return counts


def _wanted(counts: Mapping[str, int], cpu_processes: int) -> int:
    """Connections, as `graphmill doctor` will count them: by the same code and settings."""
    settings = load_settings(
        {
            "deployment": dict(counts),
            "cpu_workers": cpu_processes,
            "database_connections": _DATABASE_CONNECTIONS,
            "store_concurrency": _STORE_CONCURRENCY,
            "embedding_concurrency": _EMBEDDING_CONCURRENCY,
        }
    )
    return sum(part.total for part in plan(settings))


def _cpus(cores: int, api: int) -> dict[str, str]:
    half, quarter = max(LEAST_CORES, cores // 2), max(LEAST_CORES, cores // 4)
    return {
        "POSTGRES_CPUS": str(half),
        "NEO4J_CPUS": str(quarter),
        "QDRANT_CPUS": str(quarter),
        "TEMPORAL_CPUS": str(quarter),
        # An engine refuses more than there are.
        "API_CPUS": str(min(cores, max(LEAST_CORES, api))),
    }


def _postgres(memory: int, connections: int) -> dict[str, str]:
    return {
        "POSTGRES_MEMORY": _mib(memory),
        "POSTGRES_MAX_CONNECTIONS": str(connections),
        "POSTGRES_SHARED_BUFFERS": _mb(memory // 4),
        "POSTGRES_EFFECTIVE_CACHE_SIZE": _mb(memory * 3 // 4),
        "POSTGRES_MAINTENANCE_WORK_MEM": _mb(_between(64, memory // 16, 1024)),
        "POSTGRES_WORK_MEM": _mb(_between(4, memory // 4 // connections, 64)),
    }


def _neo4j(memory: int) -> dict[str, str]:
    own = memory - _JVM
    return {
        "NEO4J_MEMORY": _mib(memory),
        "NEO4J_HEAP": _mib(min(_LONGEST_POINTERS, int(own * _HEAP))),
        "NEO4J_PAGE_CACHE": _mib(int(own * _PAGE_CACHE)),
    }


def _between(least: int, size: int, most: int) -> int:
    return min(most * _MIB, max(least * _MIB, size))


def _mib(size: int) -> str:
    """As compose and Neo4j write it."""
    return f"{size // _MIB}m"


def _mb(size: int) -> str:
    """As PostgreSQL writes the same."""
    return f"{size // _MIB}MB"
