"""bitsandbytes' 8-bit AdamW over 100 steps, by its own PyTorch code of the update, which runs on a CPU.

Usage: optim8.py OUT   (writes OUT.safetensors; needs bitsandbytes 0.50.2)

  signed, unsigned              the tables of the first and the second moment
  codes1.{m,v}, scales1.{m,v}   the state after one step
  param10, param100             the parameter then
  exact10, exact100             the same with moments in f32, to tell what 8 bits cost
Starts and gradients are drawn as `src/kernels/testing.ts` draws numbers, and need no file.
"""

import sys
import types

import numpy
import torch
from safetensors.torch import save_file

# The module holds kernels for Triton beside the plain ones; only the latter are wanted.
language = types.ModuleType("triton.language")
language.constexpr = object
triton = types.ModuleType("triton")
triton.language = language
triton.jit = lambda *args, **_: args[0] if args and callable(args[0]) else (lambda function: function)
triton.autotune = lambda *_, **__: lambda function: function
triton.Config = lambda *_, **__: None
sys.modules.update({"triton": triton, "triton.language": language})
torch.compile = lambda function: function
from bitsandbytes.backends.triton import kernels_optim  # noqa: E402
del sys.modules["triton"], sys.modules["triton.language"]
from bitsandbytes.functional import create_dynamic_map  # noqa: E402

LENGTH, BETAS, EPS, DECAY = 4396, (0.9, 0.999), 1e-8, 0.01


def numbers(length, seed, low, high):
    """xorshift32, as in src/kernels/testing.ts."""
    state = ((seed * 0x9E3779B9) ^ 0x85EBCA6B) & 0xFFFFFFFF or 1
    values = numpy.empty(length)
    for i in range(length):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        values[i] = low + state / 2**32 * (high - low)
    return torch.tensor(values, dtype=torch.float32)


signed, unsigned = create_dynamic_map(True), create_dynamic_map(False)
param, exact = numbers(LENGTH, 1, -1, 1), torch.nn.Parameter(numbers(LENGTH, 1, -1, 1))
plain = torch.optim.AdamW([exact], betas=BETAS, eps=EPS, weight_decay=DECAY, foreach=False)
blocks = (LENGTH + 255) // 256
state = [torch.zeros(LENGTH, dtype=torch.uint8) for _ in range(2)]
scales = [torch.zeros(blocks) for _ in range(2)]
out = {"signed": signed, "unsigned": unsigned}
for step in range(1, 101):
    # Sizes that differ by a thousand within a block, as a weight's gradients do.
    grad = numbers(LENGTH, 100 + step, -1, 1) * 10 ** numbers(LENGTH, 7, -4, -1)
    rate = 1e-3 * min(1, step / 10)
    kernels_optim.optimizer_update_8bit_blockwise_pytorch(
        param, grad, *state, *BETAS, 0.0, 0.0, EPS, step, rate, signed, unsigned, *scales,
        DECAY, 1.0, False, optimizer_name="adam",
    )
    plain.param_groups[0]["lr"] = rate
    exact.grad = grad.clone()
    plain.step()
    if step == 1:
        for name, codes, scale in zip("mv", state, scales):
            out.update({f"codes1.{name}": codes.clone(), f"scales1.{name}": scale.clone()})
    if step in (10, 100):
        out.update({f"param{step}": param.clone(), f"exact{step}": exact.detach().clone()})
save_file(out, f"{sys.argv[1]}.safetensors")
print((out["param100"] - out["exact100"]).abs().mean().item(), "mean cost of 8 bits")
