"""A process that outlives the supervisor for a moment, to end the supervisor's parts.

Run by the supervisor as `python -m graphmill.embedded.guardian HOME`. A process rather than
PR_SET_PDEATHSIG: that signal follows the thread that forked, reaches no grandchildren, and exists
on Linux only.
"""

import signal
import sys
from pathlib import Path

from graphmill.embedded.home import Home
from graphmill.embedded.leftovers import end_leftovers


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()  # returns when the supervisor has ended, in whichever way
    end_leftovers(Home.at(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
