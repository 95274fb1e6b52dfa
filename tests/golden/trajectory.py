"""Trains on given steps with transformers and PEFT, and says each step's loss and gradient norm.

Usage: trajectory.py MODEL_FOLDER BATCHES OUT.json --mode lora|full [--adapter FOLDER] [--steps N] [--lr R]
       [--weight-decay W] [--max-grad-norm G] [--dtype f32|f64] [--expand] [--save FOLDER]

BATCHES is JSON lines, one an optimizer step, as `tunery debug batches` prints them: {step, rows: [{row, input_ids,
labels}]}; or a trajectory of this folder (a JSON with `rows` and `steps`), whose steps are then taken again.

AdamW (betas 0.9 and 0.999, eps 1e-8), constant rate, dropout 0. Rows go through the model one by one, without padding;
loss = sum of cross-entropies / targets of the whole step, a target being a label other than -100 after the shift.
Weight decay skips norms and biases. The gradient norm is the one before clipping.
"""

import argparse
import json
import time

import torch
from reference import load_model, versions, write_json

arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("batches")
arguments.add_argument("out")
arguments.add_argument("--mode", choices=("lora", "full"), required=True)
arguments.add_argument("--adapter")
arguments.add_argument("--steps", type=int)
arguments.add_argument("--lr", type=float, default=1e-4)
arguments.add_argument("--weight-decay", type=float, default=0.0)
arguments.add_argument("--max-grad-norm", type=float, default=1.0)
arguments.add_argument("--dtype", choices=("f32", "f64"), default="f32")
arguments.add_argument("--expand", action="store_true", help="expand bitsandbytes' blocks once, not at every product")
arguments.add_argument("--save", help="folder for what was trained, in the end")
args = arguments.parse_args()
if (args.mode == "lora") != (args.adapter is not None):
    arguments.error("lora needs --adapter, full takes none")


def read_batches(path):
    """[[row, ...], ...], each row with its name, ids and labels."""
    with open(path) as file:
        text = file.read()
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line)["rows"] for line in text.splitlines() if line]
    if "steps" not in whole:
        return [whole["rows"]]
    return [[whole["rows"][index] for index in step] for step in whole["steps"]]


def is_norm_or_bias(name):
    return name.endswith(".bias") or "norm" in name


steps = read_batches(args.batches)[: args.steps]
model = load_model(args.model, args.adapter, args.dtype, trainable=True, expand=args.expand)
named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
parameters = [p for _, p in named]
optimizer = torch.optim.AdamW(
    [
        {"params": [p for name, p in named if not is_norm_or_bias(name)], "weight_decay": args.weight_decay},
        {"params": [p for name, p in named if is_norm_or_bias(name)], "weight_decay": 0.0},
    ],
    lr=args.lr,
    betas=(0.9, 0.999),
    eps=1e-8,
)

losses, norms, start = [], [], time.time()
for number, rows in enumerate(steps, start=1):
    targets = sum(sum(label != -100 for label in row["labels"][1:]) for row in rows)
    total = 0.0
    for row in rows:
        logits = model(input_ids=torch.tensor([row["input_ids"]]), use_cache=False).logits[0]
        labels = torch.tensor(row["labels"])
        loss = torch.nn.functional.cross_entropy(logits[:-1], labels[1:], ignore_index=-100, reduction="sum")
        (loss / targets).backward()
        total += loss.item()
    losses.append(total / targets)
    norms.append(torch.nn.utils.clip_grad_norm_(parameters, args.max_grad_norm).item())
    optimizer.step()
    optimizer.zero_grad()
    print(f"step {number}: loss {losses[-1]:.6f} grad_norm {norms[-1]:.5f} ({time.time() - start:.0f} s)", flush=True)

if args.save:
    model.save_pretrained(args.save)
head = {
    "versions": versions(),
    "mode": args.mode,
    "dtype": args.dtype,
    "learning_rate": args.lr,
    "weight_decay": args.weight_decay,
    "max_grad_norm": args.max_grad_norm,
}
ends = [sum(part) / len(part) for part in (losses[:5], losses[-5:])]
print(f"mean loss of the last five {ends[1]:.4f}, of the first five {ends[0]:.4f}: ratio {ends[1] / ends[0]:.3f}")
# Each row once, however often the steps take it.
table = {json.dumps(row): row for rows in steps for row in rows}
places = {key: index for index, key in enumerate(table)}
write_json(
    args.out,
    {**head, "loss": losses, "grad_norm": norms, "steps": [[places[json.dumps(r)] for r in rows] for rows in steps]},
    {"rows": list(table.values())},
)
