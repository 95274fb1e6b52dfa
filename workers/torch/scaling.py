"""The scale of a loss whose gradients are held in fp16 (Micikevicius et al. 2018, arXiv:1710.03740, section 3.2).

A step whose gradients overflow is taken again at half the scale, so no step is lost: its rows are learned all the same.
"""

import torch

BEGIN = 2.0**16
MOST = 2.0**24
GROW_AFTER = 2000


class Scaling:
    """A power of two, so that scaling and undoing it round nothing; 1 where nothing is held in fp16."""

    def __init__(self, on: bool):
        self.on = on
        # The scale, and the steps in a row that did not overflow. A tensor: a checkpoint is read into it.
        self.state = torch.tensor([BEGIN if on else 1.0, 0.0])

    @property
    def scale(self) -> float:
        return float(self.state[0])

    def undo(self, parameters) -> None:
        if not self.on:
            return
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.mul_(1.0 / self.scale)

    def again(self, finite: bool) -> bool:
        """What the step came to; true where it must be taken again."""
        if not self.on:
            return False
        if not finite:
            if self.scale <= 1.0:
                return False
            self.state[0] /= 2
            self.state[1] = 0
            return True
        self.state[1] += 1
        if self.state[1] >= GROW_AFTER and self.scale < MOST:
            self.state[0] *= 2
            self.state[1] = 0
        return False
