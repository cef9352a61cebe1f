"""Work that is done together is done for each, once, and by nobody's failure undone for others."""

import asyncio
from collections.abc import Sequence

import pytest

from graphmill.together import Together


class _Work:
    def __init__(self) -> None:
        self.done: list[list[int]] = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.done.append(list(items))
        await self.may_end.wait()
        if -1 in items:
            raise OSError("all of it")
        return [ValueError(f"{item}") if item == 13 else 2 * item for item in items]


async def test_what_comes_in_one_moment_is_done_at_once_and_the_rest_after_it() -> None:
    work = _Work()
    together = Together(work, 100, name="work")
    work.may_end.clear()
    first = [asyncio.create_task(together.do(item)) for item in (1, 2, 3)]
    await asyncio.sleep(0.01)
    later = [asyncio.create_task(together.do(item)) for item in (4, 5)]
    await asyncio.sleep(0.01)
    assert work.done == [[1, 2, 3]]
    work.may_end.set()
    assert await asyncio.gather(*first, *later) == [2, 4, 6, 8, 10]
    assert work.done == [[1, 2, 3], [4, 5]]
    assert await together.do(6) == 12


async def test_no_more_than_the_most_are_done_at_once() -> None:
    work = _Work()
    together = Together(work, 2, name="work")
    await asyncio.gather(*map(together.do, range(5)))
    assert work.done == [[0, 1], [2, 3], [4]]


async def test_one_that_fails_fails_alone_unless_all_do() -> None:
    together = Together(_Work(), 100, name="work")
    told = await asyncio.gather(*map(together.do, (1, 13, 2)), return_exceptions=True)
    assert told[0::2] == [2, 4]
    assert isinstance(told[1], ValueError)
    for error in await asyncio.gather(*map(together.do, (1, -1)), return_exceptions=True):
        assert isinstance(error, OSError)
    assert await together.do(3) == 6


async def test_what_nobody_waits_for_is_done_all_the_same() -> None:
    work = _Work()
    together = Together(work, 100, name="work")
    doing = asyncio.create_task(together.do(1))
    await asyncio.sleep(0)
    doing.cancel()
    await asyncio.wait([doing])
    await together.close()
    assert work.done == [[1]]


async def test_what_is_abandoned_is_left_out_or_told_of() -> None:
    work, abandoned = _Work(), list[int]()
    together = Together(work, 1, abandoned.append, name="work")
    work.may_end.clear()
    doing = [asyncio.create_task(together.do(item)) for item in (1, 2, 3)]
    await asyncio.sleep(0.01)
    for task in doing[:2]:
        task.cancel()
    await asyncio.wait(doing[:2])
    work.may_end.set()
    assert await doing[2] == 6
    assert (work.done, abandoned) == ([[1], [3]], [1])


async def test_to_close_where_nothing_was_asked_for_takes_no_time() -> None:
    async with asyncio.timeout(1):
        await Together(_Work(), 1, name="work").close()


async def test_who_is_stopped_with_the_work_is_not_left_waiting() -> None:
    work = _Work()
    work.may_end.clear()
    together = Together(work, 100, name="work")
    doing = asyncio.create_task(together.do(1))
    await asyncio.sleep(0.01)
    (working,) = (task for task in asyncio.all_tasks() if "_work_on" in str(task.get_coro()))
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing


async def test_what_comes_in_the_moment_in_which_it_is_abandoned_is_told_of() -> None:
    abandoned: list[int] = []
    loop = asyncio.get_running_loop()

    async def work(items: Sequence[int]) -> list[int]:
        loop.call_soon(doing.cancel)
        return list(items)

    together = Together[int, int](work, 1, abandoned.append, name="work")
    doing = asyncio.create_task(together.do(1))
    await asyncio.wait([doing])
    assert doing.cancelled()
    assert abandoned == [1]


async def test_who_is_cancelled_while_it_is_done_all_the_same_hears_so_after_that() -> None:
    work = _Work()
    work.may_end.clear()
    together = Together(work, 1, name="work")
    doing = asyncio.create_task(together.do(1))
    await asyncio.sleep(0.01)
    doing.cancel()
    await asyncio.wait([doing], timeout=0.05)
    assert not doing.done()
    work.may_end.set()
    await asyncio.wait([doing])
    assert doing.cancelled()
