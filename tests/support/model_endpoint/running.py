"""The simulated model for a test: started, asked, changed, killed, started again, and ended."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.model_endpoint.behaviour import Behaviour
from tests.support.model_endpoint.ports import reserve
from tests.support.model_endpoint.stats import Stats

_PROJECT_ROOT = Path(__file__).resolve().parents[3]
_START_SECONDS = 30


class ModelEndpoint:
    """`url` is the server's, `base_url` what a client of the OpenAI API takes."""

    def __init__(self, port: int, behaviour: Behaviour, corpus: Path | None) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.url}/v1"
        self._behaviour = behaviour
        self._command = [sys.executable, "-m", "tests.support.model_endpoint", f"--port={port}"]
        self._command += ["--until-stdin-ends"]
        if corpus is not None:
            self._command += [f"--corpus={corpus}"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    async def stats(self, *, arrivals: bool = True) -> Stats:
        """What it has counted; without `arrivals` cheap enough to be asked all the time."""
        response = await self._control("GET", f"stats?arrivals={str(arrivals).lower()}")
        return Stats.from_json(response.content)

    async def change(self, **fields: Any) -> None:
        """Fields of `Behaviour`; they also hold when it is started again."""
        self._behaviour = self._behaviour.changed(fields)
        # The fields alone: a seed that is given begins its series anew, one that is not goes on.
        await self._control("POST", "behaviour", fields)

    async def reset(self) -> None:
        """Count anew; calls that are in the air stay there."""
        await self._control("POST", "reset")

    async def start(self) -> None:
        """Returns when it serves.

        Raises:
            RuntimeError: it does not start; it has said why on standard error.
        """
        assert self._process is None, "it runs"
        self._process = subprocess.Popen(
            [*self._command, f"--behaviour={json.dumps(self._behaviour.to_json())}"],
            cwd=_PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(_START_SECONDS):
                said = await asyncio.to_thread(self._process.stdout.readline)
        except TimeoutError:
            said = b""
        if said.decode().strip() != self.base_url:
            self.kill()
            raise RuntimeError("the simulated model does not start")

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone. Calls in the air are cut."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                pipe.close()
            self._process = None

    async def start_again(self) -> None:
        """On the same port; counts, files and batches begin anew. It is killed first if it runs."""
        self.kill()
        await self.start()

    async def _control(self, method: str, path: str, content: Any = None) -> httpx.Response:
        # A client a call: whoever asks may be in another event loop each time.
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=30) as client:
            response = await client.request(method, f"{self.url}/control/{path}", json=content)
        assert response.is_success, response.text
        return response


@asynccontextmanager
async def running_endpoint(
    behaviour: Behaviour | None = None, *, corpus: Path | None = None
) -> AsyncGenerator[ModelEndpoint]:
    """A simulated model in a process of its own, on a port that stays its own to the end.

    Args:
        corpus: the folder with the answers to replay.
    """
    with reserve("127.0.0.1", 0) as reserved:
        port = int(reserved.getsockname()[1])
        endpoint = ModelEndpoint(port, behaviour or Behaviour(), corpus)
        try:
            await endpoint.start()
            yield endpoint
        finally:
            endpoint.kill()
