"""Who started a worker: it ends with them, and tells them why it fails. Imports nothing slow: it is the first thing there is."""

import ctypes
import json
import os
import signal
import sys
import traceback
from typing import NoReturn

from faults import words

PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int | None = None) -> None:
    """Linux kills a worker with its parent; elsewhere a closed connection ends it at its next command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != (parent or int(os.environ["TUNERY_PARENT"])):
        # It was gone before that could be asked for.
        os._exit(1)


def fail(kind: str, error: Exception) -> NoReturn:
    """Says why, in the last line of the log, and ends at once: others wait for this rank in a collective."""
    traceback.print_exception(error)
    said = {"kind": kind, "rank": int(os.environ.get("RANK", "0")), "message": words(error)}
    print(f"tunery: {json.dumps(said)}", file=sys.stderr, flush=True)
    os._exit(1)
