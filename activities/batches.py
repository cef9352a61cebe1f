"""Activities on batches: sent once, looked after, collected; what is paid for is kept."""

from contextlib import aclosing
from dataclasses import dataclass, field

from temporalio import activity

from activities.heartbeats import heartbeating
from graphmill.errors import NotFound, Unavailable
from graphmill.llm.batch_endpoints import BatchEndpoint, BatchEndpoints
from graphmill.llm.batch_sending import BatchSender
from graphmill.llm.batches import Batch, BatchedAnswer, BatchStore, LineAnswer, RemoteBatch
from graphmill.llm.faults import CallRefused
from graphmill.llm.manners import Manners, MannersMemory
from graphmill.messages import BatchProgress, BatchRun, CollectBatches

# Answers that are stored in one transaction.
# Whatever a question's bound on its answer was: a line does not say.
_ANY_BOUND = 2**31
_STORED_TOGETHER = 200
# A batch or a file of answers that the endpoint does not find is looked for so often: it is paid
# for, and may be one that the endpoint does not find yet.
_TRIES = 5
# A batch failed because others wait at the endpoint: it goes again when those have ended.
_TOO_MUCH_WAITS = "token_limit_exceeded"
# What is known of a batch that is being sent.
_TO_BE_SENT = RemoteBatch("", "validating")


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
        is stored already is passed over."""
        progress = BatchProgress()
        async with heartbeating():
            if asked.give_up:
                await self._store.unfollow(asked.run)
            batches = [
                *await self._store.open_batches(asked.run),
                *await self._store.followed(asked.run),
            ]
            for place, batch in enumerate(batches):
                known = await self._known(batch)
                if known is None:
                    continue
                remote = await self._show(known) if known.remote_id else _TO_BE_SENT
                if remote is None:
                    await self._store.close(batch, counted=True)
                # Why another's failed is told to whoever sent it.
                elif (asked.give_up and remote.id) or (
                    remote.has_ended and (batch.key == asked.run.key or remote.status != "failed")
                ):
                    others = progress.open > 0 or place + 1 < len(batches)
                    await self._collect(batch, remote, others=others)
                else:
                    progress = BatchProgress(
                        progress.open + 1,
                        progress.questions + batch.lines,
                        progress.answered + remote.answered,
                    )
        return progress

    @activity.defn
    async def cancel_batches(self, run: BatchRun) -> None:
        """Cancel what is open of this run and those before it; lines that are answered by then are
        still to be collected. Batches of other collections go on."""
        async with heartbeating(), self._store.alone(run.key):
            await self._store.unfollow(run)
            batches = await self._store.open_batches(run)
            # Those last that may have to be looked for: that takes a while.
            for batch in sorted(batches, key=lambda batch: not batch.remote_id):
                known = batch if batch.remote_id else await self._sender.find(batch)
                if known is None:
                    continue
                remote, endpoint = await self._show(known), self._endpoints.get(batch.endpoint)
                if remote is not None and endpoint is not None and not remote.has_ended:
                    await endpoint.client.cancel(remote.id)

    async def _known(self, batch: Batch) -> Batch | None:
        """With the endpoint's id, unless somebody sends it just now; None where nobody will."""
        if batch.remote_id:
            return batch
        try:
            async with self._store.alone(batch.key):
                return await self._sender.find(batch)
        except Unavailable:
            return batch

    async def _show(self, batch: Batch) -> RemoteBatch | None:
        """None where nobody has it any more.

        Raises:
            Unavailable: the endpoint does not find it, and is to be asked again.
        """
        endpoint = self._endpoints.get(batch.endpoint)
        if endpoint is None or not batch.remote_id:
            return None
        try:
            return await endpoint.client.show(batch.remote_id)
        except NotFound as error:
            if activity.info().attempt < _TRIES:
                raise Unavailable(f"{error}; looking again") from None
            return None

    async def _collect(self, batch: Batch, remote: RemoteBatch, *, others: bool) -> None:
        """`others`: batches that are open too.

        Raises:
            CallRefused: the endpoint does not take the batch, and never will.
        """
        endpoint = self._endpoints.get(batch.endpoint)
        assert endpoint is not None  # it was asked just now
        came = _Came()
        for file in remote.files:
            await self._collect_file(endpoint, batch, file, came)
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

    async def _collect_file(
        self, endpoint: BatchEndpoint, batch: Batch, file: str, came: "_Came"
    ) -> None:
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
        except NotFound as error:
            if activity.info().attempt < _TRIES:
                raise Unavailable(f"{error}; looking again") from None
            activity.logger.warning("a file of answers is gone: its questions are asked again")
        await self._store.save_answers(batch, list(answers.values()))
        await self._store.leave(batch, sorted(refused))

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
