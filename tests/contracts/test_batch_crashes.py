"""Batches are sent once, and their answers stored once, whatever dies."""

from typing import Any
from uuid import uuid4

import pytest

import activities.batches
from graphmill.errors import NotFound, Unavailable
from graphmill.llm.addresses import Address
from graphmill.llm.batch_client import BatchClient, open_batch_client
from graphmill.stores.postgres.model_batches import PostgresBatchStore
from tests.contracts.batched import NAME, TEXTS, UNITS, Killed, Make, make
from tests.support.model_endpoint import ModelEndpoint

__all__ = ["make"]

# How far the endpoint's list of batches lags behind, in seconds.
LAG = 0.4


async def test_a_worker_that_dies_between_the_file_and_the_batch_makes_one_batch(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    assert await letters.queue() == UNITS
    for method in ("upload", "create"):
        await letters.die_submitting(BatchClient, method)
    assert (await model.stats()).batches == 0
    assert await letters.submit() == 1
    await letters.collect()
    stats = await model.stats()
    assert (stats.batches, stats.batch_lines, stats.repeats) == (1, UNITS, 0)


async def test_a_worker_that_dies_before_it_remembers_a_batch_finds_it_again(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make(batch_lines=4)
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    for _ in range(3):
        await letters.die_submitting(PostgresBatchStore, "save_remote")
    assert (await model.stats()).batches == 1
    assert await letters.submit() == 2  # and the one that was to follow
    await letters.collect()
    stats = await model.stats()
    assert (stats.batches, stats.batch_lines, stats.repeats) == (2, UNITS, 0)
    assert (await letters.use()).calls == UNITS


async def test_a_batch_that_the_endpoint_does_not_list_yet_is_not_sent_twice(
    make: Make, model: ModelEndpoint
) -> None:
    await model.change(batch_list_seconds=LAG)
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    await letters.die_submitting(PostgresBatchStore, "save_remote")
    assert await letters.submit() == 1
    await letters.collect()
    stats = await model.stats()
    assert (stats.batches, stats.batch_lines, stats.repeats) == (1, UNITS, 0)
    assert (await letters.use()).calls == UNITS


async def test_a_batch_whose_metadata_got_lost_on_the_way_is_found_by_its_file(
    make: Make, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    await letters.die_submitting(PostgresBatchStore, "save_remote")
    monkeypatch.setattr("graphmill.llm.batch_client._DIGEST", "another_name")
    assert await letters.submit() == 1
    assert (await model.stats()).batches == 1


async def test_of_a_file_that_is_given_up_no_batch_is_made_however_late_its_request_comes(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    await letters.die_submitting(BatchClient, "create")
    [late] = await letters.store.open_batches(letters.run)
    assert await letters.submit() == 1
    async with open_batch_client(Address("simulated", letters.base_url, "")) as client:
        with pytest.raises(NotFound):
            await client.create(late)
    assert (await model.stats()).batches == 1


async def test_a_batch_that_the_endpoint_does_not_find_at_once_is_looked_for_again(
    make: Make, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    await letters.submit()

    async def find_none(*_: object) -> None:
        raise NotFound("no such batch")

    with monkeypatch.context() as lagging:
        lagging.setattr(BatchClient, "show", find_none)
        assert (await letters.look()).open == 1
    await letters.collect()
    assert (await letters.use()).calls == UNITS
    assert await letters.rounds() == 1  # the gleanings alone
    assert (await model.stats()).repeats == 0


async def test_what_a_run_that_died_had_sent_answers_the_next_run(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make(batch_lines=3)
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    await letters.die_submitting(PostgresBatchStore, "save_remote")
    # Of a list that does not show it yet, this must not forget it.
    await model.change(batch_list_seconds=LAG)
    dead, letters.run_id = letters.run_id, uuid4()
    assert await letters.recover() == 1
    await letters.collect()
    assert (await letters.use(dead)).calls == 3
    await letters.rounds()
    assert (await letters.use()).calls == 2 * UNITS - 3
    assert (await model.stats()).repeats == 0


async def test_a_worker_that_dies_while_it_collects_pays_and_stores_nothing_twice(
    make: Make, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities.batches, "_STORED_TOGETHER", 2)
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    await letters.submit()
    save = PostgresBatchStore.save_answers
    saved = 0

    async def save_and_die(self: PostgresBatchStore, *given: Any) -> int:
        nonlocal saved
        saved += await save(self, *given)
        raise Killed

    with monkeypatch.context() as killing:
        killing.setattr(PostgresBatchStore, "save_answers", save_and_die)
        for _ in range(2):
            with pytest.raises(Killed):
                await letters.collect()
    assert saved == 2
    await letters.collect()
    stats = await model.stats()
    assert (await letters.use()).calls == stats.batch_answered == UNITS
    assert await letters.rounds() == 1  # the gleanings alone
    assert (await model.stats()).repeats == 0


async def test_nobody_sends_batches_while_an_attempt_that_was_given_up_still_does(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    async with letters.store.alone(letters.key):
        for late in (letters.submit, letters.cancel, letters.recover):
            with pytest.raises(Unavailable):
                await late()
    assert (await model.stats()).batches == 0
    assert await letters.submit() == 1
