"""A collection's own prompts and extraction settings: shown, set, drafted from its text."""

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import (
    ApplicationError,
    FailureError,
    TimeoutError,
    WorkflowAlreadyStartedError,
)

from graphmill.application.outages import tells_outages
from graphmill.errors import InvalidRequest, NotFound, PermanentError, Unavailable
from graphmill.index_request import check_budget
from graphmill.messages import TASK_QUEUE
from graphmill.models import CollectionKey
from graphmill.prompt_tuning import (
    DEFAULT_SAMPLE,
    TUNE_PROMPTS,
    DraftedPrompts,
    TuneRequest,
    tune_workflow_id,
)
from graphmill.run_status import ModelUse
from graphmill.search_attributes import collection_attributes
from graphmill.standard.collection_prompts import OWN_PROMPTS, CollectionPrompts
from graphmill.stores.postgres.collection_prompts import PostgresPromptStore
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts

MAX_VERSIONS = 100
"""The latest of a collection's prompts, of which `history` tells."""

# As much of a version as people write; as many digits as tell versions apart.
_VERSION = re.compile("[0-9a-f]{4,32}")
_RPC_TIMEOUT = timedelta(seconds=10)
# It is one question. Where no worker or endpoint answers in this time, somebody has to look.
_MOST_TIME = timedelta(hours=1)


class TuningFailed(PermanentError):
    """No draft came of it; the message says why."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Prompts that are stored, and not in force. `text_units`: from so many; `left_out`: types that
    the model named and that cannot be taken; `use`: what it cost."""

    prompts: CollectionPrompts
    text_units: int
    left_out: int
    use: ModelUse


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """A draft, or what was put in force at some time. `changed`: against the version stored before
    it, as CollectionPrompts.changed_from; None where this release wants other placeholders than the
    one that stored either."""

    version: str
    stored_at: datetime
    changed: tuple[str, ...] | None
    in_force: bool


def prompts_to_json(prompts: CollectionPrompts) -> dict[str, Any]:
    """As `prompts show` and later the API show them. `version` "": nothing is the collection's own;
    `extraction` null: the workers' settings hold."""
    own = dict(prompts.texts)
    told = {name: prompts.prompt(name) for name in OWN_PROMPTS}
    extraction = prompts.extraction
    return {
        "version": prompts.version,
        "prompts": [
            {"name": name, "version": of.version, "own": name in own, "text": of.text}
            for name, of in told.items()
        ],
        "extraction": None if extraction is None else extraction.model_dump(mode="json"),
    }


class Prompts:
    """`client` is None where only PostgreSQL is needed; `tune` then says so."""

    def __init__(
        self, client: Client | None, store: PostgresPromptStore, accounts: PostgresModelAccounts
    ) -> None:
        self._client = client
        self._store = store
        self._accounts = accounts

    @tells_outages
    async def show(self, key: CollectionKey) -> CollectionPrompts:
        """What is in force.

        Raises:
            NotFound: there is no such collection.
        """
        return await self._store.load_prompts(key)

    @tells_outages
    async def set(self, key: CollectionKey, prompts: CollectionPrompts) -> tuple[str, ...]:
        """Put prompts in force from the next run on, in place of all that the collection had of its
        own; what changes by that, as CollectionPrompts.changed_from.

        Raises:
            NotFound: there is no such collection.
        """
        before = await self._store.load_prompts(key)
        if prompts.version:
            await self._store.save_prompts(key, prompts)
        await self._store.use_prompts(key, prompts.version)
        return prompts.changed_from(before)

    @tells_outages
    async def history(self, key: CollectionKey) -> tuple[PromptVersion, ...]:
        """What was stored for a collection, the latest first, MAX_VERSIONS at most.

        Raises:
            NotFound: there is no such collection.
        """
        used, stored = await self._store.versions(key, MAX_VERSIONS + 1)
        before = [one.prompts for one in stored[1:]]
        if len(stored) <= MAX_VERSIONS:
            before.append(CollectionPrompts())  # the first was set over what is shipped
        return tuple(
            PromptVersion(
                one.version,
                one.stored_at,
                None if one.prompts is None or old is None else one.prompts.changed_from(old),
                one.version == used,
            )
            for one, old in zip(stored, before, strict=False)
        )

    @tells_outages
    async def load(self, key: CollectionKey, version: str) -> CollectionPrompts:
        """What is stored under a version, or under the only one that begins so.

        Raises:
            InvalidRequest: it is none, several begin so, or this release wants other placeholders
                than the one that stored it.
            NotFound: there is none such.
        """
        if not _VERSION.fullmatch(version):
            raise InvalidRequest(
                f"version is {version[:40]!r}; expected are 4 to 32 digits and letters a to f, the"
                f" beginning of one in: graphmill prompts history --collection {key.name}"
            )
        return await self._store.load_version(key, await self._store.find_version(key, version))

    @tells_outages
    async def use(
        self, key: CollectionKey, version: str
    ) -> tuple[CollectionPrompts, tuple[str, ...]]:
        """Put a stored version in force from the next run on: what it is, and what changes by that,
        as `set`. Raises as `load` does."""
        prompts = await self.load(key, version)
        return prompts, await self.set(key, prompts)

    @tells_outages
    async def reset(self, key: CollectionKey) -> None:
        """Nothing is the collection's own from the next run on.

        Raises:
            NotFound: there is no such collection.
        """
        await self._store.use_prompts(key, "")

    @tells_outages
    async def tune(
        self, key: CollectionKey, sample: int = DEFAULT_SAMPLE, budget_usd: float | None = None
    ) -> Draft:
        """Have the extraction model draft prompts from so many text units; they are not in force.

        Cancelled, it ends the workflow; what was paid for is kept.

        Raises:
            InvalidRequest: the sample is none; nothing has been read yet; no model is set.
            NotFound: there is no such collection.
            TuningFailed: no draft came of it.
            Unavailable: Temporal or PostgreSQL does not answer.
        """
        request = TuneRequest(key, sample, check_budget(budget_usd))
        await self._store.load_prompts(key)  # there is such a collection
        handle = await self._start(request)
        try:
            drafted = await handle.result()
        except WorkflowFailureError as error:
            _raise(error.cause)
        except asyncio.CancelledError:
            await asyncio.shield(handle.cancel(rpc_timeout=_RPC_TIMEOUT))
            raise
        prompts = await self._store.load_version(key, drafted.version)
        run_id = handle.first_execution_run_id
        assert run_id is not None  # of a workflow that we started
        use = await self._accounts.run_use(UUID(run_id))
        return Draft(prompts, drafted.text_units, drafted.left_out, use.total)

    async def _start(self, request: TuneRequest) -> WorkflowHandle[Any, DraftedPrompts]:
        if self._client is None:
            raise Unavailable("this needs Temporal, which does not run; start it: graphmill up")
        key = request.key
        workflow_id = tune_workflow_id(key)
        try:
            return await self._client.start_workflow(
                TUNE_PROMPTS,
                request.to_json(),
                id=workflow_id,
                task_queue=TASK_QUEUE,
                result_type=DraftedPrompts,
                execution_timeout=_MOST_TIME,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                static_summary=f"draft prompts for {key.name} ({key.tenant})",
                search_attributes=collection_attributes(key),
                rpc_timeout=_RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            raise TuningFailed(
                f"prompts of {key.name!r} are being drafted already; wait for that, or end it:"
                f" temporal workflow cancel --workflow-id {workflow_id}"
            ) from None


def _raise(error: BaseException) -> NoReturn:
    """By the words of the innermost cause."""
    if isinstance(error, TimeoutError):
        raise TuningFailed(
            "there is no draft after an hour; do a worker of role llm and its endpoint run?"
            " `graphmill doctor` looks"
        )
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    words = error.message if isinstance(error, FailureError) else str(error)
    kind = error.type if isinstance(error, ApplicationError) else None
    raise {"InvalidRequest": InvalidRequest, "NotFound": NotFound}.get(kind or "", TuningFailed)(
        words
    )
