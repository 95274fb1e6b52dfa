"""Random blocks of each GGUF type that can be read, and the numbers that the `gguf` package reads from them.

Usage: gguf_blocks.py OUT.json

Every bit pattern of a block is drawn, so scales are subnormal and negative too; only infinite and NaN scales are left out.
"""

import base64
import json
import sys

import gguf
import numpy as np

rng = np.random.default_rng(20240501)
# Blocks of each type, and where in a block its halves lie: scales and minima of whole blocks.
TYPES = {
    "F16": (512, [0]),
    "BF16": (512, []),
    "Q4_0": (16, [0]),
    "Q4_1": (16, [0, 2]),
    "Q5_0": (16, [0]),
    "Q5_1": (16, [0, 2]),
    "Q8_0": (16, [0]),
    "Q2_K": (6, [80, 82]),
    "Q3_K": (6, [108]),
    "Q4_K": (6, [0, 2]),
    "Q5_K": (6, [0, 2]),
    "Q6_K": (6, [208]),
    "IQ4_NL": (16, [0]),
    "IQ4_XS": (6, [0]),
}


def text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


out = {"source": f"gguf {gguf.__version__ if hasattr(gguf, '__version__') else ''}".strip(), "types": {}}
for name, (count, halves) in TYPES.items():
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for half in halves:
        scale = rng.integers(0, 0x7C00, count).astype(np.uint16) | (rng.integers(0, 2, count) << 15).astype(np.uint16)
        blocks[:, half : half + 2] = scale.astype("<u2").view(np.uint8).reshape(count, 2)
    if name == "BF16":
        blocks[:, 1] &= 0xBF  # the exponent's top bit: no infinity, no NaN
    numbers = gguf.quants.dequantize(blocks.reshape(1, -1), kind).astype("<f4").reshape(-1)
    assert numbers.size == count * elements and np.isfinite(numbers).all()
    out["types"][name] = {"bytes": text(blocks), "numbers": text(numbers)}

with open(sys.argv[1], "w") as file:
    json.dump(out, file, indent=1)
    file.write("\n")
