"""SHA-256 of each weight of a GGUF, in f32, as transformers' own GGUF loader makes it.

Usage: gguf_weights.py MODEL.gguf OUT.json

The loader is wrong about SmolLM2's tokenizer, which is not asked here; names, shapes and numbers of weights are its own.
"""

import hashlib
import json
import os
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM

source, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(
    os.path.dirname(source), gguf_file=os.path.basename(source), dtype=torch.float32
)
weights = {}
for name, tensor in sorted(model.state_dict().items()):
    data = tensor.contiguous().numpy()
    weights[name] = {"shape": list(data.shape), "sha256": hashlib.sha256(data.tobytes()).hexdigest()}
with open(out, "w") as file:
    json.dump(
        {
            "versions": {"transformers": transformers.__version__, "torch": torch.__version__},
            "source_sha256": hashlib.sha256(open(source, "rb").read()).hexdigest(),
            "weights": weights,
        },
        file,
        indent=1,
    )
