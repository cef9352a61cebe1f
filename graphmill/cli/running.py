"""How a command runs: errors in one line, exit codes, Ctrl-C."""

import contextlib
import os
import sys
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, NoReturn

import typer

# 0 done, 1 error, 2 usage, 3 the run ended and some documents of it stand failed.
ERROR = 1
USAGE = 2
DOCUMENTS_FAILED = 3
INTERRUPTED = 130
TERMINATED = 143


def run(command: Callable[[], Coroutine[Any, Any, int]], *, traced: bool = True) -> NoReturn:
    """Run a command to its exit code. What it raises becomes one line on stderr.

    Args:
        traced: whether it is one trace; not where it stays, and runs what has traces of its own.
    """
    raise typer.Exit(exit_code(command, traced=traced))


def exit_code(command: Callable[[], Coroutine[Any, Any, int]], *, traced: bool = False) -> int:
    # Here, not above: `graphmill --help` does without.
    import asyncio

    from graphmill.errors import GraphmillError, InvalidRequest, SettingsError

    _silence_sdk()
    try:
        with _traced() if traced else contextlib.nullcontext():
            return asyncio.run(_until_terminated(command))
    except KeyboardInterrupt:
        return INTERRUPTED
    except asyncio.CancelledError:
        return TERMINATED
    except BrokenPipeError:
        # Whoever read our output has seen enough; closing quietly is what they expect.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ERROR
    except GraphmillError as error:
        _show(str(error))
        return USAGE if isinstance(error, InvalidRequest | SettingsError) else ERROR
    except Exception as error:
        _show(
            f"unexpected {type(error).__name__}: {error}".splitlines()[0]
            + " (GRAPHMILL_DEBUG=1 shows where)"
        )
        return ERROR


@contextlib.contextmanager
def _traced() -> Generator[None]:
    """One trace for the whole command, where traces are sent somewhere."""
    import logging

    from graphmill.telemetry.spans import root_span
    from graphmill.telemetry.tracing import tracing

    # A collector that is away is `doctor`'s to tell, and no part of what a command says.
    logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
    logging.getLogger("opentelemetry").propagate = False
    with tracing("graphmill"), root_span(_command_name(sys.argv[1:])):
        yield


def _command_name(arguments: Sequence[str]) -> str:
    """graphmill index, graphmill documents delete: without what is given to it."""
    from graphmill.cli.app import app

    groups = {group.name for group in app.registered_groups}
    words = arguments[: 2 if arguments and arguments[0] in groups else 1]
    return " ".join(("graphmill", *words))


def _silence_sdk() -> None:
    """Temporal's SDK writes its log to stdout, where --json has its document; what ails a server is
    in the errors that reach us."""
    from temporalio.runtime import Runtime, TelemetryConfig

    with contextlib.suppress(RuntimeError):  # used already: several commands in one process
        Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))


async def _until_terminated(command: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """SIGTERM ends a command as Ctrl-C does: what it started is stopped in order."""
    import asyncio
    import signal

    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await command()


def _show(words: str) -> None:
    import traceback

    from graphmill.cli.console import say

    if os.environ.get("GRAPHMILL_DEBUG") == "1":
        traceback.print_exc()
    say(f"error: {words}")
