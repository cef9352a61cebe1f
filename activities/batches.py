"""Activities on batches: sent once, looked after, collected; what is paid for is kept."""

from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity

from activities.heartbeats import heartbeating
from graphmill.batch_messages import BatchProgress, BatchRun, CollectBatches
from graphmill.errors import NotFound, Unavailable
from graphmill.llm.batch_endpoints import BatchEndpoint, BatchEndpoints
from graphmill.llm.batch_sending import BatchSender, not_set
from graphmill.llm.batches import (
    Batch,
    BatchedAnswer,
    BatchStore,
    LineAnswer,
    Missing,
    RemoteBatch,
)
from graphmill.llm.faults import CallRefused
from graphmill.llm.manners import Manners, MannersMemory

# Whatever a question's bound on its answer was: a line does not say.
_ANY_BOUND = 2**31
# Answers that are stored in one transaction.
_STORED_TOGETHER = 200
# A batch or a file of answers that the endpoint has not found for so long is gone. It is paid for:
# a gateway that knows nothing for a while, or a list that lags behind, is no reason to pay again.
_GONE_AFTER = timedelta(hours=1)
# So long one that is to be cancelled is looked for: nobody is to wait for it.
_CANCELLED_WITHIN = timedelta(seconds=15)
# A batch failed because others wait at the endpoint: it goes again when those have ended.
_TOO_MUCH_WAITS = "token_limit_exceeded"
# What is known of a batch that is being sent, and of one that its endpoint does not find just now.
_TO_BE_SENT = _NOT_FOUND = RemoteBatch("", "validating")


class BatchActivities:
    """Queue: llm."""

    def __init__(
        self,
        store: BatchStore,
        endpoints: BatchEndpoints,
        memory: MannersMemory,
        sender: BatchSender,
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._memory = memory
        self._sender = sender

    @activity.defn
    async def recover_batches(self, run: BatchRun) -> int:
        """What earlier runs of the collection left: batches that are at an endpoint are taken over,
        all else is forgotten. Returns how many are open."""
        async with heartbeating(), self._store.alone(run.key):
            for batch in await self._store.open_batches(run):
                if batch.run_id != run.run_id and not batch.remote_id:
                    await self._sender.find(batch)
            await self._store.forget_others(run)
            return len(await self._store.open_batches(run))

    @activity.defn
    async def submit_batches(self, run: BatchRun) -> int:
        """Send what waits, as far as the run's budget goes, and what no batch of another collection
        asks already; returns how many batches there are to wait for.

        At least 1 where answers have come since questions were put down: the next round finds them.
        """
        async with heartbeating(), self._store.alone(run.key):
            for batch in await self._store.open_batches(run):
                if not batch.remote_id:
                    await self._sender.send(batch)
            answered = await self._store.follow(run)
            while (batch := await self._sender.form(run)) is not None:
                await self._sender.send(batch)
            own, others = await self._store.open_batches(run), await self._store.followed(run)
            return len(own) + len(others) or min(answered, 1)

    @activity.defn
    async def collect_batches(self, asked: CollectBatches) -> BatchProgress:
        """Store the answers of batches that have ended: the collection's, and those of others that
        hold questions of this run. Done again after a crash, or by both collections at once, what
        is stored already is passed over.

        Raises:
            CallRefused: an endpoint does not take a batch, and never will; or it is not set any
                more, and its batches wait for it.
        """
        progress = BatchProgress()
        async with heartbeating():
            if asked.give_up:
                await self._store.unfollow(asked.run)
            batches = [
                *await self._store.open_batches(asked.run),
                *await self._store.followed(asked.run),
            ]
            lost: Batch | None = None
            for place, listed in enumerate(batches):
                its_own = listed.key == asked.run.key
                if listed.may_be_paid and self._endpoints.get(listed.endpoint) is None:
                    if its_own:
                        lost = lost or listed
                    else:
                        await self._store.keep_to_its_run(listed)
                    continue
                batch = await self._known(listed)
                if batch is None:
                    continue
                remote = await self._look_at(batch)
                if remote is None:
                    activity.logger.warning("a batch is gone: its questions are asked again")
                    await self._store.close(batch, counted=True)
                    continue
                # Why another's failed is told to whoever sent it.
                if remote.status == "failed" and not its_own:
                    await self._store.keep_to_its_run(batch)
                    continue
                if remote.has_ended or (asked.give_up and remote.id):
                    others = progress.open > 0 or place + 1 < len(batches)
                    if await self._collect(batch, remote, others=others):
                        continue
                progress = BatchProgress(
                    progress.open + 1,
                    progress.questions + batch.lines,
                    progress.answered + remote.answered,
                )
            if lost is not None and not progress.open:
                # What others answer is stored: now somebody has to be told.
                raise not_set(lost)
        return progress

    @activity.defn
    async def cancel_batches(self, run: BatchRun) -> None:
        """Cancel what is open of this run and those before it; lines that are answered by then are
        still to be collected. Batches of other collections go on, and so do those of an endpoint
        that is not set any more.

        Raises:
            Unavailable: an endpoint does not find one that it should have.
        """
        async with heartbeating(), self._store.alone(run.key):
            await self._store.unfollow(run)
            batches = await self._store.open_batches(run)
            missing: NotFound | None = None
            # Those last that may have to be looked for: that takes a while.
            for batch in sorted(batches, key=lambda batch: not batch.remote_id):
                endpoint = self._endpoints.get(batch.endpoint)
                if endpoint is None:
                    continue
                known = batch if batch.remote_id else await self._sender.find(batch)
                if known is None:
                    continue
                try:
                    remote = await self._show(endpoint, known)
                except NotFound as error:
                    if await self._store.save_missing(batch, Missing.BATCH) < _CANCELLED_WITHIN:
                        missing = error
                    continue
                if not remote.has_ended:
                    await endpoint.client.cancel(remote.id)
            if missing is not None:
                raise Unavailable(f"{missing}; looking again")

    async def _known(self, batch: Batch) -> Batch | None:
        """With the endpoint's id, unless somebody sends it just now; None where nobody will."""
        if batch.remote_id:
            return batch
        try:
            async with self._store.alone(batch.key):
                # Whoever sent it meanwhile has noted so.
                batch_now = await self._store.load(batch)
                if batch_now is None or batch_now.remote_id:
                    return batch_now
                return await self._sender.find(batch_now)
        except Unavailable:
            return batch

    async def _look_at(self, batch: Batch) -> RemoteBatch | None:
        """None where nobody has it any more. One that is not found just now is open."""
        endpoint = self._endpoints.get(batch.endpoint)
        if endpoint is None or not batch.remote_id:
            return _TO_BE_SENT
        try:
            return await self._show(endpoint, batch)
        except NotFound:
            gone = await self._store.save_missing(batch, Missing.BATCH) >= _GONE_AFTER
            return None if gone else _NOT_FOUND

    async def _show(self, endpoint: BatchEndpoint, batch: Batch) -> RemoteBatch:
        """Raises NotFound where the endpoint does not find it."""
        remote = await endpoint.client.show(batch.remote_id)
        if batch.missing is Missing.BATCH:
            await self._store.save_found(batch)
        return remote

    async def _collect(self, batch: Batch, remote: RemoteBatch, *, others: bool) -> bool:
        """False where a file of answers is still to be found. `others`: batches that are open too.

        Raises:
            CallRefused: the endpoint does not take the batch, and never will.
        """
        endpoint = self._endpoints.get(batch.endpoint)
        assert endpoint is not None  # it was asked just now
        came = _Came()
        for file in remote.files:
            if not await self._collect_file(endpoint, batch, file, came):
                return False
        better = came.better
        if better is not None and came.answered:
            # Its manners are the right ones, so what is refused is those questions' own: a
            # refusal's words may repeat a document. How long an answer may be depends on the
            # question.
            await self._store.leave(batch, sorted(came.ill_mannered))
            better = batch.manners.bounded_as(better)
            better = None if better == batch.manners else better
        if better is not None:
            await self._improve(endpoint, batch, better)
        # What was asked in the wrong form was not asked.
        await self._store.close(batch, counted=better is None and remote.status != "failed")
        if remote.status == "failed" and not (others and remote.error == _TOO_MUCH_WAITS):
            raise _refused(batch, remote)
        for file in (batch.input_file, *remote.files):
            await endpoint.client.delete_file(file)
        return True

    async def _collect_file(
        self, endpoint: BatchEndpoint, batch: Batch, file: str, came: "_Came"
    ) -> bool:
        """False where it is still to be found."""
        answers: dict[bytes, BatchedAnswer] = {}
        refused: set[bytes] = set()
        try:
            async with aclosing(endpoint.client.answers(file)) as read_lines:
                async for read in read_lines:
                    if read.text is None:
                        improved = batch.manners.after(read.refusal, _ANY_BOUND)
                        if improved is not None:
                            came.better = came.better or improved
                            if improved.bounded_as(batch.manners) != batch.manners:
                                came.ill_mannered.add(read.key)
                        elif read.refused:
                            refused.add(read.key)
                        continue
                    came.answered = True
                    answers[read.key] = _answer(endpoint, batch.model, read, read.text)
                    if len(answers) >= _STORED_TOGETHER:
                        await self._store.save_answers(batch, list(answers.values()))
                        answers.clear()
        except NotFound:
            if await self._store.save_missing(batch, Missing.FILES) < _GONE_AFTER:
                return False
            activity.logger.warning("a file of answers is gone: its questions are asked again")
        await self._store.save_answers(batch, list(answers.values()))
        await self._store.leave(batch, sorted(refused))
        return True

    async def _improve(self, endpoint: BatchEndpoint, batch: Batch, better: Manners) -> None:
        """Remember it, unless somebody has found out more meanwhile."""
        client = endpoint.client
        model = client.model(batch.model)
        if (await self._memory.load(client.base_url, model) or Manners()) == batch.manners:
            await self._memory.save(client.base_url, model, better)


@dataclass(slots=True)
class _Came:
    """With the files of a batch. `better`: how the model wants to be asked, where it says so;
    `ill_mannered`: questions it says that of, but for the bounds on their answers."""

    better: Manners | None = None
    answered: bool = False
    ill_mannered: set[bytes] = field(default_factory=set[bytes])


def _answer(endpoint: BatchEndpoint, model: str, read: LineAnswer, text: str) -> BatchedAnswer:
    tokens = read.prompt_tokens, read.completion_tokens
    return BatchedAnswer(read.key, text, read.complete, *tokens, endpoint.nano_usd(model, *tokens))


def _refused(batch: Batch, remote: RemoteBatch) -> CallRefused:
    if remote.error == _TOO_MUCH_WAITS:
        return CallRefused(
            f"endpoint {batch.endpoint!r} takes fewer tokens in batches than the {batch.lines:,}"
            " questions of one have; set GRAPHMILL_BATCH_LINES to fewer, or index without --batch"
        )
    return CallRefused(
        f"endpoint {batch.endpoint!r} refuses a batch of {batch.lines:,} questions"
        f" ({remote.error or 'no code'}); check its model and its account, or index without --batch"
    )
