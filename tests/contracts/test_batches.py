"""Questions in batches: answers stored like any other, half the price; and what is left over."""

import asyncio
from uuid import uuid4

import pytest

from graphmill.llm.budgets import OverBudget
from graphmill.models import DocumentState
from tests.contracts.batched import NAME, TEXTS, UNITS, Make, make
from tests.support.model_endpoint import ModelEndpoint

__all__ = ["make"]


async def test_batches_answer_what_a_document_asks_at_half_the_price(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    assert await letters.rounds() == 2  # the first questions; the gleanings that follow from them
    stats = await model.stats()
    assert (stats.begun, stats.batches, stats.batch_lines) == (0, 2, 2 * UNITS)
    use = await letters.use()
    assert (use.calls, use.cached) == (2 * UNITS, 0)
    assert (use.prompt_tokens, use.completion_tokens) == (
        stats.prompt_tokens,
        stats.completion_tokens,
    )
    # A thousandth of a dollar a token, halved.
    assert use.nano_usd == stats.completion_tokens * 1_000_000 / 2
    ended = await letters.extract_directly()
    assert (ended.state, ended.text_units) == (DocumentState.DONE, UNITS)
    assert ended.entities > 0
    assert (await model.stats()).begun == 0
    # What its own batches answered is no answer of before.
    assert await letters.use() == use


async def test_lines_that_expired_or_failed_are_sent_again_and_those_left_are_asked_directly(
    make: Make, model: ModelEndpoint
) -> None:
    await model.change(batch_expire_share=0.5, batch_fail_share=0.2)
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    assert await letters.rounds() > 2
    stats = await model.stats()
    assert stats.batch_expired > 0
    assert stats.repeats_of_answered == 0
    assert stats.begun == 0
    assert (await letters.extract_directly()).state is DocumentState.DONE
    stats = await model.stats()
    assert stats.repeats_of_answered == 0
    assert stats.batch_answered + stats.answered == 2 * UNITS
    assert (await letters.use()).calls == 2 * UNITS


async def test_an_endpoint_that_answers_no_line_is_left_after_three_batches(
    make: Make, model: ModelEndpoint
) -> None:
    await model.change(batch_fail_share=1.0)
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    assert await letters.rounds() == 3
    assert (await model.stats()).batches == 3
    assert (await letters.extract_directly()).state is DocumentState.DONE


async def test_answers_that_cannot_be_read_are_paid_for_and_asked_again(
    make: Make, model: ModelEndpoint
) -> None:
    await model.change(rate_truncated=0.4)
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.rounds()
    await model.change(rate_truncated=0.0)
    assert (await letters.extract_directly()).state is DocumentState.DONE
    stats = await model.stats()
    bad = await letters.pool.fetchval(
        "SELECT count(*) FROM model_calls WHERE tenant = $1 AND NOT valid AND NOT unread",
        letters.key.tenant,
    )
    assert bad > 0
    assert (await letters.use()).calls == stats.batch_answered + stats.answered == 2 * UNITS + bad


async def test_a_batch_has_so_many_lines_and_bytes_at_most(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make(batch_lines=4)
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    assert await letters.submit() == 2
    await letters.collect()
    small = make(batch_bytes=12_000)
    await small.wait_with(NAME, TEXTS)
    await small.queue()
    size = await small.pool.fetchval(
        "SELECT max(size) FROM model_batch_questions WHERE run_id = $1", small.run_id
    )
    assert await small.submit() == -(-UNITS // (12_000 // size)) > 1
    await small.collect()


async def test_an_open_batch_keeps_its_money_and_the_budget_ends_further_ones(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    # 600 tokens are assumed of an answer, a thousandth of a dollar each, halved: 30 cents.
    await letters.open_run(1.0)
    await letters.queue()
    assert await letters.submit() == 1
    stats = await model.stats()
    assert stats.batches == 1
    reserved = await letters.store.reserved(letters.run_id)
    assert reserved == 3 * 300_000_000
    assert await letters.submit() == 1  # 10 cents are left, and kept
    await letters.collect()
    # What it really cost is known now: there is room for the rest.
    assert 0 < (await letters.use()).nano_usd < reserved
    await letters.queue()
    assert await letters.submit() == 1
    await letters.collect()
    assert (await letters.use()).calls > 3

    poor = make()
    await poor.wait_with(NAME, TEXTS)
    await poor.open_run(0.1)
    await poor.queue()
    with pytest.raises(OverBudget, match=r"the budget of \$0\.1 is used up"):
        await poor.submit()
    assert (await poor.use()).calls == 0


async def test_a_cancelled_batch_gives_what_it_has_answered_and_the_rest_is_not_paid(
    make: Make, model: ModelEndpoint
) -> None:
    await model.change(batch_seconds=2.0)
    letters = make()
    await letters.wait_with(NAME, [f"{text} {number}" for number in range(10) for text in TEXTS])
    await letters.queue()
    await letters.submit()
    async with asyncio.timeout(20):
        while not (await model.stats()).batch_answered:
            await asyncio.sleep(0.02)
    await letters.cancel()
    await letters.cancel()  # again, after a crash
    await letters.collect()
    stats = await model.stats()
    assert 0 < stats.batch_answered < 10 * UNITS
    assert (await letters.use()).calls == stats.batch_answered


async def test_what_is_left_of_a_cancelled_run_cancels_no_batch_of_a_later_one(
    make: Make, model: ModelEndpoint
) -> None:
    await model.change(batch_seconds=60)
    letters = make()
    cancelled = letters.run_id
    for name, texts in (("old.txt", TEXTS[:3]), ("new.txt", TEXTS[3:])):
        letters.run_id = cancelled if name == "old.txt" else uuid4()
        await letters.wait_with(name, texts)
        await letters.open_run(100)
        await letters.queue()
        await letters.submit()
    stats = await model.stats()
    assert (stats.batches, stats.batches_cancelled) == (2, 0)
    later, letters.run_id = letters.run_id, cancelled
    await letters.cancel()
    assert (await model.stats()).batches_cancelled == 1
    letters.run_id = later
    await letters.cancel()
    assert (await model.stats()).batches_cancelled == 2
