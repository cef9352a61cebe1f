"""How many connections to PostgreSQL each process may open, and whether all of them fit.

A process has a pool, opened as it is needed and bounded by GRAPHMILL_DATABASE_CONNECTIONS, and
perhaps one connection beside it. Nobody can see from one process what runs elsewhere: the table
[deployment] says it, and where there is none, it is what `graphmill up` runs.
"""

from collections.abc import Collection
from dataclasses import dataclass

from graphmill.roles import ON_ONE_MACHINE, Role
from graphmill.settings import Settings

COMMAND_CONNECTIONS = 3
"""Of a command of the CLI: what it reads, and, where the question goes to an endpoint's model, the
endpoint's limits and the sign that it lives."""

CPU_AHEAD = 2
"""Activities that a cpu worker takes beyond those that its processes work on."""
PROJECTIONS_AT_ONCE = 4
"""Each reads a graph within one snapshot, and has a connection as long as that takes."""
FOLDERS_AT_ONCE = 2
"""Uploads of whole folders that a store worker does at a time; each one connection."""
# What they say meanwhile of how far they are, and of what there is to do.
_BESIDE_PROJECTIONS = 2
# Of role llm: the locks of batches (graphmill/stores/postgres/session_locks.py).
_LOCKS = 1
# Of role embedding: the sign that the process lives, and what was answered from what is stored.
_BESIDE_EMBEDDING = 2
# Of the API and of commands: connections that see the rows of all tenants (graphmill/bootstrap.py),
# and the least of those that see one's.
_FLEET, _LEAST_OF_TENANTS = 2, 2
# Of commands at once, where nobody says how many.
_COMMANDS = 2
# An embedded server has at least so many, and beyond what its own processes may open so many: for
# workers that are started beside it, and for people.
_LEAST_EMBEDDED, _SPARE_EMBEDDED = 100, 20


@dataclass(frozen=True, slots=True)
class Processes:
    """So many alike; `connections`: of each."""

    name: str
    count: int
    connections: int

    @property
    def total(self) -> int:
        return self.count * self.connections

    def __str__(self) -> str:
        return f"{self.name} {self.count} x {self.connections}"


@dataclass(frozen=True, slots=True)
class Room:
    """What a server leaves to us. `allowed`: connections of a user like ours; `others`: those that
    are no graphmill's of this database. `words`: where `allowed` comes from."""

    allowed: int
    others: int
    words: str


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a deployment fits into a server; `words` have the sum, and what to do."""

    ok: bool
    words: str


def pool_size(settings: Settings, roles: Collection[Role]) -> int:
    """Of a worker process: as many as it has activities at once that use one, bounded by the
    setting. One role's activities ask several things at once (llm), and share what there is."""
    return min(settings.database_connections, sum(_wanted(settings, role) for role in set(roles)))


def _wanted(settings: Settings, role: Role) -> int:
    match role:
        case Role.WORKFLOW:
            return 1  # it has no activities; a pool of none is none
        case Role.CPU:
            return settings.cpu_workers + CPU_AHEAD
        case Role.LLM:
            return settings.database_connections
        case Role.EMBEDDING:
            return settings.embedding_concurrency + _BESIDE_EMBEDDING
        case Role.STORE:
            return settings.store_concurrency + FOLDERS_AT_ONCE
        case Role.PROJECTION:
            return PROJECTIONS_AT_ONCE + _BESIDE_PROJECTIONS


def application_pools(most: int) -> tuple[int, int]:
    """Of the API or a command that may open so many: how many see one tenant, and how many all.

    Who reads a graph may need a second of the former, and never waits for the one that he has.
    """
    of_fleet = min(_FLEET, max(1, most - _LEAST_OF_TENANTS))
    return max(_LEAST_OF_TENANTS, most - of_fleet), of_fleet


def plan(settings: Settings) -> tuple[Processes, ...]:
    """What may be opened at once by all that [deployment] names."""
    named = dict(settings.deployment)
    api = named.pop("api", settings.uvicorn_workers)
    commands = named.pop("commands", _COMMANDS)
    workers = {name: (count, _roles(name)) for name, count in named.items()}
    return _plan(settings, workers or _on_one_machine(), api, commands)


def _plan(
    settings: Settings, workers: dict[str, tuple[int, tuple[Role, ...]]], api: int, commands: int
) -> tuple[Processes, ...]:
    most = settings.database_connections
    return (
        *(
            Processes(name, count, pool_size(settings, roles) + _LOCKS * (Role.LLM in roles))
            for name, (count, roles) in workers.items()
        ),
        Processes("api", api, sum(application_pools(most))),
        Processes("commands", commands, sum(application_pools(min(COMMAND_CONNECTIONS, most)))),
    )


def _on_one_machine() -> dict[str, tuple[int, tuple[Role, ...]]]:
    return {name: (1, roles) for name, roles in ON_ONE_MACHINE.items()}


def _roles(name: str) -> tuple[Role, ...]:
    return tuple(map(Role, name.split("_")))


def uncounted(settings: Settings, roles: Collection[Role]) -> tuple[Role, ...]:
    """Those of a process that [deployment] does not name, though it names others."""
    named = {role for name in settings.deployment if _is_worker(name) for role in _roles(name)}
    return tuple(role for role in roles if named and role not in named)


def _is_worker(name: str) -> bool:
    return name not in ("api", "commands")


def embedded_max_connections(settings: Settings) -> int:
    """max_connections of the server that `graphmill up` starts: for what it runs, whatever
    [deployment] says, and so that its workers, which read that, find that it fits."""
    own = _plan(settings, _on_one_machine(), settings.uvicorn_workers, _COMMANDS)
    most = max(sum(part.total for part in parts) for parts in (own, plan(settings)))
    return max(_LEAST_EMBEDDED, most + _SPARE_EMBEDDED)


def judge(settings: Settings, room: Room) -> Fit:
    """Whether all that [deployment] names may open its connections at once."""
    parts = plan(settings)
    wanted, free = sum(part.total for part in parts), room.allowed - room.others
    words = (
        f"{', '.join(str(part) for part in parts if part.count)}: {wanted} at most; the server"
        f" leaves {free} ({room.words}, others use {room.others})"
    )
    if wanted <= free:
        return Fit(True, words)
    fits = next(
        (
            size
            for size in range(settings.database_connections - 1, 0, -1)
            if sum(part.total for part in plan(_with_pools_of(settings, size))) <= free
        ),
        None,
    )
    lower = f"lower GRAPHMILL_DATABASE_CONNECTIONS to {fits}, " if fits else ""
    return Fit(
        False,
        f"{words}; {lower}run fewer processes (table [deployment] of graphmill.toml), or raise"
        f" max_connections by {wanted - free}",
    )


def _with_pools_of(settings: Settings, size: int) -> Settings:
    return settings.model_copy(update={"database_connections": size})
