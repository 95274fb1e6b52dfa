"""No rank outlives who started it. Imports nothing slow: it is the first thing that a rank does."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Linux kills a rank with its parent; elsewhere a closed connection ends it at its next command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ["TUNERY_PARENT"]):
        # It was gone before that could be asked for.
        os._exit(1)
