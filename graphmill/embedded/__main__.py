"""`python -m graphmill.embedded`: get the Temporal server now, where there is none yet.

Building it takes minutes, which somebody who starts tests or a deployment may want to spend first.
"""

import asyncio
import sys

from graphmill.embedded.home import Home
from graphmill.embedded.temporal_binary import find_or_get
from graphmill.errors import GraphmillError
from graphmill.settings import load_settings


def main() -> int:
    try:
        home = Home.at(load_settings().home)
        binary = asyncio.run(find_or_get(home, lambda line: print(line, file=sys.stderr)))
    except GraphmillError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Temporal server: {binary}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
