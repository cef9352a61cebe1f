"""What is worked on now: the ids that every line of a log and every span has."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from graphmill.telemetry.spans import untraced

_NONE: Mapping[str, str] = MappingProxyType({})
_current: ContextVar[Mapping[str, str]] = ContextVar("subject", default=_NONE)


@contextmanager
def about(**ids: str) -> Generator[None]:
    """For the time of a block, and of the tasks that begin in it: beside what is said around it.
    Ids, and never a text or a secret; one that is empty is left out."""
    token = _current.set({**_current.get(), **{name: id for name, id in ids.items() if id}})
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def apart() -> Generator[None]:
    """For the time of a block, and of the tasks that begin in it: what is done for many at once,
    whoever was first, is about none of them, and in nobody's trace."""
    token = _current.set(_NONE)
    try:
        with untraced():
            yield
    finally:
        _current.reset(token)


def subject() -> Mapping[str, str]:
    """Ids by their names."""
    return _current.get()
