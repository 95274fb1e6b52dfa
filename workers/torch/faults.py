"""What kind a failure is: what helps against it depends on that."""

import re

MEMORY = re.compile(
    r"OutOfMemory|MemoryError|out of memory|allocate memory|KV cache.*memory|memory.*(KV|kv) cache"
    r"|memory for the cache|memory utilization|CU(BLAS|DNN)_STATUS_ALLOC_FAILED"
)
# What CUDA's libraries add to each of their errors: of their own inner workings, and in the log all the same.
ADDED = re.compile(
    r"\.? Including non-PyTorch memory.*|\n(CUDA kernel errors might|Search for `cuda|GPU device may).*",
    re.DOTALL,
)


class NoDevice(RuntimeError):
    """There is no such GPU."""


def kind_of(error: Exception) -> str:
    if MEMORY.search(f"{type(error).__name__}: {error}"):
        return "out-of-memory"
    if isinstance(error, NoDevice):
        return "no-device"
    if isinstance(error, ImportError):
        return "environment"
    if isinstance(error, OSError) and error.errno == 28:
        return "disk-full"
    return "error"


def words(error: Exception) -> str:
    if isinstance(error, NoDevice):
        return str(error)
    return ADDED.sub("", f"{type(error).__name__}: {error}")


def failure(call: int, error: Exception) -> dict:
    """Of one call: the others go on."""
    return {"call": call, "error": {"kind": kind_of(error), "message": words(error)}}
