"""Equal questions of two collections in batches at once: one asks, both have the answer."""

import pytest

from graphmill.llm import batch_client
from graphmill.llm.batch_client import BatchClient
from graphmill.llm.faults import CallRefused
from graphmill.models import CollectionKey, DocumentState
from tests.contracts.batched import NAME, TEXTS, UNITS, BatchedCollection, Make, make
from tests.support.model_endpoint import ModelEndpoint

__all__ = ["make"]


@pytest.fixture
async def both(make: Make) -> tuple[BatchedCollection, BatchedCollection]:
    """Of one tenant, with the same text in both, whose questions are put down."""
    first, second = make(), make()
    second.key = CollectionKey(first.key.tenant, "others")
    for letters in (first, second):
        await letters.wait_with(NAME, TEXTS)
        assert await letters.queue() == UNITS
    return first, second


def no_line(*_: object) -> bytes:
    return b"no line\n"


Both = tuple[BatchedCollection, BatchedCollection]


async def test_the_second_waits_for_the_batch_of_the_first_and_pays_nothing(
    both: Both, model: ModelEndpoint
) -> None:
    first, second = both
    assert await first.submit() == 1
    assert await second.submit() == 1
    assert (await model.stats()).batches == 1
    # Whoever looks first collects it; the account is that of who sent it.
    await second.collect()
    await first.collect()
    assert (await first.use()).calls == UNITS
    # The gleanings that follow from the answers: this time the second is first.
    await second.rounds()
    await first.rounds()
    for letters in both:
        assert (await letters.extract_directly()).state is DocumentState.DONE
    stats = await model.stats()
    assert (stats.begun, stats.batch_lines, stats.repeats) == (0, 2 * UNITS, 0)
    assert (await first.use()).calls == (await second.use()).calls == UNITS


async def test_what_is_asked_by_nobody_else_does_not_wait(both: Both, model: ModelEndpoint) -> None:
    first, second = both
    await second.wait_with("more.txt", ["Grace Hopper wrote to Ada Lovelace."])
    assert await second.queue() == UNITS + 1
    assert await first.submit() == 1
    assert await second.submit() == 2
    await second.collect()
    stats = await model.stats()
    assert (stats.batches, stats.batch_lines, stats.repeats) == (2, UNITS + 1, 0)


async def test_answers_that_come_before_the_second_sends_are_not_asked_for_again(
    both: Both, model: ModelEndpoint
) -> None:
    first, second = both
    await first.submit()
    await first.collect()
    assert await second.submit() == 1  # there is something new to be found, if no batch
    await second.collect()
    assert (await model.stats()).batches == 1
    await second.rounds()
    stats = await model.stats()
    assert (stats.batch_lines, stats.repeats) == (2 * UNITS, 0)


async def test_where_the_first_is_cancelled_the_second_asks_for_what_is_left(
    both: Both, model: ModelEndpoint
) -> None:
    await model.change(batch_seconds=10)
    first, second = both
    await first.submit()
    assert await second.submit() == 1
    await first.cancel()
    await model.change(batch_seconds=0.05)
    await first.collect()
    await second.submit()
    await second.collect()
    assert (await first.use()).calls + (await second.use()).calls == UNITS
    assert (await model.stats()).repeats == 0


async def test_where_the_second_is_cancelled_the_batch_of_the_first_goes_on(
    both: Both, model: ModelEndpoint
) -> None:
    first, second = both
    await first.submit()
    assert await second.submit() == 1
    await second.cancel()
    await second.collect()  # waits for nobody
    await first.collect()
    assert (await model.stats()).batches_cancelled == 0
    assert (await first.use()).calls == UNITS


async def test_where_the_batch_of_the_first_failed_the_second_asks_itself_at_once(
    both: Both, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = both
    with monkeypatch.context() as breaking:
        breaking.setattr(batch_client, "write_line", no_line)
        assert await first.submit() == 1
    assert await second.submit() == 1
    await second.collect()
    # It is not followed again, though nobody has told the first yet.
    assert await second.submit() == 1
    await second.collect()
    assert ((await model.stats()).batches, (await second.use()).calls) == (2, UNITS)
    with pytest.raises(CallRefused, match="refuses a batch of 6 questions"):
        await first.collect()


async def test_where_the_endpoint_of_the_first_is_not_set_any_more_the_second_asks_itself(
    both: Both, model: ModelEndpoint
) -> None:
    first, second = both
    await first.submit()
    assert await second.submit() == 1
    second.endpoint = "renamed"
    await second.collect()
    assert await second.submit() == 1
    await second.collect()
    await first.collect()
    assert (await first.use()).calls == (await second.use()).calls == UNITS


async def test_a_batch_that_was_never_sent_keeps_nobody_waiting(
    both: Both, model: ModelEndpoint
) -> None:
    """Of a run that died: nobody else will."""
    first, second = both
    await first.die_submitting(BatchClient, "upload")
    assert await second.submit() == 1
    assert (await model.stats()).batches == 0
    assert await second.rounds() == 3
    stats = await model.stats()
    assert (stats.batch_lines, stats.repeats) == (2 * UNITS, 0)
    assert (await second.use()).calls == 2 * UNITS
