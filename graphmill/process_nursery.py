"""Imported by the fork server alone, before anything else: what its children must be born with."""

import os
import signal

# A SIGTERM to the whole process group asks the parent to drain; the fork server must outlast that,
# or its children, which the kernel kills with it, lose the tasks that are being drained.
signal.signal(signal.SIGTERM, signal.SIG_IGN)

# As many processes as cores: a thread pool in each would only get in the way, and one in the fork
# server would mean forking a process with threads.
for _library in ("OMP", "OPENBLAS", "MKL", "RAYON"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
