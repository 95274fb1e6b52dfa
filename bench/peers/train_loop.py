"""A careful training loop of transformers and PEFT: `train_loop.py JOB.json`; a line `#step {…}` for each optimizer step.

As fast as a page of Python makes it: no padding mask (documents are padded to the right, and attention is causal, so that
real positions never see padding), rows of a step grouped by length, logits on supervised positions only, no
recomputation, torch's fused attention and fused AdamW, all cores; in bf16 everything is bf16, the adapter too.
"""

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch
from peft import PeftModel
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

IGNORED = -100
job = json.loads(Path(sys.argv[1]).read_text())
torch.set_num_threads(os.cpu_count())
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[job["dtype"]]
causal = AutoModelForCausalLM.from_pretrained(job["model"], dtype=dtype, attn_implementation="sdpa")
if job["adapter"]:
    PeftModel.from_pretrained(causal, job["adapter"], is_trainable=True, autocast_adapter_dtype=False)
causal.train()
learning = [each for each in causal.parameters() if each.requires_grad]
optimizer = torch.optim.AdamW(learning, lr=job["learning_rate"], weight_decay=0.0, fused=True)


def micro_batches(rows):
    """Rows of like lengths, at most so many positions with their padding."""
    batch = []
    for row in sorted(rows, key=lambda each: len(each["ids"])):
        if batch and (len(batch) + 1) * len(row["ids"]) > job["positions"]:
            yield batch
            batch = []
        batch.append(row)
    yield batch


def padded(rows, key, filler):
    longest = max(len(row[key]) for row in rows)
    return torch.tensor([row[key] + [filler] * (longest - len(row[key])) for row in rows])


for rows in job["steps"]:
    supervised = sum(label != IGNORED for row in rows for label in row["labels"][1:])
    total = 0.0
    for batch in micro_batches(rows):
        hidden = causal.model(input_ids=padded(batch, "ids", 0), use_cache=False).last_hidden_state
        targets = padded(batch, "labels", IGNORED)[:, 1:]
        asked = targets != IGNORED
        logits = causal.lm_head(hidden[:, :-1][asked])
        loss = cross_entropy(logits.float(), targets[asked], reduction="sum") / supervised
        loss.backward()
        total += loss.item()
    norm = torch.nn.utils.clip_grad_norm_(learning, 1.0).item()
    optimizer.step()
    optimizer.zero_grad()
    step = {
        "loss": total,
        "grad_norm": norm,
        "ended": time.time() * 1000,
        "read": sum(len(row["ids"]) for row in rows),
        "supervised": supervised,
    }
    print(f"#step {json.dumps(step)}", flush=True)
names = ["torch", "transformers", "peft"]
print(f"#done {json.dumps({name: version(name) for name in names})}", flush=True)
