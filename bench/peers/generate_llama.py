"""Greedy generation by llama.cpp: `generate_llama.py JOB.json`; a line `#generated {…}`, as bench/generate-tunery.ts prints it."""

import json
import os
import sys
import time
from pathlib import Path

import llama_cpp
import numpy as np

job = json.loads(Path(sys.argv[1]).read_text())
threads = os.cpu_count()
longest = max(len(ids) for ids in job["prompts"]) + job["tokens"]
model = llama_cpp.Llama(
    job["gguf"], n_ctx=longest + 8, n_threads=threads, n_threads_batch=threads, n_batch=512, verbose=False
)
width = model.n_vocab()


def best():
    """Of the last token's logits."""
    logits = llama_cpp.llama_get_logits_ith(model.ctx, -1)
    return int(np.ctypeslib.as_array(logits, shape=(width,)).argmax())


def read(ids):
    array = (llama_cpp.llama_token * len(ids))(*ids)
    if llama_cpp.llama_decode(model.ctx, llama_cpp.llama_batch_get_one(array, len(ids))) != 0:
        raise RuntimeError("llama_decode failed")
    return best()


def generate(shift):
    model._ctx.kv_cache_clear()
    [prompt] = job["prompts"]
    began = time.perf_counter()
    ids = [read(prompt[shift:])]
    first = time.perf_counter()
    while len(ids) < job["tokens"]:
        ids.append(read(ids[-1:]))
    return {"prompt_seconds": first - began, "decode_seconds": time.perf_counter() - first, "ids": [ids]}


generate(1)
print("#generated " + json.dumps(generate(0)), flush=True)
