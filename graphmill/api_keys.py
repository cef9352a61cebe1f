"""Keys by which callers of the HTTP API are known: each is of one tenant, and allows so much.

A key is `gmk_<id>_<secret>_<checksum>`. The id is public: lists show it, and it names what to
revoke. What is stored of the secret is its SHA-256. It is 256 random bits, so nobody finds it by
trying, and a slow hash as for passwords would only slow each request. The checksum tells a key that
was mistyped or cut off from one that is unknown, without a look into the database; scanners of
sources know by it what they have found.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from graphmill.errors import InvalidRequest, PermanentError

_KEY = re.compile(r"gmk_([0-9a-f]{16})_([0-9a-f]{64})_([0-9a-f]{8})")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


class Scope(StrEnum):
    """What a key allows; each of the first three allows what stands before it too."""

    READ = "read"
    """Collections, documents, runs and graphs are looked at and asked."""
    INDEX = "index"
    """Documents are uploaded and deleted; runs are begun, held and ended."""
    ADMIN = "admin"
    """Collections are deleted."""
    OPERATOR = "operator"
    """The deployment's own figures are read, which are sums over all tenants. No tenant's data."""


_ALLOWED_BY = {
    Scope.READ: (Scope.READ, Scope.INDEX, Scope.ADMIN),
    Scope.INDEX: (Scope.INDEX, Scope.ADMIN),
    Scope.ADMIN: (Scope.ADMIN,),
    Scope.OPERATOR: (Scope.OPERATOR,),
}


class InvalidKey(PermanentError):
    """There is no key where one is needed, or it is not (or no longer) one of ours."""


class NotAllowed(PermanentError):
    """The key is one of ours and does not allow this."""


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom a request is answered, and what it may do."""

    tenant: str
    scopes: frozenset[Scope]

    def check(self, scope: Scope) -> None:
        """
        Raises:
            NotAllowed: it may not.
        """
        if self.scopes.isdisjoint(_ALLOWED_BY[scope]):
            has = ", ".join(sorted(self.scopes))
            raise NotAllowed(f"this needs a key with scope {scope}; this one has {has}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as lists show it: without its secret."""

    id: str
    tenant: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A key that is about to be; `text` is shown once, and never stored."""

    id: str
    text: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A well-formed key that somebody sent."""

    id: str
    digest: bytes

    def fits(self, digest: bytes) -> bool:
        """Whether it is the one of this digest; takes as long wherever they differ."""
        return hmac.compare_digest(self.digest, digest)


def new_secret() -> NewSecret:
    id, secret = secrets.token_hex(8), secrets.token_hex(32)
    return NewSecret(id, f"gmk_{id}_{secret}_{_checksum(id, secret)}", _digest(secret))


def read_key(text: str) -> GivenKey:
    """
    Raises:
        InvalidKey: it is no key, or not a whole one.
    """
    match = _KEY.fullmatch(text)
    if match is None or _checksum(match[1], match[2]) != match[3]:
        raise InvalidKey("what was sent is no API key of graphmill, or not a whole one")
    return GivenKey(match[1], _digest(match[2]))


def check_key_name(name: str) -> str:
    """
    Raises:
        InvalidRequest: it is empty, longer than 100 characters, or has control characters.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"name of the key is {name!r}; expected are 1 to 100 characters that say who has it"
        )
    return name


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _checksum(id: str, secret: str) -> str:
    return f"{zlib.crc32(f'{id}_{secret}'.encode()):08x}"
