"""Sending batches: each once, whatever dies, though an endpoint's list of them lags behind.

A batch is remembered before its file is uploaded, and its file before it is made. So a batch whose
file is remembered may have been made by somebody who died before saying so: it is looked for, by
its digest and its file, for as long as lists lag. If it is not there then, its file is deleted, of
which nothing can be made any more, and it is sent with another.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from graphmill.batch_messages import BatchRun
from graphmill.errors import NotFound, Unavailable
from graphmill.llm.batch_endpoints import BatchEndpoint, BatchEndpoints
from graphmill.llm.batches import Batch, BatchStore, RemoteBatch, WaitingQuestion
from graphmill.llm.budgets import ASSUMED_ANSWER_TOKENS, MoneyStore, RunMoney, over_budget
from graphmill.llm.faults import CallRefused
from graphmill.llm.manners import Manners, MannersMemory

# How far a list of batches may lag behind; OpenAI's shows a new one within seconds.
_LISTED_WITHIN = 60.0
_LOOK_EVERY = 2.0


class BatchSender:
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

    async def form(self, run: BatchRun) -> Batch | None:
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
        next_cost: int | None = None

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

        batch = await self._store.form(run, model, endpoint.name, choose, self._most_lines)
        if batch is None and next_cost is not None and money.budget is not None and not reserved:
            raise over_budget(money.budget, money.spent, next_cost)
        return batch

    async def send(self, batch: Batch) -> None:
        """
        Raises:
            CallRefused: the endpoint takes no batches, or not this one, or is not set any more.
        """
        endpoint = self._endpoints.get(batch.endpoint)
        if endpoint is None:
            raise not_set(batch)
        remote = await self._look_for(endpoint, batch)
        if remote is None:
            file = await self._upload(endpoint, batch)
            remote = await self._create(endpoint, replace(batch, input_file=file))
        await self._store.save_remote(batch, remote.id)

    async def find(self, batch: Batch) -> Batch | None:
        """A batch that may have been made, though nobody noted it; forgotten where it was not.

        Raises:
            CallRefused: it may be at an endpoint that is not set any more.
        """
        endpoint = self._endpoints.get(batch.endpoint)
        if endpoint is None and batch.may_be_paid:
            raise not_set(batch)
        remote = None if endpoint is None else await self._look_for(endpoint, batch)
        if remote is None:
            await self._store.close(batch, counted=False)
            return None
        await self._store.save_remote(batch, remote.id)
        return replace(batch, remote_id=remote.id)

    async def _look_for(self, endpoint: BatchEndpoint, batch: Batch) -> RemoteBatch | None:
        """None where it was never made, and will not be."""
        if not batch.input_file:
            return None
        until = time.monotonic() + _LISTED_WITHIN
        while True:
            remote = await endpoint.client.find(batch)
            if remote is not None:
                return remote
            if time.monotonic() >= until:
                break
            await asyncio.sleep(_LOOK_EVERY)
        await endpoint.client.delete_file(batch.input_file)
        return None

    async def _create(self, endpoint: BatchEndpoint, batch: Batch) -> RemoteBatch:
        try:
            try:
                return await endpoint.client.create(batch)
            except NotFound:
                # Its file is gone, or no batch was ever made there: which this refuses to look for.
                remote = await endpoint.client.find(batch)
                if remote is not None:
                    return remote
                raise Unavailable("the file of a batch is gone; it is sent again") from None
        except (CallRefused, Unavailable):
            # It was not made. Nothing is to be made of that file, or left there try after try.
            await endpoint.client.delete_file(batch.input_file)
            await self._store.save_file(batch, "", batch.manners)
            raise

    async def _upload(self, endpoint: BatchEndpoint, batch: Batch) -> str:
        client = endpoint.client
        manners = await self._memory.load(client.base_url, client.model(batch.model)) or Manners()
        input_file = await client.upload(batch, self._store.questions(batch), manners)
        await self._store.save_file(batch, input_file, manners)
        return input_file


def not_set(batch: Batch) -> CallRefused:
    """For a batch of an endpoint that is not set any more."""
    return CallRefused(
        f"a batch waits for endpoint {batch.endpoint!r}, which is not set any more; set it again,"
        " or index without --batch"
    )


def _cost(endpoint: BatchEndpoint, model: str, one: WaitingQuestion, money: RunMoney) -> int:
    tokens = money.answer_tokens.get(one.step, ASSUMED_ANSWER_TOKENS)
    return endpoint.nano_usd(model, one.prompt_tokens, tokens)


def _has_left(money: RunMoney, spent: int, cost: int) -> bool:
    return money.budget is None or (spent < money.budget and spent + cost <= money.budget)
