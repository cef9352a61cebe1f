"""A batch that was made is paid for: it is not forgotten because its endpoint is not there, or does
not find it for a while."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from graphmill.errors import NotFound, Unavailable
from graphmill.llm.batch_client import BatchClient
from graphmill.llm.batches import Batch, RemoteBatch
from graphmill.llm.faults import CallRefused
from graphmill.stores.postgres.model_batches import PostgresBatchStore
from tests.contracts.batched import NAME, TEXTS, UNITS, BatchedCollection, Make, make
from tests.support.model_endpoint import ModelEndpoint

__all__ = ["make"]

# Of the activity: others before it may have failed for any reason.
LATE = 9
SHOW = BatchClient.show


async def find_nothing(*_: object) -> None:
    raise NotFound("no such batch or file")


@pytest.fixture
async def letters(make: Make) -> BatchedCollection:
    """Whose questions are in two batches at the endpoint."""
    letters = make(batch_lines=UNITS // 2)
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    assert await letters.submit() == 2
    return letters


async def pass_by(letters: BatchedCollection, time: timedelta) -> None:
    await letters.pool.execute(
        "UPDATE model_batches SET missing_since = missing_since - $1::interval", time
    )


@pytest.mark.parametrize("what", ["show", "_download"])
async def test_a_batch_or_a_file_that_is_not_found_is_looked_for_an_hour_long(
    letters: BatchedCollection,
    model: ModelEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    with monkeypatch.context() as lagging:
        lagging.setattr(BatchClient, what, find_nothing)
        while (await model.stats()).batch_answered < UNITS:
            assert (await letters.look(LATE)).open == 2
        assert (await letters.look(LATE)).open == 2
        await pass_by(letters, timedelta(minutes=59))
        assert (await letters.look(LATE)).open == 2
    await letters.collect()
    assert (await letters.use()).calls == UNITS
    assert await letters.rounds() == 1  # the gleanings alone
    assert (await model.stats()).repeats == 0


@pytest.mark.parametrize("what", ["show", "_download"])
async def test_what_was_not_found_for_an_hour_is_asked_again(
    letters: BatchedCollection, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    with monkeypatch.context() as losing:
        losing.setattr(BatchClient, what, find_nothing)
        missing = "SELECT bool_and(missing <> '') FROM model_batches"
        while not await letters.pool.fetchval(missing):
            assert (await letters.look()).open == 2
        await pass_by(letters, timedelta(hours=1))
        assert (await letters.look()).open == 0
    assert (await letters.use()).calls == 0
    assert await letters.submit() == 2
    await letters.collect()
    assert (await letters.use()).calls == UNITS


async def test_where_all_files_of_a_batch_are_gone_it_waits_an_hour_once(
    make: Make, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    await model.change(batch_fail_share=0.5)  # a file of answers, and one of errors
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    await letters.submit()
    monkeypatch.setattr(BatchClient, "_download", find_nothing)
    while not await letters.pool.fetchval("SELECT bool_and(missing <> '') FROM model_batches"):
        assert (await letters.look()).open == 1
    await pass_by(letters, timedelta(hours=1))
    assert (await letters.look()).open == 0


async def test_the_hour_begins_anew_where_the_batch_was_found_in_between(
    letters: BatchedCollection, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def show_open(self: BatchClient, remote_id: str) -> RemoteBatch:
        return RemoteBatch(remote_id, "in_progress")

    for show in (find_nothing, show_open, find_nothing):
        monkeypatch.setattr(BatchClient, "show", show)
        assert (await letters.look()).open == 2
        await pass_by(letters, timedelta(minutes=59))
    assert (await letters.look()).open == 2


async def test_a_batch_that_is_missing_keeps_no_other_waiting(
    letters: BatchedCollection, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = (await letters.store.open_batches(letters.run))[0].remote_id

    async def find_one(self: BatchClient, remote_id: str) -> RemoteBatch:
        if remote_id == missing:
            raise NotFound("no such batch")
        return await SHOW(self, remote_id)

    monkeypatch.setattr(BatchClient, "show", find_one)
    while (await letters.look(LATE)).open > 1:
        pass
    assert (await letters.use()).calls == UNITS // 2


async def test_a_batch_that_is_missing_is_cancelled_as_soon_as_it_is_found_or_soon_left(
    letters: BatchedCollection, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BatchClient, "show", find_nothing)
    with pytest.raises(Unavailable):
        await letters.cancel()
    await pass_by(letters, timedelta(minutes=1))
    await letters.cancel()
    assert len(await letters.store.open_batches(letters.run)) == 2


async def test_a_batch_whose_endpoint_is_not_set_any_more_ends_the_run_and_waits_for_it(
    letters: BatchedCollection, model: ModelEndpoint
) -> None:
    letters.endpoint = "renamed"
    for _ in range(2):  # the next run's way too
        with pytest.raises(CallRefused, match=r"'simulated', which is not set any more; set it"):
            await letters.look()
        letters.run_id = uuid4()
        await letters.open_run(100)
        assert await letters.recover() == 2
    await letters.cancel()  # tells whom it can
    letters.endpoint = "simulated"
    await letters.collect()
    stats = await model.stats()
    assert (stats.batches, stats.batches_cancelled, stats.batch_answered) == (2, 0, UNITS)
    assert not await letters.store.open_batches(letters.run)
    await letters.queue()
    assert (await model.stats()).repeats == 0


async def test_a_batch_that_may_have_been_made_at_an_endpoint_that_is_not_set_is_not_forgotten(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    await letters.die_submitting(PostgresBatchStore, "save_remote")
    dead, letters.run_id, letters.endpoint = letters.run_id, uuid4(), "renamed"
    with pytest.raises(CallRefused, match="not set any more"):
        await letters.recover()
    letters.endpoint = "simulated"
    assert await letters.recover() == 1
    await letters.collect()
    assert (await letters.use(dead)).calls == UNITS
    assert (await model.stats()).batches == 1


async def test_a_batch_without_its_endpoint_keeps_no_other_from_being_collected(
    letters: BatchedCollection,
) -> None:
    await letters.pool.execute(
        "UPDATE model_batches SET endpoint = 'gone'"
        " WHERE digest = (SELECT min(digest) FROM model_batches)"
    )
    with pytest.raises(CallRefused, match="'gone'"):
        await letters.collect()
    assert (await letters.use()).calls == UNITS // 2
    assert len(await letters.store.open_batches(letters.run)) == 1


async def test_a_batch_that_is_sent_while_another_collection_looks_at_it_is_not_forgotten(
    letters: BatchedCollection, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await letters.store.open_batches(letters.run)

    async def find_before_they_were_sent(*_: object) -> list[Batch]:
        return [replace(batch, input_file="", remote_id="") for batch in found]

    with monkeypatch.context() as earlier:
        earlier.setattr(PostgresBatchStore, "open_batches", find_before_they_were_sent)
        await letters.look()
    await letters.collect()
    assert (await letters.use()).calls == UNITS
    stats = await model.stats()
    assert (stats.batches, stats.batch_answered) == (2, UNITS)
