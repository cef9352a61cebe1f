"""The published graph of a collection, page by page."""

from uuid import UUID

from graphmill.application.outages import tells_outages
from graphmill.graph_pages import CommunityRow, EntityRow, GraphPage, NeighbourRow
from graphmill.models import CollectionKey, CommunityReport
from graphmill.stores.postgres.graph_pages import PostgresGraphPages


class Graphs:
    """Pages raise NotFound where there is no such collection, InvalidRequest where `after` is not
    the `next` of one."""

    def __init__(self, pages: PostgresGraphPages) -> None:
        self._pages = pages

    @tells_outages
    async def entities(
        self,
        key: CollectionKey,
        after: str | None = None,
        limit: int = 100,
        type: str | None = None,
        community: int | None = None,
    ) -> GraphPage[EntityRow]:
        """In the order of their titles; those of a type, of a community."""
        return await self._pages.entities(key, after, limit, type, community)

    @tells_outages
    async def neighbours(
        self, key: CollectionKey, id: UUID, after: str | None = None, limit: int = 100
    ) -> GraphPage[NeighbourRow]:
        """An entity's relationships, the heaviest first, each with the entity at its other end.

        Raises:
            NotFound: the graph has no such entity.
        """
        return await self._pages.neighbours(key, id, after, limit)

    @tells_outages
    async def communities(
        self,
        key: CollectionKey,
        after: str | None = None,
        limit: int = 100,
        level: int | None = None,
    ) -> GraphPage[CommunityRow]:
        """In the order of their numbers; those of a level."""
        return await self._pages.communities(key, after, limit, level)

    @tells_outages
    async def reports(
        self,
        key: CollectionKey,
        after: str | None = None,
        limit: int = 100,
        level: int | None = None,
    ) -> GraphPage[CommunityReport]:
        """In the order of their communities' numbers; those of a level."""
        return await self._pages.reports(key, after, limit, level)
