"""Real processes, really killed."""

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import psutil
import pytest

from graphmill.errors import FailureReason, InvalidDocument, NoText, PermanentError, TransientError
from graphmill.process_pool import (
    PoolClosed,
    ProcessDied,
    ProcessPool,
    TaskFailed,
    TaskTimedOut,
    TaskTooLarge,
)

MEMORY = 1_000_000_000
SECONDS = 30.0


def echo(value: object) -> object:
    return value


def process_id() -> int:
    return os.getpid()


def sleep(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def note_and_sleep(path: str, seconds: float) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(seconds)


def append_and_sleep(path: str, seconds: float) -> None:
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(seconds)


def kill_self(number: int) -> None:
    os.kill(os.getpid(), number)


def read_address_zero() -> None:
    ctypes.string_at(0)


def leave(code: int) -> None:
    sys.exit(code)


def allocate(size: int) -> int:
    return len(bytearray(size))


def refuse() -> None:
    raise InvalidDocument(FailureReason.CORRUPT, "mend it")


def find_nothing() -> None:
    raise NoText("blank")


class Large:
    """Takes as long to pickle, and to load, as what is very large."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __reduce__(self) -> tuple[Callable[[bytes], "Large"], tuple[bytes]]:
        time.sleep(2)
        return load_large, (self.content,)


def load_large(content: bytes) -> Large:
    time.sleep(2)
    return Large(content)


class Unpicklable(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def fail_unpicklably() -> None:
    raise Unpicklable("secret text", "more")


def divide() -> float:
    return 1 / 0


def time_out_inside() -> None:
    raise TimeoutError("my own")


def limits() -> tuple[int, int, int]:
    kinds = (resource.RLIMIT_AS, resource.RLIMIT_CORE, resource.RLIMIT_FSIZE)
    return tuple(resource.getrlimit(kind)[0] for kind in kinds)  # type: ignore[return-value]


def write_file(path: str, size: int) -> None:
    Path(path).write_bytes(b"x" * size)


def fork_server_threads() -> int:
    return psutil.Process(os.getppid()).num_threads()


_warm: list[str] = []


def warm_up() -> None:
    _warm.append("warm")


def fail_to_warm_up() -> None:
    raise RuntimeError("no")


def warmth() -> list[str]:
    return _warm


@contextlib.asynccontextmanager
async def pool_of(
    max_workers: int, tasks_per_process: int = 1000
) -> AsyncGenerator[ProcessPool, None]:
    pool = ProcessPool(max_workers, tasks_per_process, MEMORY)
    try:
        yield pool
    finally:
        await pool.terminate()


async def gone(process: int, seconds: float = 10.0) -> bool:
    for _ in range(int(seconds * 50)):
        if not psutil.pid_exists(process):
            return True
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(process).status() == psutil.STATUS_ZOMBIE:
                return True
        await asyncio.sleep(0.02)
    return False


async def text_of(path: Path) -> str:
    while not path.exists() or not path.read_text():
        await asyncio.sleep(0.01)
    return path.read_text()


async def test_a_function_runs_in_another_process_and_its_value_comes_back() -> None:
    async with pool_of(1) as pool:
        assert await pool.run(echo, ("ä", b"\0", 3), timeout_seconds=SECONDS) == ("ä", b"\0", 3)
        assert await pool.run(process_id, timeout_seconds=SECONDS) != os.getpid()


async def test_large_arguments_and_results_pass() -> None:
    large = os.urandom(20_000_000)
    async with pool_of(1) as pool:
        assert await pool.run(echo, large, timeout_seconds=SECONDS) == large


async def test_tasks_run_side_by_side_up_to_the_number_of_workers() -> None:
    async with pool_of(2) as pool:
        await pool.start()
        started = time.monotonic()
        pids = await asyncio.gather(
            *(pool.run(sleep, 1.0, timeout_seconds=SECONDS) for _ in range(4))
        )
        assert len(set(pids)) == 2
        assert 2.0 <= time.monotonic() - started < 3.8


async def test_errors_keep_their_type_and_reason() -> None:
    async with pool_of(1) as pool:
        with pytest.raises(InvalidDocument, match="corrupt: mend it") as invalid:
            await pool.run(refuse, timeout_seconds=SECONDS)
        assert invalid.value.reason is FailureReason.CORRUPT
        with pytest.raises(NoText, match="blank"):
            await pool.run(find_nothing, timeout_seconds=SECONDS)
        with pytest.raises(ZeroDivisionError) as unexpected:
            await pool.run(divide, timeout_seconds=SECONDS)
        assert "return 1 / 0" in unexpected.value.__notes__[0]


async def test_an_error_that_does_not_pickle_is_named_without_its_text() -> None:
    async with pool_of(1) as pool:
        with pytest.raises(TaskFailed, match="Unpicklable was raised") as error:
            await pool.run(fail_unpicklably, timeout_seconds=SECONDS)
        assert "secret" not in str(error.value)


async def test_a_task_over_its_time_is_killed_and_the_next_is_served() -> None:
    async with pool_of(1) as pool:
        before = await pool.run(process_id, timeout_seconds=SECONDS)
        with pytest.raises(TaskTimedOut, match=r"0\.2 seconds"):
            await pool.run(sleep, 60, timeout_seconds=0.2)
        assert await gone(before)
        assert await pool.run(process_id, timeout_seconds=SECONDS) != before


async def test_a_timeout_error_of_the_task_itself_is_not_taken_for_ours() -> None:
    async with pool_of(1) as pool:
        before = await pool.run(process_id, timeout_seconds=SECONDS)
        with pytest.raises(TimeoutError, match="my own"):
            await pool.run(time_out_inside, timeout_seconds=SECONDS)
        assert await pool.run(process_id, timeout_seconds=SECONDS) == before


async def test_waiting_for_a_process_does_not_count_as_time() -> None:
    async with pool_of(1) as pool:
        await pool.start()
        first = asyncio.create_task(pool.run(sleep, 1.0, timeout_seconds=SECONDS))
        await asyncio.sleep(0.05)
        await pool.run(sleep, 0.1, timeout_seconds=0.8)
        await first


@pytest.mark.parametrize(
    ("function", "args", "words"),
    [
        (kill_self, (signal.SIGKILL,), "SIGKILL"),
        (read_address_zero, (), "SIGSEGV"),
        (kill_self, (signal.SIGABRT,), "SIGABRT"),
        (leave, (3,), "exit code 3"),
    ],
)
async def test_a_process_that_dies_costs_its_own_task_only(
    function: object, args: tuple[object, ...], words: str
) -> None:
    async with pool_of(2) as pool:
        await pool.start()
        other = asyncio.create_task(pool.run(sleep, 0.5, timeout_seconds=SECONDS))
        await asyncio.sleep(0.1)
        with pytest.raises(ProcessDied, match=words):
            await pool.run(function, *args, timeout_seconds=SECONDS)  # type: ignore[arg-type]
        again = await pool.run(process_id, timeout_seconds=SECONDS)
        assert await other != again
        assert len(pool.process_ids) == 2


async def test_kills_from_outside_in_the_middle_of_tasks_cost_those_tasks_only() -> None:
    async with pool_of(3) as pool:
        await pool.start()
        tasks = [
            asyncio.create_task(pool.run(sleep, 0.6, timeout_seconds=SECONDS)) for _ in range(3)
        ]
        await asyncio.sleep(0.2)
        killed = pool.process_ids[1]
        os.kill(killed, signal.SIGKILL)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(end, ProcessDied) for end in ends) == 1
        assert killed not in ends


async def test_idle_processes_that_were_killed_are_replaced_unnoticed() -> None:
    async with pool_of(2) as pool:
        await pool.start()
        for _ in range(5):
            for process in pool.process_ids:
                os.kill(process, signal.SIGKILL)
            results = [pool.run(echo, n, timeout_seconds=SECONDS) for n in range(6)]
            assert await asyncio.gather(*results) == list(range(6))


async def test_the_fork_server_may_be_killed_too() -> None:
    async with pool_of(2) as pool:
        process = await pool.run(process_id, timeout_seconds=SECONDS)
        server = psutil.Process(process).ppid()
        assert server != os.getpid()
        os.kill(server, signal.SIGKILL)
        assert await gone(process)  # children go with it
        assert await pool.run(echo, "on", timeout_seconds=SECONDS) == "on"


async def test_too_much_memory_is_said_and_the_process_replaced() -> None:
    async with pool_of(1) as pool:
        before = await pool.run(process_id, timeout_seconds=SECONDS)
        with pytest.raises(TaskTooLarge, match="1,000 MB"):
            await pool.run(allocate, 2_000_000_000, timeout_seconds=SECONDS)
        assert await pool.run(process_id, timeout_seconds=SECONDS) != before


async def test_memory_core_files_and_written_files_are_bounded(tmp_path: Path) -> None:
    async with pool_of(1) as pool:
        memory, core, file = await pool.run(limits, timeout_seconds=SECONDS)
        assert (memory, core) == (MEMORY, 0)
        with pytest.raises(OSError, match="too large"):
            await pool.run(write_file, str(tmp_path / "f"), file + 1, timeout_seconds=SECONDS)


async def test_cancelling_kills_the_child_in_the_middle_of_its_task(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    async with pool_of(1) as pool:
        task = asyncio.create_task(
            pool.run(note_and_sleep, str(note), 60.0, timeout_seconds=SECONDS)
        )
        child = int(await text_of(note))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await gone(child)
        assert await pool.run(echo, 1, timeout_seconds=SECONDS) == 1


async def test_cancelled_while_waiting_for_a_process_nothing_is_killed() -> None:
    async with pool_of(1) as pool:
        await pool.start()
        first = asyncio.create_task(pool.run(sleep, 0.5, timeout_seconds=SECONDS))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(pool.run(echo, 2, timeout_seconds=SECONDS))
        await asyncio.sleep(0.1)
        second.cancel()
        assert await first in pool.process_ids


async def test_processes_are_recycled_after_so_many_tasks() -> None:
    async with pool_of(1, tasks_per_process=3) as pool:
        pids = [await pool.run(process_id, timeout_seconds=SECONDS) for _ in range(9)]
        assert [len(set(pids[i : i + 3])) for i in (0, 3, 6)] == [1, 1, 1]
        assert len(set(pids)) == 3
        assert await gone(pids[0])


async def test_close_lets_accepted_tasks_end_and_takes_no_more() -> None:
    pool = ProcessPool(1, 1000, MEMORY)
    tasks = [asyncio.create_task(pool.run(sleep, 0.3, timeout_seconds=SECONDS)) for _ in range(2)]
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(pool.close())
    await asyncio.sleep(0.05)
    with pytest.raises(PoolClosed):
        await pool.run(echo, 1, timeout_seconds=SECONDS)
    await closing
    pids = await asyncio.gather(*tasks)
    assert len(set(pids)) <= 2
    assert pool.process_ids == ()
    for process in pids:
        assert await gone(process)


async def test_terminate_kills_running_tasks_at_once() -> None:
    pool = ProcessPool(1, 1000, MEMORY)
    await pool.start()
    child = pool.process_ids[0]
    task = asyncio.create_task(pool.run(sleep, 60, timeout_seconds=SECONDS))
    await asyncio.sleep(0.2)
    started = time.monotonic()
    await pool.terminate()
    with pytest.raises(ProcessDied):
        await task
    assert time.monotonic() - started < 5
    assert await gone(child)


async def test_children_ignore_ctrl_c_and_a_supervisors_sigterm() -> None:
    async with pool_of(1) as pool:
        await pool.start()
        child = pool.process_ids[0]
        task = asyncio.create_task(pool.run(sleep, 0.5, timeout_seconds=SECONDS))
        await asyncio.sleep(0.1)
        for process in (child, psutil.Process(child).ppid()):
            os.kill(process, signal.SIGINT)
            os.kill(process, signal.SIGTERM)
        assert await task == child


async def test_a_new_process_is_warmed_up_before_its_first_task() -> None:
    pool = ProcessPool(1, 1000, MEMORY, initializer=warm_up)
    assert await pool.run(warmth, timeout_seconds=SECONDS) == ["warm"]
    assert await pool.run(warmth, timeout_seconds=SECONDS) == ["warm"]
    await pool.close()


TWO_POOLS = textwrap.dedent(
    """
    import asyncio
    from graphmill.process_pool import ProcessPool

    async def main():
        ProcessPool(1, 1000, 1_000_000_000, preload=["wave"])
        later = ProcessPool(1, 1000, 1_000_000_000)
        print(await later.run(eval, "'wave' in __import__('sys').modules", timeout_seconds=60))
        await later.close()

    if __name__ == "__main__":
        asyncio.run(main())
    """
)


def test_a_pool_takes_nothing_from_what_another_has_loaded_for_its_processes(
    tmp_path: Path,
) -> None:
    script = tmp_path / "pools.py"
    script.write_text(TWO_POOLS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.stdout == "True\n", done.stderr


async def test_a_process_that_cannot_start_is_an_error_and_not_a_hang() -> None:
    pool = ProcessPool(1, 1000, MEMORY, initializer=fail_to_warm_up)
    with pytest.raises(ProcessDied, match="exit code 1"):
        await pool.start()
    await pool.terminate()


async def test_the_process_that_is_forked_has_one_thread() -> None:
    async with pool_of(1) as pool:
        assert await pool.run(fork_server_threads, timeout_seconds=SECONDS) == 1


def test_errors_are_of_the_family_that_says_whether_to_retry() -> None:
    assert issubclass(ProcessDied, TransientError)
    assert issubclass(PoolClosed, TransientError)
    assert issubclass(TaskTimedOut, PermanentError)
    assert issubclass(TaskTooLarge, PermanentError)


PARENT = textwrap.dedent(
    """
    import asyncio, sys, time
    from graphmill.process_pool import ProcessPool

    async def main():
        pool = ProcessPool(2, 1000, 1_000_000_000)
        await pool.start()
        task = asyncio.create_task(pool.run(time.sleep, 60, timeout_seconds=100))
        await asyncio.sleep(0.3)
        print(*pool.process_ids, flush=True)
        await asyncio.to_thread(sys.stdin.readline)

    if __name__ == "__main__":
        asyncio.run(main())
    """
)


@pytest.mark.parametrize("how", ["kill", "leave"])
async def test_children_end_with_their_parent_busy_or_idle(tmp_path: Path, how: str) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        children = [int(word) for word in parent.stdout.readline().split()]
        servers = {psutil.Process(child).ppid() for child in children}
        assert len(children) == 2
        # Both were looked at before it may go: of a child that ends at once there is no parent.
        if how == "kill":
            parent.kill()
        else:
            parent.stdin.close()
        parent.wait(timeout=20)
        for process in (*children, *servers):
            assert await gone(process)


async def test_the_event_loop_goes_on_while_large_arguments_and_results_are_pickled() -> None:
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            longest, last = max(longest, now - last), now

    async with pool_of(1) as processes:
        await processes.start()
        ticking = asyncio.create_task(tick())
        await asyncio.sleep(0.1)
        answer = await processes.run(echo, Large(bytes(1_000_000)), timeout_seconds=SECONDS)
        await asyncio.sleep(0.1)
        ticking.cancel()
    assert isinstance(answer, Large)
    assert longest < 1.5
