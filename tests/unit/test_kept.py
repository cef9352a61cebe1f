"""What takes a while to find out is found out once for all who ask, each thing by itself."""

import asyncio

import pytest

from graphmill.kept import KeptEach


class Slow:
    """Tells how often it was asked for what, when the test lets it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.goes_on = asyncio.Event()
        self.fails = False

    async def load(self, key: str) -> int:
        self.asked.append(key)
        await self.goes_on.wait()
        if self.fails:
            raise ValueError("it cannot be said now")
        return len(self.asked)


async def test_many_at_once_are_one_question() -> None:
    slow = Slow()
    kept = KeptEach(slow.load, 60)
    asking = [asyncio.create_task(kept.get(key)) for key in ("a", "b") * 10]
    await asyncio.sleep(0.01)
    asking[0].cancel()  # whoever was first may go away
    slow.goes_on.set()
    await asyncio.gather(*asking, return_exceptions=True)
    assert slow.asked == ["a", "b"]
    assert [task.result() for task in asking[1:]] == [2] * 19


async def test_it_is_told_again_from_when_it_was_found_out() -> None:
    slow = Slow()
    kept = KeptEach(slow.load, 0.3)
    first = asyncio.create_task(kept.get("a"))
    await asyncio.sleep(0.4)  # longer than it is kept
    slow.goes_on.set()
    assert (await first, await kept.get("a")) == (1, 1)
    await asyncio.sleep(0.4)
    assert await kept.get("a") == 2


async def test_an_error_is_told_to_all_who_wait_and_not_kept() -> None:
    slow = Slow()
    kept = KeptEach(slow.load, 60)
    slow.fails = True
    asking = [asyncio.create_task(kept.get("a")) for _ in range(3)]
    await asyncio.sleep(0.01)
    slow.goes_on.set()
    for task in asking:
        with pytest.raises(ValueError, match="cannot be said"):
            await task
    slow.fails = False
    assert await kept.get("a") == 2
