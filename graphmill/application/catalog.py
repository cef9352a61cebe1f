"""What collections and documents are kept in: PostgreSQL, or a server that is asked over HTTP."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from graphmill.models import CollectionKey, DocumentState, DocumentSummary
from graphmill.run_status import ModelUse
from graphmill.stores.postgres.catalog import CollectionSummary, KnownVersion, UploadCounts
from graphmill.uploads import Upload


class Catalog(Protocol):
    """As graphmill.stores.postgres.catalog.PostgresCatalog says of each."""

    async def create_collection(self, key: CollectionKey) -> bool: ...

    async def list_collections(
        self, tenant: str, after: str | None = None, limit: int = 1000
    ) -> tuple[CollectionSummary, ...]: ...

    async def show_collection(self, key: CollectionKey) -> CollectionSummary: ...

    async def delete_collection(self, key: CollectionKey) -> None: ...

    async def known_versions(
        self, key: CollectionKey, names: Sequence[str]
    ) -> dict[str, KnownVersion]: ...

    async def all_names(self, key: CollectionKey) -> tuple[str, ...]: ...

    async def upload(
        self, key: CollectionKey, uploads: Sequence[Upload], *, create: bool = False
    ) -> UploadCounts: ...

    async def retry_failed(self, key: CollectionKey) -> int: ...

    async def list_documents(
        self,
        key: CollectionKey,
        after: str | None = None,
        limit: int = 100,
        state: DocumentState | None = None,
    ) -> tuple[DocumentSummary, ...]: ...

    async def show_document(self, key: CollectionKey, id: UUID) -> DocumentSummary: ...

    async def model_use(self, key: CollectionKey, id: UUID) -> ModelUse: ...
