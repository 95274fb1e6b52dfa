"""Small SafeTensors and GGUF files by the reference writers, and what the GGUF tensors decode to.

    python tests/golden/files.py tests/golden/files

Made with safetensors 0.8.0, gguf 0.19.0, torch 2.15, numpy 2.4. Seeded: a second run writes the same bytes.
"""
import os
import sys

import gguf
import numpy as np
import torch
from safetensors.torch import save_file

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
torch.manual_seed(3)
rng = np.random.default_rng(3)

# Each dtype, an empty tensor, a scalar, and names whose order a naive sort would get wrong.
tensors = {
    "b": torch.randn(2),
    "a": torch.arange(3, dtype=torch.uint8),
    "c": torch.randn(2, 2).bfloat16(),
    "10": torch.tensor([2**53 + 1]),
    "\u00e9": torch.tensor(1.5),
    "\U0001f600": torch.randn(1),
    "\uffff": torch.randn(1),
    "d": torch.zeros(0, 3),
    "e": torch.randn(3).half(),
    "f": torch.randn(1, dtype=torch.float64),
    "g": torch.tensor([True, False, True, True, False]),
    "h": torch.tensor([-5], dtype=torch.int32),
    "i": torch.tensor([-5, 6], dtype=torch.int8),
    "j": torch.tensor([-5], dtype=torch.int16),
}
save_file(tensors, f"{out}/sample.safetensors", {"format": "pt", "note": "\u00e9 \"quoted\""})

writer = gguf.GGUFWriter(f"{out}/sample.gguf", "llama")
writer.add_uint8("t.u8", 200)
writer.add_int8("t.i8", -100)
writer.add_uint16("t.u16", 60000)
writer.add_int16("t.i16", -30000)
writer.add_uint32("t.u32", 4_000_000_000)
writer.add_int32("t.i32", -2_000_000_000)
writer.add_float32("t.f32", 1e-5)
writer.add_bool("t.bool", True)
writer.add_string("t.text", "h\u00e9llo \U0001f600")
writer.add_uint64("t.u64", 2**63 + 1)
writer.add_int64("t.i64", -5)
writer.add_float64("t.f64", 0.1)
writer.add_array("t.texts", ["one", "", "zw\u00f6lf"])
writer.add_array("t.numbers", [1, -2, 3])
writer.add_array("t.floats", [0.5, -0.25])
decoded = {}
kinds = [
    ("plain", gguf.GGMLQuantizationType.F32),
    ("half", gguf.GGMLQuantizationType.F16),
    ("brain", gguf.GGMLQuantizationType.BF16),
    ("four", gguf.GGMLQuantizationType.Q4_1),
    ("eight", gguf.GGMLQuantizationType.Q8_0),
]
for name, kind in kinds:
    values = (rng.standard_normal((3, 64)) * 4).astype(np.float32)
    data = gguf.quants.quantize(values, kind)
    writer.add_tensor(name, data, raw_dtype=kind)
    decoded[name] = torch.from_numpy(gguf.quants.dequantize(data, kind).astype(np.float32).reshape(3, 64).copy())
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(decoded, f"{out}/sample-gguf.safetensors")
