"""What a process takes is told with what its children take, and what they share once."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

from graphmill.process_memory import memory_of_tree

_SIZE = 200_000_000
# A child of a child takes it: a cpu worker's processes are that far away.
_TAKE = f"taken = bytearray({_SIZE}); print('taken', flush=True); input()"
_PASS_ON = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_TAKE!r}])"
_SHARE = f"""
import os
taken = bytearray(b"x") * {_SIZE}
children = []
for _ in range(3):
    if not (child := os.fork()):
        input()
        os._exit(0)
    children.append(child)
print("taken", flush=True)
for child in children:
    os.waitpid(child, 0)
"""


@contextmanager
def _running(code: str) -> Generator[None]:
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    try:
        assert process.stdout.readline() == "taken\n"
        yield
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(30)


def test_what_grandchildren_take_is_counted() -> None:
    before = memory_of_tree()
    with _running(_PASS_ON):
        assert _SIZE < memory_of_tree() - before < 1.5 * _SIZE
    assert memory_of_tree() - before < 0.5 * _SIZE


def test_what_processes_share_is_counted_once() -> None:
    before = memory_of_tree()
    with _running(_SHARE):
        assert _SIZE < memory_of_tree() - before < 1.5 * _SIZE
