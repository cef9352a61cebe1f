"""What every route needs to know of a request: the application, the settings, the tenant."""

from collections.abc import AsyncGenerator
from typing import Annotated, cast

from fastapi import Depends, Header, Path, Query, Request

from graphmill.application.documents import collection_key
from graphmill.application.graphmill import Graphmill
from graphmill.models import CollectionKey
from graphmill.names import check_tenant_name
from graphmill.settings import Settings
from graphmill.tenancy import acting_for


def _application(request: Request) -> Graphmill:
    return cast(Graphmill, request.app.state.graphmill)


def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


# Not a plain function: those run in threads, where what they set is set for nobody else.
async def _tenant(
    settings: Annotated[Settings, Depends(_settings)],
    x_tenant: Annotated[str | None, Header(description="Whose collections; `default`.")] = None,
) -> AsyncGenerator[str]:
    """The request is answered for this tenant: a route that asks for none sees nobody's rows."""
    tenant = settings.tenant if x_tenant is None else check_tenant_name(x_tenant)
    with acting_for(tenant):
        yield tenant


def _key(
    tenant: Annotated[str, Depends(_tenant)],
    name: Annotated[str, Path(description="The collection's name.")],
) -> CollectionKey:
    return collection_key(tenant, name)


Application = Annotated[Graphmill, Depends(_application)]
Cursor = Annotated[
    str | None, Query(description="The `next` of the page before.", pattern="^[^\\x00]*$")
]
ApiSettings = Annotated[Settings, Depends(_settings)]
Tenant = Annotated[str, Depends(_tenant)]
Key = Annotated[CollectionKey, Depends(_key)]
