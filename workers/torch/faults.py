"""What kind a failure is: what helps against it depends on that."""

import re

MEMORY = re.compile(
    r"OutOfMemory|MemoryError|out of memory|allocate memory|KV cache.*memory|memory.*(KV|kv) cache"
    r"|memory for the cache|memory utilization"
)


def kind_of(error: Exception) -> str:
    if MEMORY.search(f"{type(error).__name__}: {error}"):
        return "out-of-memory"
    if isinstance(error, ImportError):
        return "environment"
    if isinstance(error, OSError) and error.errno == 28:
        return "disk-full"
    return "error"


def words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def failure(call: int, error: Exception) -> dict:
    """Of one call: the others go on."""
    return {"call": call, "error": {"kind": kind_of(error), "message": words(error)}}
