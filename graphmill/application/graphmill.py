"""Everything that can be asked, in one place."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from graphmill.application.documents import Collections, Documents
from graphmill.application.exports import Exports
from graphmill.application.health import Health
from graphmill.application.prompts import Prompts
from graphmill.application.runs import RunHandle, Runs
from graphmill.application.search import Search
from graphmill.errors import Unavailable
from graphmill.models import CollectionKey


@dataclass(frozen=True, slots=True)
class Graphmill:
    """What the CLI's commands and the API's routes call."""

    collections: Collections
    documents: Documents
    prompts: Prompts
    runs: Runs
    search: Search
    exports: Exports
    health: Health

    async def delete_documents(self, key: CollectionKey, ids: Sequence[UUID]) -> RunHandle:
        """Forget documents, and start or join the run that takes them out of the graph.

        Raises:
            NotFound: one of them does not exist; then none is deleted.
            Unavailable: says so where the documents are gone and only the run could not start.
        """
        await self.documents.delete(key, ids)
        try:
            return await self.runs.start_as_before(key)
        except Unavailable as error:
            raise Unavailable(
                f"the documents are deleted, but the graph holds them until the next run: {error}"
            ) from error

    async def delete_collection(self, key: CollectionKey) -> None:
        """End the collection's run, then delete it with its documents and graph.

        Raises:
            NotFound: there is no such collection.
            Unavailable: its run does not end.
        """
        await self.collections.show(key)
        await self.runs.cancel_collection(key)
        await self.collections.delete(key)
