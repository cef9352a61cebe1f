"""How many connections a server leaves to graphmill, whoever else uses it."""

import asyncpg

from graphmill.database_connections import Room, judge
from graphmill.errors import SettingsError
from graphmill.settings import Settings
from graphmill.stores.postgres.database import APPLICATION_NAME, connect


async def load_room(connection: asyncpg.Connection) -> Room:
    """Of the database and for the user of this connection, which is not counted among others."""
    row = await connection.fetchrow(_ROOM, APPLICATION_NAME)
    assert row is not None  # scalars always make one row
    most, reserved = row["max_connections"], row["reserved"]
    limits = {
        f"max_connections {most}, {reserved} reserved": most - reserved,
        f"the limit of user {row['user']} is {row['of_user']}": row["of_user"],
        f"the limit of database {row['database']} is {row['of_database']}": row["of_database"],
    }
    words = min((words for words in limits if limits[words] >= 0), key=lambda words: limits[words])
    return Room(limits[words], row["others"], words)


async def refuse_what_cannot_fit(url: str, settings: Settings) -> None:
    """Before a process opens its pool: where not all that the settings name fits, whoever comes
    last would fail, now and then, hours later.

    Raises:
        SettingsError: with the sum, and what to do.
        Unavailable: nothing answers at that address.
    """
    connection = await connect(url)
    try:
        fit = judge(settings, await load_room(connection))
    finally:
        await connection.close()
    if not fit.ok:
        raise SettingsError(f"this deployment has too few connections to PostgreSQL: {fit.words}")


# A superuser may use what is reserved. -1: no limit. What kind a backend is, others' are not told:
# those of clients, and they are nearly all, have a database.
_ROOM = """
SELECT current_setting('max_connections')::int AS max_connections,
    CASE WHEN u.rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true), '0')::int END AS reserved,
    u.rolname AS user, u.rolconnlimit AS of_user,
    d.datname AS database, d.datconnlimit AS of_database,
    (SELECT count(*) FROM pg_stat_activity a
     WHERE a.datid IS NOT NULL AND coalesce(a.backend_type, 'client backend') = 'client backend'
     AND a.pid <> pg_backend_pid()
     AND NOT (a.datname = d.datname AND a.application_name = $1)) AS others
FROM pg_roles u, pg_database d WHERE u.rolname = current_user AND d.datname = current_database()
"""
