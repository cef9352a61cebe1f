"""The embedded Temporal server: `temporal server start-dev` over a file, with its Web UI."""

import os
from dataclasses import dataclass
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from graphmill.embedded.home import Home
from graphmill.embedded.ports import LOOPBACK
from graphmill.embedded.supervisor import Part

DATABASE_FILE = "temporal.db"

# Readers do not wait for the writer, and a commit costs no fsync: a kill loses nothing, a power cut
# at most the last moments, after which runs resume from PostgreSQL.
PRAGMAS: dict[str, str] = {"journal_mode": "WAL", "synchronous": "NORMAL"}

# Its heap is small: collecting it a quarter as often saves 8 % of its CPU.
# What the user has set counts.
ENVIRONMENT: dict[str, str] = {"GOGC": "400"}

DYNAMIC_CONFIG: dict[str, str] = {
    # Without these two, priority and fairness keys of tasks are taken and ignored (server 1.29).
    "matching.useNewMatcher": "true",
    "matching.enableFairness": "true",
    # Queues of one partition instead of four: order and rate limits hold for the whole queue, not
    # for each part of it, and one machine fills none.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    # How often in a second a shard looks for what to hand to workers; this server has one shard. At
    # 20, as it comes, each step of a workflow that is alone waits for its turn, 50 ms.
    "history.transferProcessorMaxPollRPS": "200",
}


@dataclass(frozen=True, slots=True)
class TemporalServer:
    """One server in a home, on loopback. Its ports stay the same when it is started again."""

    home: Home
    binary: Path
    port: int
    ui_port: int
    namespace: str

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def ui_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ui_port}"

    def part(self) -> Part:
        options: list[str] = []
        for name, value in PRAGMAS.items():
            options += ["--sqlite-pragma", f"{name}={value}"]
        for name, value in DYNAMIC_CONFIG.items():
            options += ["--dynamic-config-value", f"{name}={value}"]
        if self.namespace != "default":
            options += ["--namespace", self.namespace]
        return Part(
            name="temporal",
            command=(
                *(str(self.binary), "server", "start-dev", "--ip", LOOPBACK),
                *("--port", str(self.port), "--ui-port", str(self.ui_port)),
                # By its name alone, in its folder: the server puts it into a URL unescaped.
                *("--db-filename", DATABASE_FILE),
                *("--log-level", "warn"),
                *options,
            ),
            environment={**ENVIRONMENT, **os.environ},
            folder=self.home.temporal,
            prepare=self.prepare,
            ready=self.is_ready,
            stop_seconds=5,
        )

    def prepare(self) -> None:
        """Throw away a database whose schema may be half made.

        The server makes the schema only where there is no file, so one that was killed while it did
        would never start again. Until it has served once nothing of value can be in it.
        """
        if not self._served.exists():
            for file in self.home.temporal.glob(f"{DATABASE_FILE}*"):
                file.unlink()

    async def is_ready(self) -> bool:
        """Whether it serves its namespace."""
        try:
            client = await Client.connect(self.address, namespace=self.namespace)
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=self.namespace)
            )
        except (RuntimeError, RPCError):
            return False
        self._served.touch()
        return True

    @property
    def _served(self) -> Path:
        return self.home.temporal / "served"
