"""What `doctor` looks at of who may ask the API."""

import asyncpg

from graphmill.application.checks import Check
from graphmill.settings import Settings


async def check_keys(connection: asyncpg.Connection, settings: Settings) -> Check | None:
    """Whether there are keys; None where none is needed."""
    if not settings.api_needs_keys:
        return None
    valid = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"
    found = await connection.fetchrow(
        "SELECT count(*) AS keys, count(*) FILTER (WHERE 'operator' = ANY(scopes)) AS operators"
        f" FROM api_keys WHERE {valid}"
    )
    assert found is not None
    if not found["keys"]:
        return Check(
            "keys", False, "the API wants keys and there is none: `graphmill keys create NAME`"
        )
    if not found["operators"]:
        return Check(
            "keys",
            None,
            f"{found['keys']}, none with scope operator, which /metrics and /health/pools want:"
            " `graphmill keys create NAME --scope operator`",
        )
    return Check("keys", True, f"{found['keys']}, {found['operators']} with scope operator")
