"""For which tenant something is done: its rows are seen, and no other's.

Whoever lets people in says so once: the API for each request, a command for its time.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_acting: ContextVar[str] = ContextVar("tenant", default="")


@contextmanager
def acting_for(tenant: str) -> Generator[None]:
    """For the time of a block, and of the tasks that begin in it."""
    token = _acting.set(tenant)
    try:
        yield
    finally:
        _acting.reset(token)


def acting_tenant() -> str:
    """Whose rows are seen now; "": nobody's."""
    return _acting.get()
