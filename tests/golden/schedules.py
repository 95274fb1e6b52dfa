"""Rates of every Hugging Face schedule over 100 steps, and the Trainer's count of warm-up steps.

Usage: schedules.py OUT.json
"""

import json
import random
import sys
import tempfile
import warnings

import torch
import transformers
from transformers import TrainingArguments, get_scheduler

warnings.filterwarnings("ignore")
STEPS = 100
LEARNING_RATE = 3e-4
METRIC_NAMES = ("reduce_lr_on_plateau", "greedy")

CASES = [
    ("linear", 0, {}),
    ("linear", 13, {}),
    ("linear", 120, {}),
    ("cosine", 7, {}),
    ("cosine", 0, {"num_cycles": 1.3}),
    ("cosine_with_restarts", 7, {"num_cycles": 3}),
    ("cosine_with_restarts", 0, {}),
    ("polynomial", 7, {}),
    ("polynomial", 0, {"lr_end": 1e-5, "power": 2.5}),
    ("constant", 0, {}),
    ("constant_with_warmup", 25, {}),
    ("inverse_sqrt", 20, {}),
    ("inverse_sqrt", 0, {}),
    ("inverse_sqrt", 8, {"timescale": 50}),
    ("cosine_with_min_lr", 10, {"min_lr": 3e-5}),
    ("cosine_with_min_lr", 0, {"min_lr_rate": 0.2, "num_cycles": 0.75}),
    ("cosine_warmup_with_min_lr", 10, {"min_lr_rate": 0.1}),
    ("cosine_warmup_with_min_lr", 10, {"min_lr": 3e-5, "warmup_lr_rate": 0.05}),
    ("cosine_warmup_with_min_lr", 1, {"min_lr": 3e-5, "warmup_lr_rate": 0.05}),
    ("warmup_stable_decay", 10, {"num_decay_steps": 30}),
    ("warmup_stable_decay", 10, {"num_decay_steps": 30, "num_stable_steps": 40, "decay_type": "linear"}),
    (
        "warmup_stable_decay",
        15,
        {"num_decay_steps": 50, "warmup_type": "cosine", "decay_type": "1-sqrt", "min_lr_ratio": 0.1},
    ),
    ("warmup_stable_decay", 15, {"num_decay_steps": 50, "warmup_type": "1-sqrt", "num_cycles": 1.5}),
    ("reduce_lr_on_plateau", 0, {"patience": 2}),
    ("reduce_lr_on_plateau", 0, {"patience": 1, "factor": 0.5, "cooldown": 3, "min_lr": 1e-5}),
    ("reduce_lr_on_plateau", 0, {"patience": 0, "mode": "max", "threshold_mode": "abs", "threshold": 0.01}),
    ("greedy", 0, {}),
    ("greedy", 0, {"patience": 1, "min_lr": 1e-4, "max_lr": 1e-3, "reset_start": 4}),
    ("greedy", 0, {"patience": 0, "min_lr": 1e-5, "smooth": True, "window_size": 5, "warmup": 1, "cooldown": 2}),
    ("greedy", 0, {"patience": 1, "mode": "max", "threshold_mode": "rel", "min_lr": 1e-4, "factor": 0.8}),
]


def rates(name, warmup, settings):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], lr=LEARNING_RATE)
    schedule = get_scheduler(name, optimizer, warmup, STEPS, settings)
    draw = random.Random(7)
    out, metrics = [], []
    for step in range(STEPS):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if name in METRIC_NAMES:
            # Falls, then stays, then rises: every branch is met.
            metrics.append(max(1.0, 3 - step / 12) + max(0, step - 70) / 40 + draw.uniform(-0.04, 0.04))
            schedule.step(metrics[-1])
        else:
            schedule.step()
    case = {"name": name, "warmup_steps": warmup, "settings": settings, "rates": out}
    return {**case, "metrics": metrics} if metrics else case


def warmups():
    """[total, warmup_steps, warmup_ratio, steps] as TrainingArguments counts them."""
    out = []
    with tempfile.TemporaryDirectory() as folder:
        for total in (1, 7, 60, 100, 1001):
            for steps, ratio in ((0, None), (5, None), (0.1, None), (2.7, None), (0, 0.03), (20, 0.1), (20, 0.0), (0, 3)):
                kwargs = {} if ratio is None else {"warmup_ratio": ratio}
                args = TrainingArguments(output_dir=folder, warmup_steps=steps, use_cpu=True, **kwargs)
                out.append([total, steps, ratio, args.get_warmup_steps(total)])
    return out


cases = [rates(*case) for case in CASES]
# LLaMA-Factory's default where neither length is given: a third is stable, the rest decays.
left = STEPS - 10
cases.append({**rates("warmup_stable_decay", 10, {"num_stable_steps": left // 3, "num_decay_steps": left - left // 3}), "settings": {}})

with open(sys.argv[1], "w") as file:
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    head = {"versions": versions, "learning_rate": LEARNING_RATE, "total_steps": STEPS, "warmups": warmups()}
    lines = ",\n".join(json.dumps(case) for case in cases)
    file.write(json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n")
