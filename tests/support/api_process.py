"""`python -m api` over a stack's servers, with settings of its own, and told to end by tests."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from graphmill.embedded.ports import free_port
from tests.support.stack import Stack

_START_SECONDS = 30


class ApiProcess:
    """For the time of a block; `port`: where it listens, any free one by default."""

    def __init__(
        self, stack: Stack, log: Path, environment: dict[str, str], port: int | None = None
    ) -> None:
        assert stack.addresses is not None
        assert stack.addresses.temporal_address is not None
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        self._environment = stack.environment | {
            "DATABASE_URL": stack.addresses.database_url,
            "TEMPORAL_ADDRESS": stack.addresses.temporal_address,
            "GRAPHMILL_API_PORT": str(self.port),
            **environment,
        }

    def __enter__(self) -> Self:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                (sys.executable, "-P", "-m", "api"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                cwd=self._log.parent,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.05)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """Tell it to end, as everything does that runs services; it takes its time."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> int:
        """Its exit code. It must not take longer."""
        return self._process.wait(seconds)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/live", trust_env=False).is_success
        except httpx.TransportError:
            return False
