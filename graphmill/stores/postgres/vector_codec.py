"""Vectors in pgvector's own binary form, which asyncpg knows as text only.

As real[], whose floats it wraps one by one, sending a vector costs more than storing it does
(docs/decisions/postgresql.md).
"""

import struct
import sys
from array import array
from collections.abc import Sequence

from asyncpg.pool import PoolConnectionProxy

_HEAD = struct.Struct(">HH")  # how many dimensions, and nothing


class VectorCodec:
    """Of one pool: a connection is taught once, for as long as it lasts."""

    def __init__(self) -> None:
        self._taught: set[int] = set()

    async def teach(self, connection: PoolConnectionProxy) -> None:
        """From now on it takes sequences of floats where a vector is meant, and gives arrays."""
        process = connection.get_server_pid()
        if process in self._taught:
            return
        # Wherever the extension was made.
        schema = await connection.fetchval(
            "SELECT typnamespace::regnamespace::text FROM pg_type WHERE oid = 'vector'::regtype"
        )
        await connection.set_type_codec(
            "vector", schema=schema, encoder=encode, decoder=decode, format="binary"
        )
        connection.add_termination_listener(lambda _: self._taught.discard(process))
        self._taught.add(process)


def encode(vector: Sequence[float]) -> bytes:
    return _HEAD.pack(len(vector), 0) + _big_endian(array("f", vector)).tobytes()


def decode(data: bytes) -> "array[float]":
    return _big_endian(array("f", data[_HEAD.size :]))


def _big_endian(floats: "array[float]") -> "array[float]":
    """To the form in which they are sent, and back."""
    if sys.byteorder == "little":
        floats.byteswap()
    return floats
