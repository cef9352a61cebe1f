"""The application over HTTP, for commands: a laptop drives a fleet as it does what runs on itself.

What a command does is the same; only what it stands on is another. The server says for which tenant
a key is, so keys of collections carry none that counts here.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from graphmill.application.documents import Collections, Documents
from graphmill.application.run_workflows import RunHandle
from graphmill.application.runs import Retry
from graphmill.client.client import Client
from graphmill.errors import InvalidRequest, NotFound
from graphmill.gaps import EmbeddingGaps, Missing, ModelGaps
from graphmill.http_api import schemas
from graphmill.ids import document_id
from graphmill.index_request import IndexRequest
from graphmill.models import (
    Answer,
    Citation,
    CollectionKey,
    DocumentState,
    DocumentSummary,
    ScoredEntity,
)
from graphmill.projections.standing import ProjectionStanding
from graphmill.run_status import (
    DocumentFailure,
    DocumentTotals,
    ModelUse,
    RunModelUse,
    RunStatus,
)
from graphmill.stores.postgres.catalog import CollectionSummary, KnownVersion, UploadCounts
from graphmill.uploads import Upload

_DELETED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class RemoteGraphmill:
    """graphmill.application.basics.Basics."""

    client: Client
    collections: Collections
    documents: Documents
    runs: "RemoteRuns"
    search: "RemoteSearch"

    @classmethod
    def over(cls, client: Client, tenant: str) -> "RemoteGraphmill":
        """`tenant`: for what commands tell."""
        catalog = RemoteCatalog(client)
        return cls(
            client,
            Collections(catalog),
            Documents(catalog),
            RemoteRuns(client, tenant),
            RemoteSearch(client),
        )

    async def delete_documents(self, key: CollectionKey, ids: Sequence[UUID]) -> RunHandle:
        return _handle(await self.client.delete_documents(key.name, ids), key.tenant)

    async def prune(self, key: CollectionKey, names: Sequence[str]) -> None:
        for start in range(0, len(names), _DELETED_AT_ONCE):
            ids = [document_id(name) for name in names[start : start + _DELETED_AT_ONCE]]
            await self.client.forget_documents(key.name, ids)

    async def delete_collection(self, key: CollectionKey) -> None:
        await self.client.delete_collection(key.name)


class RemoteCatalog:
    """graphmill.application.catalog.Catalog."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, dict[str, KnownVersion]] = {}

    async def create_collection(self, key: CollectionKey) -> bool:
        # It comes to be with its first documents, or by another command.
        await self._client.create_collection(key.name)
        return False

    async def list_collections(
        self, tenant: str, after: str | None = None, limit: int = 1000
    ) -> tuple[CollectionSummary, ...]:
        found = await self._client.collection_page(after, limit)
        return tuple(map(_collection, found.collections))

    async def show_collection(self, key: CollectionKey) -> CollectionSummary:
        return _collection(await self._client.collection(key.name))

    async def delete_collection(self, key: CollectionKey) -> None:
        await self._client.delete_collection(key.name)

    async def known_versions(
        self, key: CollectionKey, names: Sequence[str]
    ) -> dict[str, KnownVersion]:
        """All are asked for once: by name they would be as many requests as pages."""
        if key.name not in self._known:
            self._known[key.name] = {
                one.name: KnownVersion(bytes.fromhex(one.version), one.creation_date)
                for one in await self._all(key)
            }
        known = self._known[key.name]
        return {name: known[name] for name in names if name in known}

    async def all_names(self, key: CollectionKey) -> tuple[str, ...]:
        return tuple(one.name for one in await self._all(key))

    async def upload(
        self, key: CollectionKey, uploads: Sequence[Upload], *, create: bool = False
    ) -> UploadCounts:
        self._known.pop(key.name, None)
        stored = await self._client.upload_documents(key.name, uploads)
        return UploadCounts(stored.new, stored.changed, stored.unchanged)

    async def _all(self, key: CollectionKey) -> Sequence[schemas.Document]:
        """None where the collection has not come to be yet."""
        try:
            return [one async for one in self._client.documents(key.name)]
        except NotFound:
            return ()

    async def retry_failed(self, key: CollectionKey) -> int:
        raise InvalidRequest("the server does this with the run that it starts")

    async def list_documents(
        self,
        key: CollectionKey,
        after: str | None = None,
        limit: int = 100,
        state: DocumentState | None = None,
    ) -> tuple[DocumentSummary, ...]:
        page = await self._client.document_page(key.name, after, limit, state)
        return tuple(map(_document, page.documents))

    async def show_document(self, key: CollectionKey, id: UUID) -> DocumentSummary:
        return _document(await self._client.document(key.name, id))

    async def model_use(self, key: CollectionKey, id: UUID) -> ModelUse:
        paid = (await self._client.document(key.name, id)).model
        return ModelUse(paid.calls, 0, paid.prompt_tokens, paid.completion_tokens, _nano(paid.usd))


class RemoteRuns:
    """graphmill.application.basics.RunOrders."""

    def __init__(self, client: Client, tenant: str) -> None:
        self._client = client
        self._tenant = tenant

    async def start(self, request: IndexRequest) -> RunHandle:
        started = await self._client.index(
            request.collection,
            method=request.method,
            force_rebuild=request.force_rebuild,
            priority=request.priority,
            budget_usd=request.budget_usd,
            batch=request.batch,
        )
        return _handle(started, self._tenant)

    async def find(self, tenant: str, run_or_collection: str) -> RunHandle:
        try:
            run = await self._client.run(UUID(run_or_collection))
        except ValueError:
            run = await self._client.latest_run(run_or_collection)
        return RunHandle(
            str(run.run_id), run.workflow_id, run.collection, self._tenant, joined=False
        )

    async def status(self, run: RunHandle, *, with_failures: bool = True) -> RunStatus:
        return _status(await self._client.run(UUID(run.run_id)), self._tenant)

    async def wait(self, run: RunHandle) -> AsyncIterator[RunStatus]:
        async for told in self._client.follow(UUID(run.run_id)):
            yield _status(told, self._tenant)

    async def pause(self, run: RunHandle) -> None:
        await self._client.pause(UUID(run.run_id))

    async def resume(self, run: RunHandle) -> None:
        await self._client.resume(UUID(run.run_id))

    async def cancel(self, run: RunHandle) -> None:
        await self._client.cancel(UUID(run.run_id))

    async def retry(
        self, run: RunHandle, *, priority: int = 3, budget_usd: float | None = None
    ) -> Retry:
        retried = await self._client.retry(UUID(run.run_id), budget_usd=budget_usd)
        return Retry(
            retried.documents, retried.texts, retried.answers, _handle(retried, self._tenant)
        )


class RemoteSearch:
    """graphmill.application.basics.Answers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def query(self, key: CollectionKey, question: str, mode: str) -> Answer:
        told = await self._client.query(key.name, question, mode=mode)
        return Answer(
            told.answer,
            told.mode,
            tuple(Citation(**one.model_dump()) for one in told.citations),
            tuple(ScoredEntity(**one.model_dump()) for one in told.entities),
            told.seconds,
        )


def _handle(run: schemas.RunRef, tenant: str) -> RunHandle:
    return RunHandle(str(run.run_id), run.workflow_id, run.collection, tenant, run.joined)


def _document(told: schemas.Document) -> DocumentSummary:
    return DocumentSummary(**told.model_dump(include=set(schemas.Document.model_fields)))


def _collection(told: schemas.Collection) -> CollectionSummary:
    return CollectionSummary(
        name=told.name,
        created_at=told.created_at,
        documents=cast(dict[str, int], told.documents.model_dump()),
        text_units=told.text_units,
        entities=told.entities,
        relationships=told.relationships,
        communities=told.communities,
        embeddings=_embeddings(told.embeddings),
        model_gaps=_model_gaps(told.model_gaps),
    )


def _embeddings(told: schemas.Embeddings) -> EmbeddingGaps:
    reasons = tuple(Missing(one.vector_index, one.reason, one.texts) for one in told.reasons)
    return EmbeddingGaps(told.missing, told.cut, reasons)


def _model_gaps(told: schemas.ModelGaps) -> ModelGaps:
    reasons = tuple(Missing(one.kind, one.reason, one.count) for one in told.reasons)
    return ModelGaps(told.reports, told.summaries, reasons)


def _use(told: schemas.ModelUse) -> ModelUse:
    return ModelUse(
        told.calls, told.cached, told.prompt_tokens, told.completion_tokens, _nano(told.usd)
    )


def _nano(usd: float) -> int:
    return round(usd * 1e9)


def _status(told: schemas.Run, tenant: str) -> RunStatus:
    documents = told.documents
    return RunStatus(
        run_id=str(told.run_id),
        workflow_id=told.workflow_id,
        tenant=tenant,
        collection=told.collection,
        state=told.state,
        phase=told.phase,
        reason=told.reason,
        documents=DocumentTotals(
            documents.total,
            documents.done,
            documents.failed,
            documents.skipped,
            documents.partial,
        ),
        failures=tuple(DocumentFailure(**one.model_dump()) for one in told.failures),
        text_units=told.text_units,
        entities=told.entities,
        relationships=told.relationships,
        communities=told.communities,
        reports=told.reports,
        processed=told.processed,
        seconds=told.seconds,
        model=RunModelUse(
            _use(told.model),
            {name: _use(one) for name, one in told.model.steps.items()},
            {name: _use(one) for name, one in told.model.models.items()},
        ),
        method=told.method,
        budget_usd=told.budget_usd,
        embeddings=_embeddings(told.embeddings),
        model_gaps=_model_gaps(told.model_gaps),
        projections=tuple(
            ProjectionStanding(one.store, one.behind_seconds, one.tries, one.reason)
            for one in told.projections
        ),
    )
