"""Collections and documents: what goes in, what is there, what is forgotten."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from uuid import UUID

from graphmill.application.catalog import Catalog
from graphmill.application.folder import FoundFile, LeftOut, cannot_be_read, printable
from graphmill.application.outages import tells_outages
from graphmill.models import CollectionKey, DocumentState, DocumentSummary
from graphmill.names import check_collection_name, check_document_name, check_tenant_name
from graphmill.run_status import ModelUse
from graphmill.stores.postgres.catalog import (
    CollectionSummary,
    KnownVersion,
    UploadCounts,
)
from graphmill.uploads import UnreadableUpload, Upload, describe_file

# What goes up in one transaction: all of it is there, or none.
BATCH_DOCUMENTS = 1000
BATCH_BYTES = 64_000_000

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """`uploads` are what differs from what is stored; `redated` of them have the same bytes.

    `left_out` are files that are gone meanwhile or cannot be read.
    """

    uploads: tuple[Upload, ...]
    new: int
    changed: int
    redated: int
    unchanged: int
    left_out: tuple[LeftOut, ...] = ()


def collection_key(tenant: str, name: str) -> CollectionKey:
    """
    Raises:
        InvalidRequest: one of the names is not well formed.
    """
    return CollectionKey(check_tenant_name(tenant), check_collection_name(name))


def document_to_json(document: DocumentSummary) -> dict[str, Any]:
    """A document as `documents list` and the API show it; dates are ISO 8601 in UTC."""
    return {
        "id": str(document.id),
        "name": document.name,
        "version": document.version,
        "size": document.size,
        "creation_date": document.creation_date.astimezone(UTC).isoformat(),
        "state": str(document.state),
        "reason": document.reason,
        "format": document.format,
        "title": document.title,
        "pages": document.pages,
        "text_units": document.text_units,
    }


def paid_to_json(use: ModelUse) -> dict[str, Any]:
    """What a document cost, as `documents show` and the API show it."""
    return {name: value for name, value in use.to_json().items() if name != "cached"}


def collection_to_json(collection: CollectionSummary) -> dict[str, Any]:
    """A collection as `collections list` and the API show it."""
    return {
        "name": collection.name,
        "created_at": collection.created_at.astimezone(UTC).isoformat(),
        "documents": dict(collection.documents),
        "text_units": collection.text_units,
        "entities": collection.entities,
        "relationships": collection.relationships,
        "communities": collection.communities,
        "embeddings": collection.embeddings.to_json(),
        "model_gaps": collection.model_gaps.to_json(),
    }


class Collections:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @tells_outages
    async def create(self, key: CollectionKey) -> bool:
        """True if it is new; one that is there already stays as it is."""
        return await self._catalog.create_collection(key)

    @tells_outages
    async def list(
        self, tenant: str, after: str | None = None, limit: int = _PAGE
    ) -> tuple[CollectionSummary, ...]:
        return await self._catalog.list_collections(check_tenant_name(tenant), after, limit)

    async def list_all(self, tenant: str) -> AsyncIterator[CollectionSummary]:
        """Every collection of a tenant, page after page."""
        page = await self.list(tenant)
        while page:
            for collection in page:
                yield collection
            page = await self.list(tenant, page[-1].name)

    @tells_outages
    async def show(self, key: CollectionKey) -> CollectionSummary:
        """
        Raises:
            NotFound: there is no such collection.
        """
        return await self._catalog.show_collection(key)

    @tells_outages
    async def delete(self, key: CollectionKey) -> None:
        """Delete a collection with its documents and graph; the caller has ended its run before.

        Raises:
            NotFound: there is no such collection.
        """
        await self._catalog.delete_collection(key)


class Documents:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def plan_upload(
        self,
        key: CollectionKey,
        files: Sequence[FoundFile],
        on_file: Callable[[FoundFile], None] = lambda file: None,
    ) -> UploadPlan:
        """Hash files and compare them with what is stored. `on_file` is called after each."""
        uploads: list[Upload] = []
        left_out: list[LeftOut] = []
        new = changed = redated = unchanged = 0
        for start in range(0, len(files), BATCH_DOCUMENTS):
            batch = files[start : start + BATCH_DOCUMENTS]
            known = await self._known_versions(key, [file.name for file in batch])
            for file in batch:
                try:
                    upload = await asyncio.to_thread(describe_file, file.name, file.path)
                except OSError as error:
                    reason = cannot_be_read(error)
                    left_out.append(LeftOut(printable(file.path), reason, file.name))
                    continue
                finally:
                    on_file(file)
                stored = known.get(upload.name)
                if stored is None:
                    new += 1
                elif stored.version != upload.version:
                    changed += 1
                elif stored.creation_date != upload.creation_date:
                    redated += 1
                else:
                    unchanged += 1
                    continue
                uploads.append(upload)
        return UploadPlan(tuple(uploads), new, changed, redated, unchanged, tuple(left_out))

    async def upload(
        self,
        key: CollectionKey,
        uploads: Iterable[Upload],
        on_batch: Callable[[int], None] = lambda documents: None,
        on_unreadable: Callable[[UnreadableUpload], None] | None = None,
        *,
        create: bool = True,
    ) -> UploadCounts:
        """Store documents in batches; the collection comes to be with its first ones, unless
        `create` is false.

        Batches that are stored stay where a later one fails; done again, it goes on from there.
        With `on_unreadable`, what cannot be read is told to it and the others go on.

        Raises:
            InvalidRequest: a name is not well formed or comes twice in a batch.
            NotFound: there is no such collection (without `create`).
            UnreadableUpload: a file cannot be read or changed meanwhile (without `on_unreadable`).
        """
        if create:
            await self._create_collection(key)
        total = UploadCounts()
        for batch in _batches(uploads):
            counts = await self._upload_readable(key, batch, on_unreadable)
            total = UploadCounts(
                total.new + counts.new,
                total.changed + counts.changed,
                total.unchanged + counts.unchanged,
            )
            on_batch(len(batch))
        return total

    @tells_outages
    async def upload_whole(self, key: CollectionKey, uploads: Sequence[Upload]) -> UploadCounts:
        """Store documents, all of them or none, in one transaction; the collection comes to be with
        its first ones.

        Raises:
            InvalidRequest: a name comes twice.
        """
        return await self._catalog.upload(key, uploads, create=True)

    async def names_beyond(
        self, key: CollectionKey, names: Iterable[str], left_out: Iterable[LeftOut] = ()
    ) -> tuple[str, ...]:
        """The collection's documents that are not among these names, nor among what was left out.

        (A file that cannot be read now is there nevertheless.)
        """
        unread = {file.name for file in left_out if file.name is not None}
        known = set(names) | unread
        folders = tuple(name for name in unread if name == "" or name.endswith("/"))
        return tuple(
            name
            for name in await self._all_names(key)
            if name not in known and not name.startswith(folders)
        )

    @tells_outages
    async def list(
        self,
        key: CollectionKey,
        after: str | None = None,
        limit: int = _PAGE,
        state: DocumentState | None = None,
    ) -> tuple[DocumentSummary, ...]:
        """Documents in the order of their names, beginning after the name given.

        Raises:
            NotFound: there is no such collection.
        """
        return await self._catalog.list_documents(key, after, limit, state)

    async def list_all(
        self, key: CollectionKey, state: DocumentState | None = None
    ) -> AsyncIterator[DocumentSummary]:
        """Every document, page after page.

        Raises:
            NotFound: there is no such collection.
        """
        page = await self.list(key, None, _PAGE, state)
        while page:
            for document in page:
                yield document
            if len(page) < _PAGE:
                return
            page = await self.list(key, page[-1].name, _PAGE, state)

    @tells_outages
    async def show(self, key: CollectionKey, id: UUID) -> DocumentSummary:
        """
        Raises:
            NotFound: there is no such document.
        """
        return await self._catalog.show_document(key, id)

    @tells_outages
    async def model_use(self, key: CollectionKey, id: UUID) -> ModelUse:
        """What models cost for a document, over all runs."""
        return await self._catalog.model_use(key, id)

    @tells_outages
    async def retry_failed(self, key: CollectionKey) -> int:
        """Put every failed or partial document back in line; the caller starts a run. How many they
        are."""
        return await self._catalog.retry_failed(key)

    @tells_outages
    async def _create_collection(self, key: CollectionKey) -> None:
        await self._catalog.create_collection(key)

    @tells_outages
    async def _upload_batch(self, key: CollectionKey, batch: Sequence[Upload]) -> UploadCounts:
        return await self._catalog.upload(key, batch)

    async def _upload_readable(
        self,
        key: CollectionKey,
        batch: Sequence[Upload],
        on_unreadable: Callable[[UnreadableUpload], None] | None,
    ) -> UploadCounts:
        # A batch is one transaction, so it begins anew without each file that spoils it.
        while True:
            try:
                return await self._upload_batch(key, batch)
            except UnreadableUpload as error:
                if on_unreadable is None:
                    raise
                on_unreadable(error)
                batch = [upload for upload in batch if upload.name != error.name]

    @tells_outages
    async def _known_versions(
        self, key: CollectionKey, names: Sequence[str]
    ) -> dict[str, KnownVersion]:
        return await self._catalog.known_versions(key, names)

    @tells_outages
    async def _all_names(self, key: CollectionKey) -> tuple[str, ...]:
        return await self._catalog.all_names(key)


def _batches(uploads: Iterable[Upload]) -> Iterator[Sequence[Upload]]:
    batch: list[Upload] = []
    size = 0
    for upload in uploads:
        check_document_name(upload.name)
        if batch and (len(batch) == BATCH_DOCUMENTS or size + upload.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(upload)
        size += upload.size
    if batch:
        yield batch
