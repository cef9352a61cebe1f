"""Vectors cross in pgvector's own form and are those that were sent."""

import asyncpg

from graphmill.stores.postgres.vector_codec import VectorCodec, decode, encode


def test_what_is_encoded_is_decoded() -> None:
    assert encode([1.0]) == b"\x00\x01\x00\x00\x3f\x80\x00\x00"
    assert list(decode(encode([0.5, -2.0, 0.0]))) == [0.5, -2.0, 0.0]


async def test_the_server_reads_what_was_sent_and_connections_are_taught_once(
    pool: asyncpg.Pool,
) -> None:
    codec = VectorCodec()
    async with pool.acquire() as connection:
        before = connection.get_server_pid()
        for _ in range(2):
            await codec.teach(connection)
            assert await connection.fetchval("SELECT $1::vector::text", [0.5, -2]) == "[0.5,-2]"
            assert list(await connection.fetchval("SELECT '[0.5,-2]'::vector")) == [0.5, -2.0]
    # As it is read elsewhere.
    assert await pool.fetchval("SELECT $1::real[]::vector::real[]", [0.5]) == [0.5]
    await pool.expire_connections()
    async with pool.acquire() as connection:
        assert connection.get_server_pid() != before
        await codec.teach(connection)
        assert await connection.fetchval("SELECT $1::vector::text", [1, 2]) == "[1,2]"
