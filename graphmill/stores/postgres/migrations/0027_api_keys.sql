-- Keys by which callers of the HTTP API are known (graphmill.api_keys). One that is revoked stays, so
-- that people see when.
CREATE TABLE api_keys (
    id              text PRIMARY KEY,           -- public
    tenant          text NOT NULL,
    name            text NOT NULL,              -- who has it
    digest          bytea NOT NULL,             -- SHA-256 of the secret part
    scopes          text[] NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz,                -- NULL: never
    revoked_at      timestamptz,
    last_used_at    timestamptz                 -- to the minute
);
CREATE INDEX api_keys_by_tenant ON api_keys (tenant, created_at, id);
SELECT guard_by_tenant('api_keys');
