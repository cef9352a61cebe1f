"""The end of a process that has used Temporal's SDK."""

import contextlib
import logging
import os
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End at once, with what was written flushed.

    The SDK's threads may still call into an interpreter that is being taken down, which aborts the
    process ("PyGILState_Release", temporalio/sdk-python#300): what has done its work would end with
    -6. All that has to be closed is closed by now.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # whoever read it is gone
            stream.flush()
    os._exit(code)
