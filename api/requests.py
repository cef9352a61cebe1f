"""What every route needs to know of a request: the application, the settings, for whom it is and
what he may do.

None of these is a plain function: FastAPI runs those in threads, a dozen hops a request, for each
of which the request waits for its turn anew.

A tenant is to be had with a scope only (`Reader`, `Indexer`, `Admin`, and the collection of one by
its name), so a route that forgets to ask finds nobody's rows.
"""

from collections.abc import AsyncGenerator, Callable
from typing import Annotated, cast

from fastapi import Depends, Header, Path, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from graphmill.api_keys import Caller, InvalidKey, NotAllowed, Scope
from graphmill.application.documents import collection_key
from graphmill.application.graphmill import Graphmill
from graphmill.models import CollectionKey
from graphmill.names import COLLECTION_NAME, TENANT_NAME, check_tenant_name
from graphmill.settings import Settings
from graphmill.telemetry.subjects import about
from graphmill.tenancy import acting_for

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    description="`graphmill keys create NAME` makes one. On loopback none is needed, unless"
    " GRAPHMILL_API_REQUIRE_KEYS is set.",
)


async def _application(request: Request) -> Graphmill:
    return cast(Graphmill, request.app.state.graphmill)


async def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


async def _caller(
    request: Request,
    app: Annotated[Graphmill, Depends(_application)],
    settings: Annotated[Settings, Depends(_settings)],
    sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    x_tenant: Annotated[
        str | None,
        # Patterns are told here and looked at by what says more than that one does not match.
        Header(
            description="Whose collections, where no key is needed; `default`.",
            json_schema_extra={"pattern": f"^{TENANT_NAME}$"},
        ),
    ] = None,
) -> Caller:
    """A key that is sent counts, also where none is needed."""
    if sent is None:
        if request.headers.get("authorization"):
            raise InvalidKey("the API key is sent in another form than ours")
        if settings.api_needs_keys:
            raise InvalidKey("an API key is needed")
        tenant = settings.tenant if x_tenant is None else check_tenant_name(x_tenant)
        return Caller(tenant, frozenset(Scope))
    caller = await app.keys.caller(sent.credentials)
    if x_tenant is not None and check_tenant_name(x_tenant) != caller.tenant:
        raise NotAllowed("this key is of another tenant than X-Tenant says; leave the header out")
    return caller


def _with_scope(scope: Scope) -> Callable[[Caller], AsyncGenerator[str]]:
    # Nor could a plain one set for the others what is set in a thread of its own.
    async def tenant(caller: Annotated[Caller, Depends(_caller)]) -> AsyncGenerator[str]:
        """The request is answered for this tenant."""
        caller.check(scope)
        with acting_for(caller.tenant), about(tenant=caller.tenant):
            yield caller.tenant

    return tenant


_reader, _indexer, _admin = (_with_scope(scope) for scope in (Scope.READ, Scope.INDEX, Scope.ADMIN))


async def check_operator(caller: Annotated[Caller, Depends(_caller)]) -> None:
    """Figures of the deployment are for whoever runs it.

    Raises:
        NotAllowed: the key is a tenant's.
    """
    caller.check(Scope.OPERATOR)


Application = Annotated[Graphmill, Depends(_application)]
ApiSettings = Annotated[Settings, Depends(_settings)]
Cursor = Annotated[
    str | None, Query(description="The `next` of the page before.", pattern="^[^\\x00]*$")
]
CollectionName = Annotated[
    str,
    Path(
        description="The collection's name.",
        json_schema_extra={"pattern": f"^{COLLECTION_NAME}$"},
        examples=["papers"],
    ),
]

Reader = Annotated[str, Depends(_reader)]
Indexer = Annotated[str, Depends(_indexer)]
Admin = Annotated[str, Depends(_admin)]
"""The tenant, for whoever may do so much."""


async def _readable(tenant: Reader, name: CollectionName) -> CollectionKey:
    return collection_key(tenant, name)


async def _indexable(tenant: Indexer, name: CollectionName) -> CollectionKey:
    return collection_key(tenant, name)


async def _deletable(tenant: Admin, name: CollectionName) -> CollectionKey:
    return collection_key(tenant, name)


Readable = Annotated[CollectionKey, Depends(_readable)]
Indexable = Annotated[CollectionKey, Depends(_indexable)]
Deletable = Annotated[CollectionKey, Depends(_deletable)]
"""The collection that the path names, for whoever may do so much with it."""
