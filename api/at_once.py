"""So many at once in a process: each holds memory, a file or a connection while it lasts."""

from collections.abc import Generator
from contextlib import contextmanager

from graphmill.errors import TransientError


class TooManyAtOnce(TransientError):
    """As many as this process takes are open."""


class AtOnce:
    def __init__(self, most: int, name: str, setting: str) -> None:
        """`name`: of many of them; `setting`: the one that says how many."""
        self._most = most
        self._told = f"this server has {most:,} {name} open, and takes no more ({setting})"
        self._open = 0

    @contextmanager
    def one(self) -> Generator[None]:
        """One more, for the time of the block.

        Raises:
            TooManyAtOnce: there are as many as may be.
        """
        if self._open >= self._most:
            raise TooManyAtOnce(f"{self._told}; come again later")
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
