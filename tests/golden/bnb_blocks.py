"""What bitsandbytes makes of seeded numbers: codes and scales of NF4 and FP4, scales in eight bits, rows of signed bytes.

Usage: bnb_blocks.py OUT.json     (bitsandbytes 0.50, torch 2.15)

Lengths with short last blocks and odd ones, blocks of zeros, sources in f32, bf16 and f16. Nested scales are given twice: as the
CPU library encodes them, and by the nearest value (the plain torch operator of the same package).
"""

import base64
import json
import sys

import bitsandbytes
import bitsandbytes.functional as F
import torch

torch.manual_seed(7)
DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


def text(tensor: torch.Tensor) -> str:
    return base64.b64encode(tensor.contiguous().view(torch.uint8).numpy().tobytes()).decode()


def source(length: int) -> torch.Tensor:
    x = torch.randn(length) * torch.rand(length).mul(3).sub(2).exp()
    x[64:128] = 0
    if length > 300:
        x[200:264] = -x[200]
    return x


cases = []
for length in [1, 5, 63, 64, 65, 127, 130, 256, 1000]:
    for name, dtype in DTYPES.items():
        x = source(length).to(dtype)
        for kind in ("nf4", "fp4"):
            codes, state = F.quantize_4bit(x, quant_type=kind)
            cases.append(
                {
                    "type": kind.upper(), "source": name, "length": length, "bytes": text(x),
                    "codes": text(codes.reshape(-1)), "scales": text(state.absmax),
                    "numbers": text(F.dequantize_4bit(codes, state).reshape(-1).float() if name == "F32" else torch.zeros(0)),
                }
            )

nested = []
for length in [64, 64 * 256, 64 * 300 + 10]:
    x = source(length)
    codes, state = F.quantize_4bit(x, quant_type="nf4", compress_statistics=True)
    scales = F.quantize_4bit(x, quant_type="nf4")[1].absmax
    z = scales - state.offset
    bounds = (state.state2.code[:-1] + state.state2.code[1:]) / 2
    parts = []
    for block in z.split(256):
        most = block.abs().max()
        scaled = block * (1.0 / most.clamp(min=1e-38)) if block.numel() == 256 else block / most.clamp(min=1e-38)
        parts.append(torch.bucketize(scaled.clamp(-1, 1), bounds).to(torch.uint8))
    nested.append(
        {
            "length": length, "codes": text(codes.reshape(-1)), "scales": text(scales), "offset": state.offset.item(),
            "cpu": text(state.absmax), "nearest": text(torch.cat(parts)), "second": text(state.state2.absmax),
            "numbers": text(F.dequantize_4bit(codes, state).reshape(-1)) if length < 2000 else text(F.dequantize_4bit(codes, state).reshape(-1)[-1000:]),
        }
    )

rows = []
for name, dtype in DTYPES.items():
    w = source(6 * 50).reshape(6, 50).to(dtype)
    codes, stats, _ = F.int8_vectorwise_quant(w.float())
    rows.append({"source": name, "columns": 50, "bytes": text(w), "codes": text(codes), "scales": text(stats)})

with open(sys.argv[1], "w") as file:
    json.dump(
        {
            "source": f"bitsandbytes {bitsandbytes.__version__}, torch {torch.__version__}",
            "map": text(F.create_dynamic_map()), "cases": cases, "nested": nested, "rows": rows,
        },
        file,
        indent=1,
    )
    file.write("\n")
