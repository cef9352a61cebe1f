"""Which tables hold rows of tenants, and whether each is guarded (migrations/0021_tenants.sql)."""

TENANT_ROLE = "graphmill_tenant"
"""As whom statements run that are done for one tenant: policies bind it."""

FLEET_TABLES = frozenset(
    {
        "schema_migrations",
        "model_sessions",  # processes that ask models
        "model_endpoints",  # endpoints, their limits, and what they are known to take
        "endpoint_shares",
        "model_manners",
        "worker_pools",  # what workers do now; told to operators alone
        "model_accounts_gone",  # sums over all tenants, by step and model
    }
)
"""Those that hold nothing of a tenant. All others have a policy, and a tenant in every row."""

UNGUARDED_TABLES = """
SELECT c.relname::text AS name
FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND c.relname <> ALL($1::text[])
    -- Those of an extension are its own.
    AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    AND NOT (
        c.relrowsecurity
        AND EXISTS (SELECT FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND a.attnotnull)
        AND (SELECT count(*) = 1 AND bool_and(
                p.cmd = 'ALL' AND p.qual = p.with_check AND p.qual LIKE '(tenant = %'
                AND p.qual LIKE '%NULLIF(current_setting(''graphmill.tenant''::text, true), %')
            FROM pg_policies p
            WHERE p.schemaname = current_schema() AND p.tablename = c.relname)
    )
ORDER BY 1
"""
"""Tables that lack the tenant, row-level security or the policy; $1: FLEET_TABLES."""
