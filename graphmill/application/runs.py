"""Index runs: start or join one, watch it, hold it, end it."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import UUID

from temporalio.client import Client

from graphmill.application.documents import Documents
from graphmill.application.outages import tells_outages
from graphmill.application.run_workflows import RunEnded, RunHandle, RunWorkflows
from graphmill.errors import InvalidRequest, NotFound, PermanentError, Unavailable
from graphmill.index_request import (
    PAUSE,
    RESUME,
    IndexRequest,
    check_budget,
    index_workflow_id,
)
from graphmill.kept import KeptEach
from graphmill.models import CollectionKey, Phase, RunState
from graphmill.names import check_collection_name
from graphmill.priority_settings import PrioritySettings
from graphmill.run_status import DocumentTotals, RunStatus
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.status import PostgresRunStatus
from graphmill.telemetry.spans import untraced

_POLL_SECONDS = 0.25
# Counting many documents takes a while: never spend more than a tenth of the time on it.
_POLL_SHARE = 10
# Where it is the servers that have too much to do, the end is told within so long all the same.
_LONGEST_POLL_SECONDS = 10.0
# How often a run under way is compared with what Temporal says of it.
_CHECK_SECONDS = 5.0
# However many ask how a run stands, Temporal is asked no more often than so.
_SURE_SECONDS = 1.0
# How long an outage may last while somebody waits for a run; servers restart in less.
_OUTAGE_SECONDS = 60.0


class RunUnderWay(PermanentError):
    """What was asked for needs a run of its own, and one is under way."""


@dataclass(frozen=True, slots=True)
class Retry:
    """`documents` failed or partial ones were put back in line, `texts` have no vector, and
    `answers` (reports and summaries) no model gave; `run` works on them. A run that was under way
    before asks for nothing that it has asked for."""

    documents: int
    texts: int
    answers: int
    run: RunHandle


class Runs:
    """`client` is None where only PostgreSQL is needed; what needs Temporal then says so."""

    def __init__(
        self,
        client: Client | None,
        catalog: PostgresCatalog,
        documents: Documents,
        status: PostgresRunStatus,
        priorities: PrioritySettings | None = None,
    ) -> None:
        self._priorities = priorities or PrioritySettings()
        self._workflows = RunWorkflows(client, self._priorities.weights)
        self._catalog = catalog
        self._documents = documents
        self._status = status
        # Why runs have ended without a word, if they have.
        self._ends = KeptEach(self._end_without_word, _SURE_SECONDS)

    @tells_outages
    async def start(self, request: IndexRequest, *, claim: UUID | None = None) -> RunHandle:
        """Start a collection's run, or join the one under way, which looks for documents again.

        `claim`: of a request that may come again, as where whoever did it first died before it was
        answered. Where the collection's latest run was started with it, that run is what the
        request asked for, whether it goes on or has ended.

        Raises:
            InvalidRequest: it asks for a better priority than anybody may have.
            NotFound: there is no such collection.
            RunUnderWay: a run is under way that was not asked for the same: force_rebuild,
                recluster, another method, a budget or batches.
            Unavailable: Temporal or PostgreSQL does not answer.
        """
        self._priorities.check(request.priority)
        return await self._start(request, request, claim)

    async def _find_claimed(self, key: CollectionKey, claim: UUID | None) -> RunHandle | None:
        return None if claim is None else await self._workflows.find_claimed(key, claim)

    async def _start(
        self, request: IndexRequest, asked: IndexRequest, claim: UUID | None = None
    ) -> RunHandle:
        """`asked`: what of it somebody asked for. A run under way has to do that, and no more: it
        may have begun after the rest was taken from the run before."""
        await self._catalog.show_collection(request.key)
        done = await self._find_claimed(request.key, claim)
        if done is not None:
            return done
        await self._refuse_to_join(asked, claim)
        return await self._workflows.start(request, claim)

    async def _refuse_to_join(self, request: IndexRequest, claim: UUID | None) -> None:
        """Where the run under way would do something else than was asked for, or cost more."""
        found = await self._workflows.find_open(request.key)
        if found is None:
            return
        run_id = UUID(found.run_id)
        under_way = await self._status.run_method(run_id)
        if request.force_rebuild:
            words = "would not read everything again"
        elif request.recluster:
            words = "would not find communities afresh"
        elif request.method is not None and under_way not in (None, request.method):
            words = f"reads by method {under_way}, not {request.method}"
        elif request.budget_usd is not None:
            words = "would not keep to this budget"
        elif request.batch and await self._status.run_batch(run_id) is False:
            words = "does not ask in batches"
        else:
            return
        if await self._find_claimed(request.key, claim):
            return  # it was started for the same request, which came twice at once
        raise RunUnderWay(
            f"a run of {request.collection!r} is under way and {words}; wait for it, or end it with"
            f" `graphmill cancel {request.collection}`"
        )

    @tells_outages
    async def start_as_before(self, key: CollectionKey, *, priority: int = 3) -> RunHandle:
        """Start a run by the method of the last one and with what that left of its budget, or join
        the one under way: where people did not ask for documents to be read, none is read anew
        because a model came or went, and those that wait for a budget go on waiting.

        Raises:
            NotFound: there is no such collection.
        """
        return await self._start_unread(IndexRequest(key.name, key.tenant, priority=priority))

    @tells_outages
    async def find_communities_afresh(self, key: CollectionKey) -> RunHandle:
        """Start a run that makes the graph anew, with communities that depend on it alone and not
        on those that the published graph has. Its budget is what the last run left of its own.

        Raises:
            NotFound: there is no such collection.
            RunUnderWay: a run is under way, which would go on from those.
        """
        return await self._start_unread(IndexRequest(key.name, key.tenant, recluster=True))

    async def _start_unread(self, asked: IndexRequest) -> RunHandle:
        """Nobody asked for documents to be read: those that wait are paid for as before at most."""
        left = await self._status.last_budget_left(asked.key)
        return await self._start(replace(await self._as_before(asked), budget_usd=left), asked)

    async def _as_before(self, asked: IndexRequest) -> IndexRequest:
        return replace(asked, method=await self._status.last_method(asked.key))

    @tells_outages
    async def find(self, tenant: str, run_or_collection: str) -> RunHandle:
        """A run by its id or, the latest one, by its collection's name.

        Raises:
            NotFound: neither is known to this tenant.
        """
        # An id that PostgreSQL knows is no question to Temporal, which has runs to see to.
        known = await self._find_known(tenant, run_or_collection)
        if known is not None:
            return known
        under_way = await self._find_under_way(tenant, run_or_collection)
        if under_way is not None:
            return under_way
        try:
            run_id = await self._status.find_run(tenant, run_or_collection)
        except NotFound:
            if not self._workflows.reachable:
                raise
            handle = await self._workflows.find_starting(tenant, run_or_collection)
            if handle is None:
                raise
            return handle
        key = await self._status.run_key(run_id)
        return RunHandle(str(run_id), index_workflow_id(key), key.name, key.tenant, joined=False)

    @tells_outages
    async def status(self, run: RunHandle, *, with_failures: bool = True) -> RunStatus:
        """How a run stands; a run that ended in Temporal without a word is written down as failed.

        Raises:
            NotFound: the run's collection was deleted.
        """
        status = await self._read(run, with_failures=with_failures)
        try:
            return await self._settle(run, status, with_failures=with_failures)
        except Unavailable:
            return status  # what PostgreSQL knows is better than nothing

    @tells_outages
    async def _settle(self, run: RunHandle, status: RunStatus, *, with_failures: bool) -> RunStatus:
        """Failed where PostgreSQL says that it goes on, and Temporal that it has ended."""
        if status.ended or not self._workflows.reachable:
            return status
        reason = await self._ends.get(replace(run, joined=False))
        if reason is None:
            return status
        await self._status.fail_run(UUID(run.run_id), reason)
        status = await self._read(run, with_failures=with_failures)
        # A run that ended before any worker opened it has no row to write in.
        return status if status.ended else replace(status, state=RunState.FAILED, reason=reason)

    async def wait(self, run: RunHandle) -> AsyncIterator[RunStatus]:
        """How a run stands, about four times a second, until it has ended; the last with failures.

        Raises:
            NotFound: the run's collection was deleted.
            Unavailable: a server stayed away for a minute.
        """
        checked = answered = time.monotonic()
        while True:
            began = time.monotonic()
            try:
                with untraced():  # a look four times a second is no part of what is asked
                    status = await self._read_told(run)
                    if began - checked >= _CHECK_SECONDS:
                        status = await self._settle(run, status, with_failures=False)
                        checked = began
                answered = began
            except Unavailable:
                if began - answered > _OUTAGE_SECONDS:
                    raise
                await asyncio.sleep(1)
                continue
            if status.ended and not await self._is_still_open(run):
                yield await self.status(run)
                return
            if not status.ended:
                yield status
            spent = time.monotonic() - began
            pause = min(_POLL_SHARE * spent, _LONGEST_POLL_SECONDS)
            await asyncio.sleep(max(_POLL_SECONDS, pause))

    @tells_outages
    async def pause(self, run: RunHandle) -> None:
        """Start no more documents until `resume`; those that are being read come to their end.

        Raises:
            RunEnded: it has ended.
        """
        await self._refuse_ended(run)
        await self._workflows.signal(run, PAUSE)

    @tells_outages
    async def resume(self, run: RunHandle) -> None:
        """
        Raises:
            RunEnded: it has ended.
        """
        await self._refuse_ended(run)
        await self._workflows.signal(run, RESUME)

    @tells_outages
    async def cancel(self, run: RunHandle) -> None:
        """Ask a run to end. What it has read stays; the graph of before stays the one queried.

        Raises:
            RunEnded: it has ended.
        """
        await self._refuse_ended(run)
        await self._workflows.cancel(run)

    @tells_outages
    async def retry(
        self,
        run: RunHandle,
        *,
        priority: int = 3,
        budget_usd: float | None = None,
        claim: UUID | None = None,
    ) -> Retry:
        """Put the collection's failed and partial documents back in line, and start its run, by the
        method of the last one, or join it. Any run asks for vectors, reports and summaries that are
        missing when it opens. `claim`: as of `start`; of a run that it finds, nothing is counted.

        Raises:
            InvalidRequest: the budget is none.
            NotFound: the collection was deleted.
            RunUnderWay: there is a budget, and a run that would not keep to it; nothing is put back
                in line.
        """
        key = CollectionKey(run.tenant, run.collection)
        asked = IndexRequest(
            key.name, key.tenant, priority=priority, budget_usd=check_budget(budget_usd)
        )
        done = await self._find_claimed(key, claim)
        if done is not None:
            return Retry(0, 0, 0, done)
        await self._refuse_to_join(asked, claim)
        documents = await self._documents.retry_failed(key)
        embeddings = await self._status.embedding_gaps(key)
        model_gaps = await self._status.model_gaps(key)
        run = await self._start(await self._as_before(asked), asked, claim)
        if run.joined:
            return Retry(documents, 0, 0, run)
        return Retry(documents, embeddings.missing, model_gaps.missing, run)

    async def cancel_collection(self, key: CollectionKey) -> None:
        """End a collection's run if there is one, and wait (a minute at most) until it has ended.

        Raises:
            Unavailable: it did not end in time.
        """
        for _ in range(240):
            run = await self._find_open(key)
            if run is None:
                return
            try:
                await self.cancel(run)
            except RunEnded:
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise Unavailable(
            f"the run of {key.name!r} does not end; is a worker running? `graphmill doctor` looks"
        )

    async def _read(self, run: RunHandle, *, with_failures: bool) -> RunStatus:
        try:
            return await self._status.status(UUID(run.run_id), with_failures)
        except NotFound:
            # Until a worker has opened the run there is no row of it.
            summary = await self._catalog.show_collection(CollectionKey(run.tenant, run.collection))
        documents = summary.documents
        return RunStatus(
            run_id=run.run_id,
            workflow_id=run.workflow_id,
            tenant=run.tenant,
            collection=run.collection,
            state=RunState.RUNNING,
            phase=Phase.STARTING,
            reason="",
            documents=DocumentTotals(
                documents["total"],
                documents["done"],
                documents["failed"],
                documents["skipped"],
                documents["partial"],
            ),
            failures=(),
            text_units=summary.text_units,
            entities=summary.entities,
            relationships=summary.relationships,
            communities=summary.communities,
            reports=0,
            processed=0,
            seconds=0.0,
            embeddings=summary.embeddings,
            model_gaps=summary.model_gaps,
        )

    @tells_outages
    async def _read_told(self, run: RunHandle) -> RunStatus:
        return await self._read(run, with_failures=False)

    async def _refuse_ended(self, run: RunHandle) -> None:
        status = await self._read(run, with_failures=False)
        if status.ended:
            raise RunEnded(f"run {run.run_id} of {run.collection!r} has ended ({status.state})")

    @tells_outages
    async def _find_open(self, key: CollectionKey) -> RunHandle | None:
        return await self._workflows.find_open(key)

    @tells_outages
    async def _is_open(self, run: RunHandle) -> bool:
        return await self._workflows.is_open(run)

    async def _is_still_open(self, run: RunHandle) -> bool:
        """A run has written its end; documents that arrived just then make it go on after all."""
        try:
            return await self._is_open(run)
        except Unavailable:
            return False

    async def _find_known(self, tenant: str, run_id: str) -> RunHandle | None:
        try:
            id = UUID(run_id)
        except ValueError:
            return None
        key = await self._status.find_run_key(tenant, id)
        if key is None:
            return None
        return RunHandle(str(id), index_workflow_id(key), key.name, key.tenant, joined=False)

    async def _find_under_way(self, tenant: str, collection: str) -> RunHandle | None:
        if not self._workflows.reachable:
            return None
        try:
            run = await self._find_open(CollectionKey(tenant, check_collection_name(collection)))
        except (InvalidRequest, Unavailable):
            return None  # no such name; or no Temporal, and what PostgreSQL knows must do
        return None if run is None else replace(run, joined=False)

    @tells_outages
    async def _end_without_word(self, run: RunHandle) -> str | None:
        return await self._workflows.end_without_word(run)
