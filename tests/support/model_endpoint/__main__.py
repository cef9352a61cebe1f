"""Starts the simulated model: prints its base URL, and serves until it is interrupted."""

import argparse
import json
from pathlib import Path

from tests.support.model_endpoint.behaviour import Behaviour
from tests.support.model_endpoint.endpoint import Endpoint
from tests.support.model_endpoint.server import end_with_parent, serve


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--host", default="127.0.0.1")
    words.add_argument("--port", type=int, default=0, help="0: any free one")
    words.add_argument(
        "--behaviour",
        default="{}",
        help='what differs from the defaults, as JSON: {"places": 50, "seconds": 0.5}',
    )
    words.add_argument("--corpus", type=Path, help="the folder with the answers to replay")
    words.add_argument(
        "--until-stdin-ends", action="store_true", help="end when standard input does"
    )
    given = words.parse_args()
    if given.until_stdin_ends:
        end_with_parent()
    behaviour = Behaviour().changed(json.loads(given.behaviour))
    serve(Endpoint(behaviour, given.corpus), given.host, given.port)


if __name__ == "__main__":
    main()
