"""The processes of a run and what they say to each other."""

import os
from datetime import timedelta

import torch
import torch.distributed as dist
from device import device_of


class Ranks:
    """This process among those of the run. `first` leads: it alone speaks with Node."""

    def __init__(self, device: str, always_group: bool = False):
        self.rank = int(os.environ.get("RANK", "0"))
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.local = int(os.environ.get("LOCAL_RANK", "0"))
        self.here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        self.first = self.rank == 0
        self.device = device_of(device, self.local)
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        self.grouped = self.size > 1 or always_group
        if self.grouped:
            # Commands may come hours apart: what is dead is told by its process and its connections, not by a clock.
            backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
            dist.init_process_group(backend, timeout=timedelta(days=2))

    def broadcast(self, value):
        """The first rank's value, on all."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def gather(self, value) -> list:
        """Everyone's value, in the order of ranks, on all."""
        if self.size == 1:
            return [value]
        box = [None] * self.size
        dist.all_gather_object(box, value)
        return box

    def close(self):
        if self.grouped:
            dist.destroy_process_group()
