"""One optimizer step, and an evaluation: sums over targets, divided by what the plan says."""

import math
import resource
import sys
from contextlib import nullcontext

import attention
import torch
from account import Account
from load import DTYPES
from rows import IGNORED, Batch, Rows, share


class CrossEntropy(torch.autograd.Function):
    """-log p of each target: logits [n, V], targets [n] -> [n], f32.

    torch's own adds a vocabulary's exponentials up one after another on a CPU: 1e-5 too little at 49,152 of them, on every token,
    and gradients that do not sum to zero by as much (torch 2.15). Here the sum is torch.sum's, in pairs; one exponential serves both ways.
    """

    @staticmethod
    def forward(ctx, logits, targets):
        targets = targets[:, None]
        top = logits.amax(-1, keepdim=True)
        p = (logits - top).exp_()
        total = p.sum(-1, keepdim=True)
        ctx.save_for_backward(p.div_(total), targets)
        return (total.log() + top - logits.gather(-1, targets))[:, 0]

    @staticmethod
    def backward(ctx, weights):
        p, targets = ctx.saved_tensors
        weights = weights[:, None]
        return (p * weights).scatter_add_(-1, targets, -weights), None


def losses_of(model, batch: Batch, device, more: dict):
    """Cross-entropies of the batch's targets: their sum, each of them [n], and where each row's lie among them."""
    targets = batch.labels[0, 1:]
    places = (targets != IGNORED).nonzero()[:, 0]
    # Somebody else's rank has rows left where this one has none: its graph must be whole all the same.
    asked = places if len(places) > 0 else torch.zeros(1, dtype=torch.long)
    logits = model(
        input_ids=batch.ids.to(device),
        position_ids=batch.positions.to(device),
        logits_to_keep=asked.to(device),
        use_cache=False,
        **more,
    ).logits[0]
    if len(places) == 0:
        return logits.float().sum() * 0.0, None, []
    losses = CrossEntropy.apply(logits.float(), targets[places].to(device))
    # Position i predicts the token at i + 1: the targets of a row that begins at `start` are predicted from there on.
    bounds = [
        (row, int(torch.searchsorted(places, start)), int(torch.searchsorted(places, end - 1)))
        for row, start, end in batch.rows
    ]
    return losses.sum(), losses.detach(), bounds


def row_sums(losses, bounds) -> list[tuple[int, float, int]]:
    if losses is None:
        return []
    running = torch.cat([losses.new_zeros(1, dtype=torch.float64), losses.double().cumsum(0)]).cpu()
    return [(row, float(running[end] - running[start]), end - start) for row, start, end in bounds]


def peak_memory(device: torch.device) -> int:
    """Bytes: of the device where there is one, else resident in this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def finite(value: float) -> float | None:
    """JSON has no other numbers."""
    return value if math.isfinite(value) else None


class Learner:
    def __init__(self, strategy, rows: Rows | None, evaluations: dict[str, Rows], task: dict, ranks, taken: dict):
        self.strategy, self.rows, self.evaluations = strategy, rows, evaluations
        self.task, self.ranks, self.taken = task, ranks, taken
        self.train = task["train"]

    def computing(self):
        if self.task["compute_dtype"] == "f32":
            return nullcontext()
        return torch.autocast(self.ranks.device.type, DTYPES[self.task["compute_dtype"]])

    def losses_of(self, batch: Batch):
        device = self.ranks.device
        return losses_of(self.strategy.model, batch, device, attention.told(self.strategy.module, batch, device))

    def gradients(self, command: dict) -> dict:
        """Of one step, in the parameters. The sums are those of all ranks."""
        # What a step draws depends on it alone, so a run that goes on draws what it would have drawn.
        torch.manual_seed((self.train["seed"] * 1_000_003 + command["step"]) * self.ranks.size + self.ranks.rank)
        cuts = share(command["rows"], self.rows.length, self.ranks.size, self.train["micro_batch_tokens"])
        mine = cuts[self.ranks.rank]
        model = self.strategy.model
        model.train()
        done, read = [], 0
        account = Account(self.strategy, self.ranks.device) if command.get("account") else None
        if account:
            account.begin()
        for number, cut in enumerate(mine):
            batch = self.rows.batch(cut) if cut else self.rows.nothing()
            with self.strategy.accumulate(last=number == len(mine) - 1):
                with account.forward(batch) if account else nullcontext(), self.computing():
                    total, losses, bounds = self.losses_of(batch)
                # Gradients are averaged over ranks, and their sum is wanted.
                self.strategy.backward(total / command["targets"] * (self.ranks.size * self.strategy.scaling.scale))
            done += row_sums(losses, bounds)
            read += batch.ids.numel() if cut else 0
            if account:
                account.gradients()
        everyone = self.ranks.gather((done, read, peak_memory(self.ranks.device)))
        sums = [row for part, _, _ in everyone for row in part]
        return {
            "loss": finite(sum(total for _, total, _ in sums) / command["targets"]),
            "read": sum(part for _, part, _ in everyone),
            "rows": [(row, finite(total), targets) for row, total, targets in sums],
            "memory": [part for _, _, part in everyone],
            "accounts": self.ranks.gather(account.told()) if account else [],
        }

    def learn(self, command: dict) -> dict:
        """One step."""
        for group in self.strategy.optimizer.param_groups:
            group["lr"] = command["learning_rate"] * group.get("factor", 1.0)
        while True:
            done = self.gradients(command)
            norm = self.strategy.clip(self.train["max_grad_norm"])
            if math.isfinite(norm):
                self.strategy.step()
            self.strategy.clear()
            # A loss that is none is no matter of scale.
            if done["loss"] is None or not self.strategy.scaling.again(math.isfinite(norm)):
                return {**done, "grad_norm": finite(norm)}

    @torch.no_grad()
    def evaluate(self) -> dict:
        """Of each set, its sum of losses and its targets."""
        model = self.strategy.model
        model.eval()
        said = {}
        for name, rows in self.evaluations.items():
            cuts = share(range(rows.count), rows.length, self.ranks.size, self.train["micro_batch_tokens"])
            total, targets = 0.0, 0
            for cut in cuts[self.ranks.rank]:
                batch = rows.batch(cut) if cut else rows.nothing()
                with self.computing():
                    _, losses, _ = self.losses_of(batch)
                if losses is not None:
                    total += float(losses.double().sum())
                    targets += len(losses)
            everyone = self.ranks.gather((total, targets))
            said[name] = {
                "sum": finite(sum(part for part, _ in everyone)),
                "targets": sum(part for _, part in everyone),
            }
        return said
