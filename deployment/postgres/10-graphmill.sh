#!/bin/bash
# Once, when the volume is new: the service's role, which is no superuser and may make no roles, the
# role that row-level security binds (docs/decisions/tenants.md), the database, and the extension,
# which only a superuser may make. As graphmill/embedded/postgres_server.py does it.
set -euo pipefail

: "${GRAPHMILL_PASSWORD:?}"

# The password comes by the environment, since arguments are seen by all who list processes; and
# without a log of the statement that holds it.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" \
    --dbname postgres <<'SQL'
\getenv password GRAPHMILL_PASSWORD
SET log_statement = 'none';
CREATE ROLE graphmill LOGIN PASSWORD :'password';
CREATE ROLE graphmill_tenant NOLOGIN;
GRANT graphmill_tenant TO graphmill;
CREATE DATABASE graphmill OWNER graphmill;
\connect graphmill
CREATE EXTENSION vector;
SQL
