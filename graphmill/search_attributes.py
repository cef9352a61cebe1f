"""The search attributes that graphmill's workflows set, and their registration on a server."""

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from graphmill.errors import Unavailable
from graphmill.models import CollectionKey

TENANT = SearchAttributeKey.for_keyword("GraphmillTenant")
COLLECTION = SearchAttributeKey.for_keyword("GraphmillCollection")
STATE = SearchAttributeKey.for_keyword("GraphmillState")
ALL = (TENANT, COLLECTION, STATE)


def collection_attributes(key: CollectionKey) -> TypedSearchAttributes:
    """What every workflow of a collection carries from its start."""
    return TypedSearchAttributes(
        [SearchAttributePair(TENANT, key.tenant), SearchAttributePair(COLLECTION, key.name)]
    )


async def ensure_search_attributes(client: Client) -> None:
    """Register what is missing in the client's namespace; doing it again changes nothing.

    Raises:
        Unavailable: the server refuses, or has one of another type; names what to do.
    """
    try:
        listed = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        have = listed.custom_attributes
        wrong = [
            key.name
            for key in ALL
            if have.get(key.name, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD)
            != IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        ]
        if wrong:
            raise Unavailable(
                f"search attribute {', '.join(wrong)} exists in namespace {client.namespace} with"
                " another type than Keyword; use a namespace of its own (TEMPORAL_NAMESPACE)"
            )
        missing = [key.name for key in ALL if key.name not in have]
        if missing:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(
                    namespace=client.namespace,
                    search_attributes=dict.fromkeys(
                        missing, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
                    ),
                )
            )
    except RPCError as error:
        # Two processes may add them at the same moment.
        if error.status == RPCStatusCode.ALREADY_EXISTS:
            return
        names = " ".join(f"--name {key.name} --type Keyword" for key in ALL)
        raise Unavailable(
            f"search attributes cannot be registered in namespace {client.namespace}"
            f" ({error.message}); let somebody with the right run: temporal operator"
            f" search-attribute create --namespace {client.namespace} {names}"
        ) from error
