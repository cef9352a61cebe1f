"""The one formula for memory, connections and processes of docker-compose.temporal.yml.

The machine's memory, less what the kernel and its page tables want and less what the services of
a fixed size may take (FIXED), is parted: PostgreSQL 40 %, Neo4j 20 %, Qdrant 10 %, the cpu workers
30 %. So all limits together are never more than the machine has. Of its part

    PostgreSQL  has 1/4 as shared_buffers, 3/4 as effective_cache_size, 1/16 as maintenance_work_mem
                (64 MiB to 1 GiB), and 1/4 for what sorts: work_mem = that / max_connections (4 to
                64 MiB); max_connections is what the processes may open (database_connections.plan),
                3 that are reserved, and 12 for people and backups
    Neo4j       has 45 % as heap (at most 31 GiB: beyond, pointers double) and 35 % as page cache;
                the rest is the JVM's own and transactions'
    cpu workers have one process for each 1 GiB of a container, at most one a core; a document's
                process may take 3/4 of its container, at most 3 GB
"""

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

# For what is fitted: with less, Neo4j's heap is under half a GiB.
_LEAST_REST = 6 * _GIB

# What the kernel, the engine of containers and a shell take.
_SYSTEM = 1024 * _MIB

FIXED: Mapping[str, int] = {
    "temporal": 1024,
    "temporal-postgres": 768,
    "temporal-ui": 128,
    "collector": 256,
    "jaeger": 512,
    "prometheus": 512,
    "grafana": 256,
    "worker-workflow": 512,
    "worker-llm": 1024,
    "worker-embedding": 640,
    "worker-store": 512,
    "worker-projection": 512,
    "api": 1024,
}
"""MiB that one container of a service may take; a test compares with the compose file."""

_POSTGRES, _NEO4J, _QDRANT, _CPU = 0.40, 0.20, 0.10, 0.30
_RESERVED_CONNECTIONS, _OTHERS_CONNECTIONS = 3, 12
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


@dataclass(frozen=True, slots=True)
class Machine:
    """`memory` in bytes; `counts` go over COUNTS."""

    memory: int
    cores: int
    counts: Mapping[str, int] = field(default_factory=dict[str, int])


def figures(machine: Machine) -> dict[str, str]:
    """What the compose file takes from its .env, but for secrets.

    Raises:
        SettingsError: the machine is too small for that, or a count names nothing.
    """
    counts = _counts(machine)
    rest = (
        machine.memory
        - _SYSTEM
        - sum(FIXED[service] * _MIB * count for service, count in containers(counts).items())
    )
    if machine.memory < LEAST_MEMORY or machine.cores < LEAST_CORES or rest < _LEAST_REST:
        raise SettingsError(
            f"{machine.memory / _GIB:.1f} GiB and {machine.cores} cores are too little for"
            f" {', '.join(f'{name} {count}' for name, count in counts.items())}: everything on one"
            f" machine wants {LEAST_MEMORY // _GIB} GiB and {LEAST_CORES} cores at least, and 6 GiB"
            " beyond what has a fixed size; run fewer, or take a larger machine"
        )
    cpu = int(rest * _CPU) // max(1, counts["cpu"])
    processes = max(1, min(machine.cores // max(1, counts["cpu"]), cpu // _PROCESS))
    found = {f"GRAPHMILL_DEPLOYMENT_{name.upper()}": str(count) for name, count in counts.items()}
    found |= {
        "WORKER_CPU_MEMORY": _mib(cpu),
        "GRAPHMILL_CPU_WORKERS": str(processes),
        "GRAPHMILL_LIMIT_PARSE_MEMORY_BYTES": str(min(_MOST_PARSE, cpu * 3 // 4)),
        "GRAPHMILL_DATABASE_CONNECTIONS": str(_DATABASE_CONNECTIONS),
        "GRAPHMILL_STORE_CONCURRENCY": str(_STORE_CONCURRENCY),
        "GRAPHMILL_EMBEDDING_CONCURRENCY": str(_EMBEDDING_CONCURRENCY),
    }
    connections = _connections(counts, processes)
    return found | _postgres(int(rest * _POSTGRES), connections) | _others(rest)


def containers(counts: Mapping[str, int]) -> dict[str, int]:
    """How many there are of each service of a fixed size."""
    return {
        service: counts[service.removeprefix("worker-")] if service.startswith("worker-") else 1
        for service in FIXED
    }


def _counts(machine: Machine) -> dict[str, int]:
    if unknown := sorted(machine.counts.keys() - COUNTS.keys()):
        raise SettingsError(
            f"{', '.join(unknown)}: expected is one of {', '.join(COUNTS)}, each with a number"
        )
    return {**COUNTS, **machine.counts}


def _connections(counts: Mapping[str, int], cpu_processes: int) -> int:
    """As `graphmill doctor` will count them: by the same code, of the same settings."""
    settings = load_settings(
        {
            "deployment": dict(counts),
            "cpu_workers": cpu_processes,
            "database_connections": _DATABASE_CONNECTIONS,
            "store_concurrency": _STORE_CONCURRENCY,
            "embedding_concurrency": _EMBEDDING_CONCURRENCY,
        }
    )
    wanted = sum(part.total for part in plan(settings))
    return wanted + _RESERVED_CONNECTIONS + _OTHERS_CONNECTIONS


def _postgres(memory: int, connections: int) -> dict[str, str]:
    return {
        "POSTGRES_MEMORY": _mib(memory),
        "POSTGRES_MAX_CONNECTIONS": str(connections),
        "POSTGRES_SHARED_BUFFERS": _mb(memory // 4),
        "POSTGRES_EFFECTIVE_CACHE_SIZE": _mb(memory * 3 // 4),
        "POSTGRES_MAINTENANCE_WORK_MEM": _mb(_between(64, memory // 16, 1024)),
        "POSTGRES_WORK_MEM": _mb(_between(4, memory // 4 // connections, 64)),
    }


def _others(rest: int) -> dict[str, str]:
    neo4j = int(rest * _NEO4J)
    return {
        "NEO4J_MEMORY": _mib(neo4j),
        "NEO4J_HEAP": _mib(min(_LONGEST_POINTERS, int(neo4j * 0.45))),
        "NEO4J_PAGE_CACHE": _mib(int(neo4j * 0.35)),
        "QDRANT_MEMORY": _mib(int(rest * _QDRANT)),
    }


def _between(least: int, size: int, most: int) -> int:
    return min(most * _MIB, max(least * _MIB, size))


def _mib(size: int) -> str:
    """As compose and Neo4j write it."""
    return f"{size // _MIB}m"


def _mb(size: int) -> str:
    """As PostgreSQL writes the same."""
    return f"{size // _MIB}MB"
