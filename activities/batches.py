"""Activities on batches: sent once, looked after, collected; what is paid for is kept."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from temporalio import activity

from activities.heartbeats import heartbeating
from graphmill.errors import NotFound, Unavailable
from graphmill.llm.batch_endpoints import BatchEndpoint, BatchEndpoints
from graphmill.llm.batches import (
    Batch,
    BatchedAnswer,
    BatchStore,
    LineAnswer,
    RemoteBatch,
    WaitingQuestion,
)
from graphmill.llm.budgets import ASSUMED_ANSWER_TOKENS, MoneyStore, RunMoney, over_budget
from graphmill.llm.faults import CallRefused
from graphmill.llm.manners import Manners, MannersMemory
from graphmill.messages import BatchProgress, BatchRun, CollectBatches

# Answers that are stored in one transaction.
_STORED_TOGETHER = 200
# A file of answers that the endpoint does not find is looked for so often: they are paid for.
_FILE_TRIES = 5
# A batch failed because others wait at the endpoint: it goes again when those have ended.
_TOO_MUCH_WAITS = "token_limit_exceeded"


class BatchActivities:
    """Queue: llm."""

    def __init__(
        self,
        store: BatchStore,
        endpoints: BatchEndpoints,
        memory: MannersMemory,
        money: MoneyStore,
        most_lines: int,
        most_bytes: int,
    ) -> None:
        """`most_...`: of one batch's file."""
        self._store = store
        self._endpoints = endpoints
        self._memory = memory
        self._money = money
        self._most_lines = most_lines
        self._most_bytes = most_bytes

    @activity.defn
    async def recover_batches(self, run: BatchRun) -> int:
        """What earlier runs of the collection left: batches that are at an endpoint are taken over,
        all else is forgotten. Returns how many are open."""
        async with heartbeating(), self._store.alone(run.key):
            for batch in await self._store.open_batches(run.key):
                if batch.run_id != run.run_id and not batch.remote_id:
                    await self._find(batch)
            await self._store.forget_others(run.key, run.run_id)
            return len(await self._store.open_batches(run.key))

    @activity.defn
    async def submit_batches(self, run: BatchRun) -> int:
        """Send what waits, as far as the run's budget goes; returns how many batches are open.

        Each is sent once, whatever dies: it is remembered before its file is uploaded, and looked
        for at the endpoint, by its digest, before it is made there.
        """
        async with heartbeating(), self._store.alone(run.key):
            for batch in await self._store.open_batches(run.key):
                if not batch.remote_id:
                    await self._submit(batch)
            while (batch := await self._form(run)) is not None:
                await self._submit(batch)
            return len(await self._store.open_batches(run.key))

    @activity.defn
    async def collect_batches(self, asked: CollectBatches) -> BatchProgress:
        """Store the answers of batches that have ended. Done again after a crash, what is stored
        already is passed over."""
        progress = BatchProgress()
        async with heartbeating():
            batches = await self._store.open_batches(asked.run.key)
            for place, batch in enumerate(batches):
                known = batch if batch.remote_id else await self._find(batch)
                if known is None:
                    continue
                remote = await self._show(known)
                if remote is None:
                    await self._store.close(batch, counted=True)
                elif remote.has_ended or asked.give_up:
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
        """Cancel what is open; lines that are answered by then are still to be collected."""
        async with heartbeating(), self._store.alone(run.key):
            for batch in await self._store.open_batches(run.key):
                known = batch if batch.remote_id else await self._find(batch)
                if known is None:
                    continue
                remote, endpoint = await self._show(known), self._endpoints.get(batch.endpoint)
                if remote is not None and endpoint is not None and not remote.has_ended:
                    await endpoint.client.cancel(remote.id)

    # ---- sending

    async def _form(self, run: BatchRun) -> Batch | None:
        """The next batch; None where no question waits, or none fits into the budget now.

        Raises:
            OverBudget: none fits, and no batch is open that may cost less than it is taken for.
        """
        model = await self._store.next_model(run.run_id)
        if model is None:
            return None
        endpoint = self._endpoints.serving(model)
        money = await self._money.run_money(run.run_id)
        reserved = await self._store.reserved(run.run_id)
        next_cost = 0

        def choose(waiting: Sequence[WaitingQuestion]) -> tuple[int, int]:
            nonlocal next_cost
            count = size = cost = 0
            for one in waiting:
                next_cost = _cost(endpoint, model, one, money)
                size += one.size
                spent = money.spent + reserved + cost
                if not _has_left(money, spent, next_cost) or (count and size > self._most_bytes):
                    break
                count, cost = count + 1, cost + next_cost
            return count, cost

        batch = await self._store.form(
            run.key, run.run_id, model, endpoint.name, choose, self._most_lines
        )
        if batch is None and money.budget is not None and not reserved:
            raise over_budget(money.budget, money.spent, next_cost)
        return batch

    async def _submit(self, batch: Batch) -> None:
        endpoint = self._endpoints.get(batch.endpoint)
        if endpoint is None:
            raise CallRefused(
                f"a batch waits for endpoint {batch.endpoint!r}, which is not set any more; set it,"
                " or index again"
            )
        remote = await endpoint.client.find(batch)
        if remote is None:
            file = batch.input_file or await self._upload(endpoint, batch)
            try:
                remote = await endpoint.client.create(replace(batch, input_file=file))
            except NotFound:
                await self._store.save_file(batch, "", batch.manners)
                raise Unavailable("the file of a batch is gone; it is sent again") from None
        await self._store.save_remote(batch, remote.id)

    async def _upload(self, endpoint: BatchEndpoint, batch: Batch) -> str:
        client = endpoint.client
        manners = await self._memory.load(client.base_url, client.model(batch.model)) or Manners()
        input_file = await client.upload(batch, self._store.questions(batch), manners)
        await self._store.save_file(batch, input_file, manners)
        return input_file

    async def _find(self, batch: Batch) -> Batch | None:
        """A batch that may have been made, though nobody noted it; forgotten where it was not."""
        endpoint = self._endpoints.get(batch.endpoint)
        remote = None if endpoint is None else await endpoint.client.find(batch)
        if remote is None:
            await self._store.close(batch, counted=False)
            return None
        await self._store.save_remote(batch, remote.id)
        return replace(batch, remote_id=remote.id)

    # ---- collecting

    async def _show(self, batch: Batch) -> RemoteBatch | None:
        """None where nobody has it any more."""
        endpoint = self._endpoints.get(batch.endpoint)
        if endpoint is None or not batch.remote_id:
            return None
        try:
            return await endpoint.client.show(batch.remote_id)
        except NotFound:
            return None

    async def _collect(self, batch: Batch, remote: RemoteBatch, *, others: bool) -> None:
        """`others`: batches that are open too.

        Raises:
            CallRefused: the endpoint does not take the batch, and never will.
        """
        endpoint = self._endpoints.get(batch.endpoint)
        assert endpoint is not None  # it was asked just now
        better: Manners | None = None
        for file in remote.files:
            better = await self._collect_file(endpoint, batch, file) or better
        if better is not None:
            await self._improve(endpoint, batch, better)
        # What was asked in the wrong form was not asked.
        await self._store.close(batch, counted=better is None and remote.status != "failed")
        if remote.status == "failed" and not (others and remote.error == _TOO_MUCH_WAITS):
            raise _refused(batch, remote)
        for file in (batch.input_file, *remote.files):
            await endpoint.client.delete_file(file)

    async def _collect_file(
        self, endpoint: BatchEndpoint, batch: Batch, file: str
    ) -> Manners | None:
        """How the model wants to be asked, where it says so."""
        better: Manners | None = None
        answers: dict[bytes, BatchedAnswer] = {}
        refused: set[bytes] = set()
        try:
            async with aclosing(endpoint.client.answers(file)) as read_lines:
                async for read in read_lines:
                    if read.text is None:
                        improved = batch.manners.after(read.refusal)
                        better = better or improved
                        if read.refused and improved is None:
                            refused.add(read.key)
                        continue
                    answers[read.key] = _answer(endpoint, batch.model, read, read.text)
                    if len(answers) >= _STORED_TOGETHER:
                        await self._store.save_answers(batch, list(answers.values()))
                        answers.clear()
        except NotFound as error:
            if activity.info().attempt < _FILE_TRIES:
                raise Unavailable(f"{error}; looking again") from None
            activity.logger.warning("a file of answers is gone: its questions are asked again")
        await self._store.save_answers(batch, list(answers.values()))
        await self._store.leave(batch, sorted(refused))
        return better

    async def _improve(self, endpoint: BatchEndpoint, batch: Batch, better: Manners) -> None:
        """Remember it, unless somebody has found out more meanwhile."""
        client = endpoint.client
        model = client.model(batch.model)
        if (await self._memory.load(client.base_url, model) or Manners()) == batch.manners:
            await self._memory.save(client.base_url, model, better)


def _answer(endpoint: BatchEndpoint, model: str, read: LineAnswer, text: str) -> BatchedAnswer:
    tokens = read.prompt_tokens, read.completion_tokens
    return BatchedAnswer(read.key, text, read.complete, *tokens, endpoint.nano_usd(model, *tokens))


def _cost(endpoint: BatchEndpoint, model: str, one: WaitingQuestion, money: RunMoney) -> int:
    tokens = money.answer_tokens.get(one.step, ASSUMED_ANSWER_TOKENS)
    return endpoint.nano_usd(model, one.prompt_tokens, tokens)


def _has_left(money: RunMoney, spent: int, cost: int) -> bool:
    return money.budget is None or (spent < money.budget and spent + cost <= money.budget)


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
