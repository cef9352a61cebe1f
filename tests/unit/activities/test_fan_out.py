"""Many calls at once: bounded, and one that fails ends none of the others."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from activities.fan_out import each_of, for_each


async def test_all_are_worked_on_so_many_at_once() -> None:
    now, most, done = 0, 0, list[int]()

    async def work(item: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        done.append(item)

    await for_each(each_of(range(50)), work, 7)
    assert sorted(done) == list(range(50))
    assert most == 7


async def test_after_a_failure_nothing_more_begins_and_what_was_begun_ends() -> None:
    begun, ended = list[int](), list[int]()

    async def work(item: int) -> None:
        begun.append(item)
        if item == 2:
            await asyncio.sleep(0.001)
            raise ValueError("the third")
        await asyncio.sleep(0.01)
        ended.append(item)

    with pytest.raises(ValueError, match="the third"):
        await for_each(each_of(range(100)), work, 4)
    assert sorted(begun) == [0, 1, 2, 3]
    assert sorted(ended) == [0, 1, 3]


async def test_who_waits_for_an_item_when_another_fails_begins_none() -> None:
    begun = list[int]()
    failed = asyncio.Event()

    async def slowly() -> AsyncIterator[int]:
        """One at once; the others come when it has failed, as from a table that is read."""
        yield 0
        await failed.wait()
        for item in range(1, 100):
            yield item

    async def work(item: int) -> None:
        begun.append(item)
        await asyncio.sleep(0.001)
        failed.set()
        raise ValueError("the first")

    with pytest.raises(ValueError, match="the first"):
        await for_each(slowly(), work, 10)
    assert begun == [0]


async def test_the_error_that_came_first_is_the_one_that_is_raised() -> None:
    """What is in the air beside a refused key may end in another way, that would be tried again."""

    async def work(item: int) -> None:
        await asyncio.sleep(0.001 if item == 3 else 0.01)
        raise ValueError(f"of {item}")

    with pytest.raises(ValueError, match="of 3"):
        await for_each(each_of(range(5)), work, 5)


async def test_who_cancels_it_cancels_all() -> None:
    cancelled = list[int]()

    async def work(item: int) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    running = asyncio.create_task(for_each(each_of(range(3)), work, 3))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(cancelled) == [0, 1, 2]


async def test_nothing_to_do_is_done() -> None:
    async def work(_: int) -> None:
        raise AssertionError

    await for_each(each_of(()), work, 0)
