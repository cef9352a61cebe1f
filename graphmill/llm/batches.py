"""Batches: questions that an endpoint's Batch API answers within a day, at half the price."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from graphmill.batch_messages import BatchRun
from graphmill.llm.calls import Question
from graphmill.llm.manners import Manners
from graphmill.models import CollectionKey

PRICE_SHARE = 0.5
"""Of the price of a direct call."""


class Missing(StrEnum):
    """What an endpoint does not find of a batch that it has made; `FILES`: of answers."""

    NOTHING = ""
    BATCH = "batch"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it is remembered. `digest` stands in its metadata at the endpoint; `input_file`
    and `remote_id` are the endpoint's ids, "" while it has told none; `missing` is what it did not
    find when it was asked last."""

    digest: str
    key: CollectionKey
    run_id: UUID
    endpoint: str
    model: str
    lines: int
    formed_at: datetime
    input_file: str = ""
    remote_id: str = ""
    manners: Manners = field(default_factory=Manners)
    missing: Missing = Missing.NOTHING

    @property
    def may_be_paid(self) -> bool:
        """The endpoint may have been asked to make it."""
        return bool(self.input_file or self.remote_id)


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as its endpoint tells of it. `status` as in OpenAI's API; `error` is the code of what
    is wrong with a failed one; `answered` of `lines` have an answer or an error."""

    id: str
    status: str
    lines: int = 0
    answered: int = 0
    files: Sequence[str] = ()
    error: str = ""

    @property
    def has_ended(self) -> bool:
        return self.status in ("failed", "completed", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class BatchedAnswer:
    """What came for a question (its key); `complete` as in ModelAnswer."""

    key: bytes
    text: str
    complete: bool
    prompt_tokens: int
    completion_tokens: int
    nano_usd: int


@dataclass(frozen=True, slots=True)
class WaitingQuestion:
    """A question that waits for a batch, by its key. `step` as in Payer; `size`: bytes of its line,
    at most."""

    key: bytes
    step: str
    size: int
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class BatchedQuestion:
    key: bytes
    question: Question


@dataclass(frozen=True, slots=True)
class LineAnswer:
    """What a line says that came for a question (its key). `text` None: no answer. `refused`: nor
    will there ever be one for it as it was asked; `refusal` is what the endpoint says about that.
    """

    key: bytes
    text: str | None = None
    complete: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    refused: bool = False
    refusal: str = ""


class BatchApi(Protocol):
    """The Batch API of one endpoint: graphmill.llm.batch_client.BatchClient, which says more."""

    @property
    def base_url(self) -> str: ...

    def model(self, model: str) -> str: ...

    async def find(self, batch: Batch) -> RemoteBatch | None: ...

    async def upload(
        self, batch: Batch, questions: AsyncIterator[BatchedQuestion], manners: Manners
    ) -> str: ...

    async def create(self, batch: Batch) -> RemoteBatch: ...

    async def show(self, remote_id: str) -> RemoteBatch: ...

    async def cancel(self, remote_id: str) -> None: ...

    def answers(self, file_id: str) -> AsyncGenerator[LineAnswer]: ...

    async def delete_file(self, file_id: str) -> None: ...


class BatchStore(Protocol):
    """Questions that wait for batches, and batches that wait for answers."""

    def alone(self, key: CollectionKey) -> AbstractAsyncContextManager[None]:
        """Nobody else sends batches of the collection for as long as the block takes; Unavailable
        where somebody does."""
        ...

    async def next_model(self, run_id: UUID) -> str | None:
        """Of the questions that wait: a batch is of one model."""
        ...

    async def form(
        self,
        run: BatchRun,
        model: str,
        endpoint: str,
        choose: Callable[[Sequence[WaitingQuestion]], tuple[int, int]],
        most_lines: int,
    ) -> Batch | None:
        """Make a batch of the questions to a model that wait, and that nobody else asks in one.
        `choose`: of these, ascending by key, the first so many, and what they are taken to cost.
        None where it takes none."""
        ...

    async def follow(self, run: BatchRun) -> int:
        """Have questions that wait, and that an open batch of another run of the tenant asks, wait
        for that one's answers. Forgets those that were answered since they were put down, by
        whomever, and returns how many."""
        ...

    async def unfollow(self, run: BatchRun) -> None:
        """Have questions that wait for batches of other collections wait for one of their own."""
        ...

    async def keep_to_its_run(self, batch: Batch) -> None:
        """Have questions of other runs that wait for this batch wait for one of their own, and let
        none follow it any more: no answer comes."""
        ...

    async def followed(self, run: BatchRun) -> list[Batch]:
        """Open batches of other collections that hold questions of a run."""
        ...

    async def open_batches(self, run: BatchRun) -> list[Batch]:
        """Of a run and those of its collection before it, batches whose answers are not collected;
        the oldest first."""
        ...

    async def load(self, batch: Batch) -> Batch | None:
        """As it is now; None where it is closed."""
        ...

    async def reserved(self, run_id: UUID) -> int:
        """What the open batches of a run are taken to cost, in 1e-9 dollars."""
        ...

    def questions(self, batch: Batch) -> AsyncIterator[BatchedQuestion]:
        """Of a batch, ascending by key; few of them in memory."""
        ...

    async def save_file(self, batch: Batch, input_file: str, manners: Manners) -> None:
        """Where the questions are at the endpoint ("" for nowhere), and how they are asked."""
        ...

    async def save_remote(self, batch: Batch, remote_id: str) -> None: ...

    async def save_missing(self, batch: Batch, what: Missing) -> timedelta:
        """The endpoint does not find it. Returns for how long that has been so now, each time that
        it was asked."""
        ...

    async def save_found(self, batch: Batch) -> None:
        """The endpoint finds what was missing."""
        ...

    async def save_answers(self, batch: Batch, answers: Sequence[BatchedAnswer]) -> int:
        """Keep what came, on the accounts of who asked; each once, however often it comes. Returns
        how many are new. No two of `answers` are of one question."""
        ...

    async def leave(self, batch: Batch, keys: Sequence[bytes]) -> None:
        """Leave these questions of a batch to direct calls: another batch would refuse them too."""
        ...

    async def close(self, batch: Batch, *, counted: bool) -> None:
        """Nothing more comes: what has no answer waits again. `counted`: this was a try."""
        ...

    async def forget_others(self, run: BatchRun) -> None:
        """Of other runs of the collection: questions that are in no batch."""
        ...
