"""Greedy generation by transformers: `generate_transformers.py JOB.json`; a line `#generated {…}`, as bench/generate-tunery.ts prints it.

Prompts of a batch are of one length: nothing is padded.
"""

import json
import os
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM
from transformers.generation.streamers import BaseStreamer

job = json.loads(Path(sys.argv[1]).read_text())
torch.set_num_threads(os.cpu_count())
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[job["dtype"]]
model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=dtype, attn_implementation="sdpa").eval()


class FirstToken(BaseStreamer):
    """Hears of the prompt, and then of each step; it is for one sequence only, so only the times are kept."""

    def __init__(self):
        self.times = []

    def put(self, value):
        self.times.append(time.perf_counter())

    def end(self):
        pass


def generate(shift):
    ids = torch.tensor(job["prompts"])[:, shift:]
    length, times = job["tokens"], FirstToken()
    began = time.perf_counter()
    with torch.inference_mode():
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=length,
            min_new_tokens=length,
            eos_token_id=None,
            pad_token_id=0,
            streamer=times if len(ids) == 1 else None,
        )
    ended = time.perf_counter()
    if len(ids) > 1:
        # The prompt alone, once more: a batch cannot be heard.
        with torch.inference_mode():
            start = time.perf_counter()
            model(ids, logits_to_keep=1)
            first = began + time.perf_counter() - start
    else:
        first = times.times[1]
    return {
        "prompt_seconds": first - began,
        "decode_seconds": ended - first,
        "ids": out[:, ids.shape[1] :].tolist(),
    }


generate(1)
print("#generated " + json.dumps(generate(0)), flush=True)
