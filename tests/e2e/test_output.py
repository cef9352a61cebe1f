"""What belongs on stdout alone stands there, also while a server is away."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.temporal import temporal_server

# A command that asks a server which has gone meanwhile: the SDK tries again, and logs that.
_COMMAND = """
import sys
from datetime import timedelta
from temporalio.client import Client
from temporalio.service import RPCError
from graphmill.cli.console import emit_json
from graphmill.cli.running import exit_code

async def command():
    client = await Client.connect(sys.argv[1])
    print("connected", file=sys.stderr, flush=True)
    sys.stdin.readline()
    try:
        await client.get_workflow_handle("x").describe(rpc_timeout=timedelta(seconds=8))
    except RPCError:
        emit_json({"answered": False})
    return 0

sys.exit(exit_code(command))
"""


def test_the_sdk_does_not_write_its_log_where_the_json_stands(tmp_path: Path) -> None:
    with temporal_server(tmp_path) as address:
        asking = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert asking.stderr is not None
        assert asking.stderr.readline() == "connected\n"
    out, _ = asking.communicate("\n", timeout=60)
    assert json.loads(out) == {"answered": False}
