"""LLaMA-Factory on one training job: `train_llamafactory.py SETTINGS.json`; a line `#step {…}` for each optimizer step.

It is started as its own command line starts it (`run_exp`), with a callback that tells the time, loss and gradient norm of
each step, and a wrapper that counts the tokens of each batch. Two checks of versions are passed, in the open:
- `DISABLE_VERSION_CHECK=1`, its own switch;
- PyPI's newest torchaudio was built for another CUDA than PyPI's newest torch, and refuses to be imported beside it, though
  text needs nothing of it: while it is imported, torch says that it was built without CUDA, which is what a CPU has.
"""

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

os.environ.update(DISABLE_VERSION_CHECK="1", HF_HUB_OFFLINE="1")

import torch

cuda, torch.version.cuda = torch.version.cuda, None
import torchaudio  # noqa: F401

torch.version.cuda = cuda

from llamafactory.train.sft.trainer import CustomSeq2SeqTrainer
from llamafactory.train.tuner import run_exp
from transformers import TrainerCallback

IGNORED = -100
counts = {"read": 0, "supervised": 0}
train_on = CustomSeq2SeqTrainer.training_step


def count_and_train(self, model, inputs, *args, **kwargs):
    mask = inputs["attention_mask"]
    if mask.dim() == 4:  # packs: a position that is no padding attends at least to itself
        mask = torch.diagonal(mask[:, 0], dim1=-2, dim2=-1) == 0
    counts["read"] += int(mask.sum())
    counts["supervised"] += int((inputs["labels"][:, 1:] != IGNORED).sum())
    return train_on(self, model, inputs, *args, **kwargs)


CustomSeq2SeqTrainer.training_step = count_and_train


class StepTeller(TrainerCallback):
    def on_step_end(self, *_, **__):
        self.ended = time.time() * 1000

    def on_log(self, args, state, control, logs=None, **_):
        if "grad_norm" not in logs:
            return
        step = {"loss": logs["loss"], "grad_norm": float(logs["grad_norm"]), "ended": self.ended}
        print(f"\n#step {json.dumps(step | counts)}", flush=True)
        counts.update(read=0, supervised=0)


torch.set_num_threads(os.cpu_count())
run_exp(json.loads(Path(sys.argv[1]).read_text()), callbacks=[StepTeller()])
names = ["llamafactory", "torch", "transformers", "peft", "accelerate"]
print(f"\n#done {json.dumps({name: version(name) for name in names})}", flush=True)
