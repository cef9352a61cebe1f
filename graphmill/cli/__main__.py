"""Entry point of the `graphmill` command and of `python -m graphmill.cli`."""

import sys

from graphmill.cli.app import app
from graphmill.leaving import leave


def main() -> None:
    try:
        app(prog_name="graphmill")
    except SystemExit as ended:
        if "temporalio.bridge" in sys.modules and isinstance(ended.code, int):
            leave(ended.code)
        raise


if __name__ == "__main__":
    main()
