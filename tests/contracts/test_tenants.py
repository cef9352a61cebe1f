"""PostgreSQL keeps tenants apart, whatever a statement says or forgets to say."""

import asyncio
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any

import asyncpg
import pytest

from graphmill.application.doctor import check_database
from graphmill.application.outages import explain_outage
from graphmill.embedded.postgres_server import PostgresServer
from graphmill.errors import NotFound, SettingsError
from graphmill.models import CollectionKey
from graphmill.settings import Settings
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.database import close_pool, migrate, open_tenant_pool
from graphmill.stores.postgres.model_figures import PostgresModelFigures
from graphmill.stores.postgres.search import PostgresSearchStore
from graphmill.stores.postgres.tenant_tables import FLEET_TABLES, TENANT_ROLE, UNGUARDED_TABLES
from graphmill.stores.postgres.verdicts import PostgresVerdicts
from graphmill.tenancy import acting_for
from tests.published_graph import publish
from tests.support.tenant_rows import write_a_row_in_every_table

MIGRATIONS = resources.files("graphmill.stores.postgres") / "migrations"
OURS, THEIRS = "default", "other"
_TABLES = """
SELECT relname::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> ALL($1::text[])
ORDER BY 1
"""

# All but those that are made from others.
_WRITTEN_COLUMNS = """
SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


async def tenant_tables(pool: asyncpg.Pool) -> list[str]:
    return [row[0] for row in await pool.fetch(_TABLES, FLEET_TABLES)]


@pytest.fixture
async def filled(pool: asyncpg.Pool) -> asyncpg.Pool:
    """Every table of tenants has a row of ours and one of theirs; the tables' owner's pool."""
    for tenant in (OURS, THEIRS):
        await write_a_row_in_every_table(pool, tenant)
    for table in await tenant_tables(pool):
        rows = await pool.fetch(f"SELECT tenant FROM {table} ORDER BY tenant")
        assert [row[0] for row in rows] == [OURS, THEIRS], f"no rows in {table}: tenant_rows.py"
    return pool


@pytest.fixture
async def bare(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The role's session in which nobody has ever said for whom it acts."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"SET ROLE {TENANT_ROLE}")
    yield connection
    await connection.close()


# ---- the tables


async def test_every_table_is_guarded_or_named_as_the_fleet_s(pool: asyncpg.Pool) -> None:
    """One that is added later: SELECT guard_by_tenant('it') in its migration, or FLEET_TABLES."""
    assert await pool.fetch(UNGUARDED_TABLES, FLEET_TABLES) == []
    assert len(await tenant_tables(pool)) > 30


@pytest.mark.parametrize(
    "flaw",
    [
        "CREATE TABLE flawed (tenant text NOT NULL)",
        "CREATE TABLE flawed (tenant text); SELECT guard_by_tenant('flawed')",
        "CREATE TABLE flawed (tenant text NOT NULL); SELECT guard_by_tenant('flawed');"
        " CREATE POLICY more ON flawed USING (true)",
        "CREATE TABLE flawed (tenant text NOT NULL); SELECT guard_by_tenant('flawed');"
        " ALTER TABLE flawed DISABLE ROW LEVEL SECURITY",
        "CREATE VIEW flawed AS SELECT * FROM documents",
    ],
)
async def test_a_table_that_is_not_guarded_is_found(pool: asyncpg.Pool, flaw: str) -> None:
    await pool.execute(flaw)
    assert [row["name"] for row in await pool.fetch(UNGUARDED_TABLES, FLEET_TABLES)] == ["flawed"]


async def test_the_role_may_nothing_with_what_no_migration_gave_it(pool: asyncpg.Pool) -> None:
    await pool.execute("CREATE TABLE forgotten (id int)")
    rights = await pool.fetch(
        "SELECT relname || ' ' || privilege FROM pg_class, unnest(ARRAY['SELECT', 'INSERT',"
        " 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege"
        " WHERE relname = ANY($1::text[]) AND relnamespace = 'public'::regnamespace"
        " AND has_table_privilege($2, oid, privilege)",
        [*FLEET_TABLES, "forgotten"],
        TENANT_ROLE,
    )
    assert [row[0] for row in rights] == ["model_sessions SELECT"]


async def test_what_runs_as_the_tables_owner_is_known_and_fixed_to_its_schemas(
    pool: asyncpg.Pool,
) -> None:
    rows = await pool.fetch(
        "SELECT proname::text, proconfig, has_function_privilege('public', oid, 'EXECUTE') AS all"
        " FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace ORDER BY proname"
    )
    assert [row["proname"] for row in rows] == ["keep_gone_accounts", "text_units_with_words"]
    assert all("search_path=" in row["proconfig"][0] for row in rows)
    assert not rows[1]["all"]


# ---- rows


@pytest.mark.parametrize("acting", [OURS, "", None])
async def test_no_row_of_another_is_read_changed_deleted_or_written_in_any_table(
    filled: asyncpg.Pool, bare: asyncpg.Connection, acting: str | None
) -> None:
    if acting is not None:
        await bare.execute("SELECT set_config('graphmill.tenant', $1, false)", acting)
    mine = [OURS] if acting else []
    for table in await tenant_tables(filled):
        rows = await bare.fetch(f"SELECT tenant FROM {table}")
        assert [row["tenant"] for row in rows] == mine, table
        named = await bare.fetch(f"SELECT FROM {table} WHERE tenant = $1", THEIRS)
        assert not named, table
        changed = await bare.execute(f"UPDATE {table} SET tenant = tenant")
        assert changed == f"UPDATE {len(mine)}", table
        # Every row of theirs in turn, as it stands.
        theirs = await filled.fetchval(
            f"SELECT to_jsonb(t) FROM {table} t WHERE tenant = $1", THEIRS
        )
        columns = await filled.fetchval(_WRITTEN_COLUMNS, table)
        written = await refusal(
            bare,
            f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"
            f" SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1::jsonb)",
            theirs,
        )
        assert "violates row-level security policy" in written, table
        if acting:
            given = await refusal(bare, f"UPDATE {table} SET tenant = $1", THEIRS)
            assert "violates row-level security policy" in given, table
        transaction = bare.transaction()
        await transaction.start()
        try:
            if table == "collections":  # graphs and it point at each other
                await bare.execute("UPDATE collections SET graph_id = NULL")
            assert await bare.execute(f"DELETE FROM {table}") == f"DELETE {len(mine)}", table
        finally:
            await transaction.rollback()


async def refusal(connection: asyncpg.Connection, statement: str, *values: object) -> str:
    with pytest.raises(asyncpg.InsufficientPrivilegeError) as refused:
        await connection.execute(statement, *values)
    return str(refused.value)


async def test_a_collection_goes_with_its_rows_in_every_table_and_no_other_row_does(
    filled: asyncpg.Pool, tenant_pool: asyncpg.Pool
) -> None:
    await PostgresCatalog(tenant_pool).delete_collection(CollectionKey(OURS, "files"))
    # These are of no collection.
    stay = {"model_claims", "vector_dimensions", "projections", "api_keys", "idempotent_answers"}
    for table in await tenant_tables(filled):
        rows = await filled.fetch(f"SELECT tenant FROM {table} ORDER BY tenant")
        assert [row[0] for row in rows] == ([OURS, THEIRS] if table in stay else [THEIRS]), table
    # What was spent stays in the sums, which nobody else may write.
    assert await filled.fetchval("SELECT count(*) FROM model_accounts_gone") == 1
    assert [one.step for one in (await PostgresModelFigures(filled).load()).steps] == ["s"]


@pytest.mark.parametrize("table", ["entities", "collections"])
async def test_a_row_cannot_point_to_another_s_graph(
    filled: asyncpg.Pool, tenant_pool: asyncpg.Pool, table: str
) -> None:
    theirs = await filled.fetchval("SELECT id FROM graphs WHERE tenant = $1", THEIRS)
    for pool in (tenant_pool, filled):
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await pool.execute(f"UPDATE {table} SET graph_id = $1 WHERE tenant = $2", theirs, OURS)


# ---- the pool


async def test_a_statement_that_forgets_its_tenant_shows_no_other_s_rows(
    filled: asyncpg.Pool, tenant_pool: asyncpg.Pool
) -> None:
    assert [row["tenant"] for row in await tenant_pool.fetch("SELECT * FROM documents")] == [OURS]
    with acting_for(THEIRS):
        rows = await tenant_pool.fetch("SELECT * FROM documents")
        assert [row["tenant"] for row in rows] == [THEIRS]
        async with tenant_pool.acquire() as connection:
            rows = await connection.fetch("SELECT * FROM documents")
            assert [row["tenant"] for row in rows] == [THEIRS]
    with acting_for(""):
        assert await tenant_pool.fetch("SELECT * FROM documents") == []


async def test_the_two_never_mix_on_one_connection(filled: asyncpg.Pool, database_url: str) -> None:
    pool = await open_tenant_pool(database_url, 1)

    async def see(tenant: str) -> None:
        with acting_for(tenant):
            for number in range(20):
                if number % 3:
                    seen = await pool.fetchval("SELECT array_agg(tenant) FROM documents")
                else:
                    async with pool.acquire() as connection, connection.transaction():
                        seen = await connection.fetchval("SELECT array_agg(tenant) FROM documents")
                assert seen == [tenant] if tenant else seen is None

    await asyncio.gather(*(see(tenant) for tenant in (OURS, THEIRS, "", OURS, THEIRS)))
    assert pool.get_size() == 1
    await close_pool(pool)


async def test_a_connection_of_which_nobody_knows_for_whom_it_acts_is_given_up(
    filled: asyncpg.Pool, database_url: str
) -> None:
    pool = await open_tenant_pool(database_url, 1)
    with acting_for(OURS):
        first = await pool.fetchval("SELECT pg_backend_pid()")
    with acting_for("\0"), pytest.raises(asyncpg.CharacterNotInRepertoireError):
        await pool.fetchval("SELECT 1")
    with acting_for(THEIRS):
        row = await pool.fetchrow("SELECT pg_backend_pid() AS pid, tenant FROM documents")
    assert row is not None
    assert row["pid"] != first
    assert row["tenant"] == THEIRS
    await close_pool(pool)


async def test_who_acts_for_one_finds_nothing_of_another_by_any_store(
    pool: asyncpg.Pool, tenant_pool: asyncpg.Pool
) -> None:
    files = {"a.md": b"# Ada\n\nAda Lovelace met Charles Babbage at the river in London."}
    theirs, ours = CollectionKey(THEIRS, "files"), CollectionKey(OURS, "files")
    graph_id = await publish(pool, theirs, files)
    await publish(pool, ours, {"b.md": b"# Bo\n\nBo swam in a river."})
    catalog, search = PostgresCatalog(tenant_pool), PostgresSearchStore(tenant_pool)
    assert await catalog.list_collections(THEIRS) == ()
    calls: list[Any] = [
        catalog.show_collection(theirs),
        catalog.list_documents(theirs),
        catalog.delete_collection(theirs),
        search.embedding_model(theirs),
        PostgresVerdicts(tenant_pool).decisions(theirs, ("", ""), 10, None),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            await call
    async with search.snapshot(ours) as graph:
        assert graph is not None
        assert (await graph.match_words(["river", "Ada"], 10)).frequencies == (1, 0)
        # As a bug would have it: our snapshot, their graph.
        graph._graph_id = graph_id  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
        assert (await graph.match_words(["river", "Ada"], 10)).frequencies == (0, 0)
        assert await graph.entities_by_title(["ADA LOVELACE", "LONDON"]) == ()


# ---- rows of before


async def test_rows_of_before_get_the_tenant_of_their_graph(database_url: str) -> None:
    """As 0020 left them, of several tenants, one of which has most."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE SCHEMA before; SET search_path = before, public")
    await connection.execute("CREATE TABLE schema_migrations (name text PRIMARY KEY)")
    for name in sorted(file.name for file in MIGRATIONS.iterdir() if file.name < "0021"):
        await connection.execute((MIGRATIONS / name).read_text())
        await connection.execute("INSERT INTO schema_migrations VALUES ($1)", name)
    tenants = ["one", "two", "two", "three"]
    for number, tenant in enumerate(tenants):
        key = (tenant, f"c{number}")
        await connection.execute("INSERT INTO collections (tenant, name) VALUES ($1, $2)", *key)
        graph_id = await connection.fetchval(
            "INSERT INTO graphs (tenant, collection, digest) VALUES ($1, $2, '') RETURNING id", *key
        )
        await connection.execute(
            "UPDATE collections SET graph_id = $3 WHERE tenant = $1 AND name = $2", *key, graph_id
        )
        await connection.execute(
            "INSERT INTO model_gaps VALUES ($1, 'report', gen_random_uuid(), 'refused')", graph_id
        )
    await connection.execute((MIGRATIONS / "0021_tenants.sql").read_text())
    rows = await connection.fetch("SELECT tenant FROM model_gaps ORDER BY graph_id")
    assert [row["tenant"] for row in rows] == tenants
    assert await connection.fetch(UNGUARDED_TABLES, FLEET_TABLES) == []
    with pytest.raises(asyncpg.NotNullViolationError):  # who forgets it is told
        await connection.execute(
            "INSERT INTO model_gaps SELECT graph_id, 'summary', id, reason FROM model_gaps"
        )
    await connection.execute(f"SET ROLE {TENANT_ROLE}; SET graphmill.tenant = 'two'")
    assert await connection.fetchval("SELECT count(*) FROM model_gaps") == 2
    await connection.close()


# ---- the role


async def told_by_doctor(url: str) -> tuple[bool | None, str]:
    checks = {check.name: check async for check in check_database(url, Settings())}
    return checks["tenants"].ok, checks["tenants"].words


async def test_doctor_says_whether_tenants_are_kept_apart(
    pool: asyncpg.Pool, database_url: str
) -> None:
    assert await told_by_doctor(database_url) == (True, f"kept apart by the role {TENANT_ROLE}")
    await pool.execute("CREATE TABLE flawed (tenant text NOT NULL)")
    ok, words = await told_by_doctor(database_url)
    assert (ok, words.endswith("by tenant: flawed")) == (False, True)


async def test_a_user_who_may_make_no_role_is_told_what_an_administrator_runs(
    postgres_server: PostgresServer,
) -> None:
    """The role is the server's, and there already: so a user who may not act as it."""
    folder = str(postgres_server.socket_folder)
    admin = await asyncpg.connect(host=folder, user="postgres", database="postgres")
    await admin.execute("CREATE DATABASE strange OWNER graphmill")
    inside = await asyncpg.connect(host=folder, user="postgres", database="strange")
    await inside.execute("CREATE EXTENSION vector")
    await inside.close()
    await admin.execute(f"REVOKE {TENANT_ROLE} FROM graphmill")
    url = postgres_server.url.replace("/graphmill?", "/strange?")
    words = f"GRANT {TENANT_ROLE} TO graphmill;"
    try:
        with pytest.raises(SettingsError, match=words):
            await migrate(url)
        ok, told = await told_by_doctor(url)
        assert (ok, told.endswith(words)) == (False, True)
        with acting_for(OURS):
            pool = await open_tenant_pool(url, 1)
            with pytest.raises(asyncpg.InsufficientPrivilegeError) as refused:
                await pool.fetchval("SELECT 1")
            await close_pool(pool)
        assert "`graphmill doctor` says" in str(explain_outage(refused.value))
        await admin.execute(words)
        await migrate(url)
        assert (await told_by_doctor(url))[0]
    finally:
        await admin.execute(words)
        await admin.execute("DROP DATABASE strange WITH (FORCE)")
        await admin.close()
