"""How many workers of each role there should be: what the table [deployment] says."""

from collections.abc import Mapping

from graphmill.roles import Role

_NO_WORKERS = ("api", "commands")


def expected_workers(deployment: Mapping[str, int]) -> dict[Role, int]:
    """Processes by role, a process with several counted for each; a role that the table does not
    name has no entry, and nobody can say whether one is missing."""
    found: dict[Role, int] = {}
    for name, count in deployment.items():
        if name in _NO_WORKERS:
            continue
        for role in map(Role, name.split("_")):
            found[role] = found.get(role, 0) + count
    return found
