"""Where a worker computes."""

import torch
from faults import NoDevice


def device_of(name: str, local: int = 0) -> torch.device:
    """The CPU, or this machine's GPU of that number. Asked first: CUDA's own error names no number."""
    if name == "cpu":
        return torch.device("cpu")
    there = torch.cuda.device_count()
    if local >= there:
        # A driver that is too old for this PyTorch says so here.
        why = "" if torch.version.cuda else ", for it was built without CUDA"
        raise NoDevice(f"GPU {local} is wanted, and PyTorch {torch.__version__} sees {there or 'none'}{why}")
    return torch.device(name, local)
