"""`make bench`, or `python benchmarks/run.py [--quick] [--only PART] [--peers]`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python put this file's folder on the path; what is imported lies beside that.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from benchmarks.command import main

    main()
