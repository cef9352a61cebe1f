"""How much memory a process takes, those that it started included."""

import contextlib

import psutil

MEMORY_METRIC = "graphmill_process_memory_bytes"
MEMORY_WORDS = "Memory of this process and of those that it started."


def memory_of_tree() -> int:
    """Bytes, of this process and all below it; what they share is counted once.

    A cpu worker's processes are born of one that has loaded what they need: their resident sizes,
    added up, would count that again for each.
    """
    own = psutil.Process()
    processes = [own]
    with contextlib.suppress(psutil.Error):
        processes += own.children(recursive=True)
    return sum(map(_memory, processes))


def _memory(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        # Its share of what is shared; only Linux tells that.
        return int(getattr(full, "pss", 0) or full.uss)
    except psutil.AccessDenied:
        with contextlib.suppress(psutil.Error):
            return process.memory_info().rss
    except psutil.Error:  # it ended meanwhile
        pass
    return 0
