"""torch's AdamW over 100 steps: weight decay on some tensors, clipping of the global norm, a rate that changes.

Usage: optim.py OUT   (writes OUT.safetensors and OUT.json)

  start.N, grads.N [100, ...]   tensor N and its raw gradient at each step
  after10.N, param.N, m.N, v.N  the parameter after 10 steps; all of them after 100, in f32
  exact.N                       the parameter after 100 steps of the same in f64, to tell the noise of f32
The JSON holds each step's rate and its gradient norm before clipping.
"""

import json
import math
import sys

import torch
from safetensors.torch import save_file

STEPS = 100
MAX_GRAD_NORM = 1.0
BETAS, EPS = (0.9, 0.999), 1e-8
# Shape, weight decay, size of the gradients: the last ones are near eps, where its place in the formula shows.
TENSORS = [([7, 5], 0.1, 0.15), ([33], 0.0, 0.05), ([4, 3, 2], 0.01, 1e-3), ([19], 0.1, 3e-8)]


def steps(dtype, starts, grads, rates):
    params = [torch.nn.Parameter(start.to(dtype, copy=True)) for start in starts]
    groups = [{"params": [p], "weight_decay": decay} for p, (_, decay, _) in zip(params, TENSORS)]
    optimizer = torch.optim.AdamW(groups, lr=rates[0], betas=BETAS, eps=EPS, foreach=False)
    norms, early = [], None
    for step, rate in enumerate(rates):
        for group in optimizer.param_groups:
            group["lr"] = rate
        for p, g in zip(params, grads):
            p.grad = g[step].to(dtype).clone()
        norms.append(torch.nn.utils.clip_grad_norm_(params, MAX_GRAD_NORM).item())
        optimizer.step()
        if step == 9:
            early = [p.detach().clone() for p in params]
    state = [optimizer.state[p] for p in params]
    return [p.detach() for p in params], [s["exp_avg"] for s in state], [s["exp_avg_sq"] for s in state], early, norms


generator = torch.Generator().manual_seed(11)
starts = [torch.randn(shape, generator=generator) for shape, _, _ in TENSORS]
grads = []
for shape, _, size in TENSORS:
    drift = torch.randn(shape, generator=generator)
    swing = torch.tensor([0.3 + math.sin(step / 5) ** 2 for step in range(STEPS)]).view(-1, *[1] * len(shape))
    grads.append((torch.randn([STEPS, *shape], generator=generator) + drift) * size * swing)
rates = [1e-3 * min(1, (step + 1) / 10) * (1 - step / (2 * STEPS)) for step in range(STEPS)]

params, m, v, early, norms = steps(torch.float32, starts, grads, rates)
exact, *_ = steps(torch.float64, starts, grads, rates)
tensors = {}
for i in range(len(TENSORS)):
    tensors.update(
        {f"start.{i}": starts[i], f"grads.{i}": grads[i], f"after10.{i}": early[i], f"param.{i}": params[i]}
    )
    tensors.update({f"m.{i}": m[i], f"v.{i}": v[i], f"exact.{i}": exact[i]})
    error = ((params[i].double() - exact[i]).abs() / exact[i].abs()).max().item()
    print(f"tensor {i}: torch's f32 differs from f64 by {error:.2e} relative, moved by {(exact[i] - starts[i]).norm():.3f}")
clipped = sum(norm > MAX_GRAD_NORM for norm in norms)
print(f"{clipped} of {STEPS} steps clipped")
assert 10 < clipped < 90

save_file({name: t.contiguous() for name, t in tensors.items()}, sys.argv[1] + ".safetensors", {"format": "pt"})
with open(sys.argv[1] + ".json", "w") as file:
    head = {
        "versions": {"torch": torch.__version__},
        "betas": BETAS,
        "eps": EPS,
        "max_grad_norm": MAX_GRAD_NORM,
        "weight_decay": [decay for _, decay, _ in TENSORS],
        "learning_rate": rates,
        "grad_norm": norms,
    }
    json.dump(head, file)
    file.write("\n")
