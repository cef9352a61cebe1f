#!/bin/sh
# Temporal's two databases, made or brought to this release's schema. Doing it again changes nothing,
# so it runs with every `docker compose up`, and so before a newer server. The tool takes the server's
# address, user and password from SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER and SQL_PASSWORD.
set -eu

: "${SQL_PLUGIN:?}" "${SQL_HOST:?}" "${SQL_PORT:?}" "${SQL_USER:?}" "${SQL_PASSWORD:?}"

prepare() {
    database=$1
    schema=$2
    temporal-sql-tool --database "$database" create
    temporal-sql-tool --database "$database" setup-schema --version 0.0
    temporal-sql-tool --database "$database" update-schema --schema-name "$schema"
}

prepare temporal postgresql/v12/temporal
prepare temporal_visibility postgresql/v12/visibility
echo "Temporal's schema is as this release wants it"
