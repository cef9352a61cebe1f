"""Keys of the HTTP API: made, listed, revoked; and who has sent one."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from graphmill.api_keys import ApiKey, Caller, Scope, check_key_name, new_secret, read_key
from graphmill.application.outages import tells_outages
from graphmill.errors import InvalidRequest
from graphmill.names import check_tenant_name
from graphmill.stores.postgres.api_keys import PostgresApiKeys, PostgresKeyring


class ApiKeys:
    def __init__(self, keys: PostgresApiKeys, keyring: PostgresKeyring) -> None:
        self._keys = keys
        self._keyring = keyring

    @tells_outages
    async def create(
        self,
        tenant: str,
        name: str,
        scopes: Sequence[Scope],
        lifetime: timedelta | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key, and its text, which nobody can show again.

        Raises:
            InvalidRequest: it has no name, or would allow nothing.
        """
        if not scopes:
            raise InvalidRequest(f"a key has at least one scope: {', '.join(Scope)}")
        secret = new_secret()
        wanted = tuple(scope for scope in Scope if scope in scopes)
        key = await self._keys.create(
            check_tenant_name(tenant), secret, check_key_name(name), wanted, lifetime
        )
        return key, secret.text

    @tells_outages
    async def list(self, tenant: str) -> tuple[ApiKey, ...]:
        return await self._keys.list(tenant)

    @tells_outages
    async def revoke(self, tenant: str, id: str) -> ApiKey:
        """From now on it is no key any more.

        Raises:
            NotFound: the tenant has no such key.
        """
        return await self._keys.revoke(tenant, id)

    @tells_outages
    async def caller(self, text: str) -> Caller:
        """Who has sent this key.

        Raises:
            InvalidKey: it is no key, or none of ours any more.
        """
        return await self._keyring.caller(read_key(text))


def key_to_json(key: ApiKey) -> dict[str, Any]:
    """A key as `keys list` shows it; dates are ISO 8601 in UTC."""

    return {
        "id": key.id,
        "tenant": key.tenant,
        "name": key.name,
        "scopes": [str(scope) for scope in key.scopes],
        "created_at": _told(key.created_at),
        "expires_at": _told(key.expires_at),
        "revoked_at": _told(key.revoked_at),
        "last_used_at": _told(key.last_used_at),
    }


def _told(date: datetime | None) -> str | None:
    return None if date is None else date.astimezone(UTC).isoformat()
