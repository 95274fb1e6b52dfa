"""What `bench/torch-engine.ts` holds the torch engine against: the same model, adapter, batches and optimizer in a bare loop.

Usage: bare_torch.py TASK.json STEPS.json WORKERS     TASK as the engine writes it, STEPS [{"rows", "targets"}], WORKERS the
folder with rows.py, whose batches are then the same. Prints a JSON line when it is ready, and then, for each line that it
reads, one of a step: seconds and loss.
"""

import json
import sys
import time

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

with open(sys.argv[1]) as file:
    task = json.load(file)
with open(sys.argv[2]) as file:
    steps = json.load(file)
sys.path.insert(0, sys.argv[3])
from rows import Rows, share  # noqa: E402

train = task["train"]
base = AutoModelForCausalLM.from_pretrained(task["model"], dtype=torch.float32, attn_implementation="sdpa")
base.requires_grad_(False)
model = PeftModel.from_pretrained(base, task["adapter"], is_trainable=True).train()
parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
optimizer = torch.optim.AdamW(parameters, lr=train["learning_rate"], weight_decay=train["weight_decay"])
rows = Rows(task["rows"])
print("{}", flush=True)
for step in steps:
    sys.stdin.readline()
    start = time.perf_counter()
    total = 0.0
    for cut in share(step["rows"], rows.length, 1, train["micro_batch_tokens"])[0]:
        batch = rows.batch(cut)
        targets = batch.labels[0, 1:]
        places = (targets != -100).nonzero()[:, 0]
        logits = model(
            input_ids=batch.ids, position_ids=batch.positions, logits_to_keep=places, use_cache=False
        ).logits[0]
        loss = torch.nn.functional.cross_entropy(logits, targets[places], reduction="sum") / step["targets"]
        loss.backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(parameters, train["max_grad_norm"])
    optimizer.step()
    optimizer.zero_grad()
    print(json.dumps({"seconds": time.perf_counter() - start, "loss": total}), flush=True)
