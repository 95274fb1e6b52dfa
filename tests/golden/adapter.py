"""A LoRA adapter of a model, in PEFT's format, whose A and B are both non-zero and follow from their names.

Usage: adapter.py MODEL_FOLDER OUT_FOLDER [--rank 8] [--alpha 16] [--bound 0.02]

A is uniform in ±1/sqrt(inputs), B in ±bound. No file needs to be kept: tests/golden/named-values.ts makes the same bits.
"""

import argparse

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from reference import LORA_TARGETS, load_model, named_values

arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("out")
arguments.add_argument("--rank", type=int, default=8)
arguments.add_argument("--alpha", type=float, default=16.0)
arguments.add_argument("--bound", type=float, default=0.02)
args = arguments.parse_args()

alpha = int(args.alpha) if args.alpha.is_integer() else args.alpha
lora = LoraConfig(
    r=args.rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=LORA_TARGETS, task_type="CAUSAL_LM"
)
model = get_peft_model(load_model(args.model), lora)
with torch.no_grad():
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            bound = 1 / np.sqrt(weight.shape[1]) if ".lora_A." in name else args.bound
            weight.copy_(torch.from_numpy(named_values(name.replace(".default.", "."), tuple(weight.shape), bound)))
model.save_pretrained(args.out)
print(f"{args.out}: {sum(w.numel() for w in model.parameters() if w.requires_grad)} weights")
