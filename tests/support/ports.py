"""Ports for what a test starts."""

from graphmill.embedded.ports import free_port, is_free


def free_ports(count: int) -> int:
    """The first of so many in a row that are free."""
    while True:
        first = free_port()
        if all(is_free("127.0.0.1", first + n) for n in range(count)):
            return first
