"""`python -m benchmarks.peers`: this part of the benchmark alone."""

import argparse
import asyncio

from benchmarks.comparison import console, shared_folder
from benchmarks.peers.comparison import DOCUMENTS, compare_peers

if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--documents", type=int, default=DOCUMENTS)
    words.add_argument("--without-graphmill", action="store_true", help="the peers alone")
    given = words.parse_args()
    asyncio.run(
        compare_peers(
            shared_folder(),
            console,
            documents=given.documents,
            ours=not given.without_graphmill,
        )
    )
