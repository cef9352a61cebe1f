"""How many files, and so connections, a process may have open."""

import contextlib
import resource

_ENOUGH = 65_536


def allow_many_open_files() -> None:
    """As many as the system lets this process have, 65,536 at most. Most systems begin with 1,024,
    or 256, for programs that count on so few: a thousand connections are too many then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    # macOS says that there is no bound, and has one.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
