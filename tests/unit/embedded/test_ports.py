"""A port that is taken is named with its holder and the setting to change."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from graphmill.embedded.ports import LOOPBACK, choose_port, choosing_alone, free_port, is_free
from graphmill.errors import Unavailable


def test_a_taken_port_is_named_with_its_setting_and_holder() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Unavailable) as raised:
            choose_port(LOOPBACK, port, "GRAPHMILL_API_PORT")
    words = str(raised.value)
    assert f"port {port}" in words
    assert "GRAPHMILL_API_PORT" in words
    assert f"process {os.getpid()}" in words


def test_a_stack_for_a_block_takes_another_port_than_a_taken_one() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        chosen = choose_port(LOOPBACK, port, "GRAPHMILL_API_PORT", or_any=True)
        assert chosen != port
        assert is_free(LOOPBACK, chosen)


def test_a_free_port_is_taken_as_wanted_and_zero_means_any() -> None:
    port = free_port()
    assert choose_port(LOOPBACK, port, "GRAPHMILL_API_PORT") == port
    assert choose_port(LOOPBACK, 0, "GRAPHMILL_API_PORT") > 0


def test_a_port_counts_as_free_right_after_its_server_closed_connections() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection((LOOPBACK, port))
        accepted, _ = server.accept()
        accepted.close()  # the server's side closes first: it stays in TIME_WAIT
        client.close()
    assert is_free(LOOPBACK, port)


def test_a_free_port_is_none_that_connections_are_given() -> None:
    """Else any connection that goes out may take it before its server listens."""
    given = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(given.read_text().split()[0]) if given.exists() else 49_152
    assert all(free_port() < first for _ in range(50))


async def test_two_stacks_that_start_at_once_do_not_choose_the_same_port() -> None:
    port = free_port()
    chosen: list[int] = []

    async def start() -> socket.socket:
        async with choosing_alone():
            chosen.append(choose_port(LOOPBACK, port, "GRAPHMILL_API_PORT", or_any=True))
            await asyncio.sleep(0.1)  # until its server listens
            return socket.create_server((LOOPBACK, chosen[-1]))

    servers = await asyncio.gather(*(start() for _ in range(3)))
    for server in servers:
        server.close()
    assert len(set(chosen)) == 3
    assert chosen[0] == port
