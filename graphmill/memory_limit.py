"""How much memory the kernel lets this process and its kin take: the limit of its container."""

from pathlib import Path

LIMIT_METRIC = "graphmill_process_memory_limit_bytes"
LIMIT_WORDS = "Memory that the container of this process may take; none where it has no limit."

# What stands for no limit in version 1 is the largest number of whole pages.
_NO_LIMIT = 2**60


def memory_limit(
    own: Path = Path("/proc/self/cgroup"), groups: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """Bytes, the least of all control groups that the process is in; None: no limit, or none that
    can be seen (as on other systems than Linux)."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return None
    # HIERARCHY:CONTROLLERS:PATH; of version 2 the controllers are empty.
    paths = {kinds: path for _, kinds, path in (line.split(":", 2) for line in lines)}
    for kinds, path in paths.items():
        if "memory" in kinds.split(","):
            return _least(groups / "memory", path, "memory.limit_in_bytes")
    return _least(groups, paths[""], "memory.max") if "" in paths else None


def _least(root: Path, path: str, name: str) -> int | None:
    """Of the group and all above it. In a container the path may be the host's, while the group
    itself is the root that is seen: what is not there is passed over."""
    group = root / path.lstrip("/")
    found = [
        limit
        for folder in (group, *group.parents)
        if folder.is_relative_to(root) and (limit := _read(folder / name)) is not None
    ]
    return min(found, default=None)


def _read(file: Path) -> int | None:
    try:
        words = file.read_text().strip()
    except OSError:
        return None
    return int(words) if words.isdecimal() and int(words) < _NO_LIMIT else None
