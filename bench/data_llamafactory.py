"""One preparation by LLaMA-Factory, for bench/data.ts: `data_llamafactory.py MODEL ROWS.json CACHE`."""

import hashlib
import json
import os
import sys
import time
from pathlib import Path

model, rows, cache = sys.argv[1:]
os.environ.update(
    HF_DATASETS_CACHE=cache, HF_HUB_OFFLINE="1", DISABLE_VERSION_CHECK="1"
)

import numpy as np
from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer

Path(cache).mkdir(parents=True, exist_ok=True)
info = {"rows": {"file_name": str(Path(rows).resolve())}}
(Path(cache) / "dataset_info.json").write_text(json.dumps(info))
model_args, data_args, training_args, *_ = get_train_args(
    {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": model,
        "dataset": "rows",
        "dataset_dir": cache,
        "template": "smollm2",
        "cutoff_len": 2048,
        "preprocessing_num_workers": 2,
        "finetuning_type": "lora",
        "output_dir": f"{cache}/out",
        "report_to": "none",
        "use_cpu": True,
    }
)
module = load_tokenizer(model_args)
template = get_template_and_fix_tokenizer(module["tokenizer"], data_args)

begun = time.perf_counter()
data = get_dataset(
    template, model_args, data_args, training_args, stage="sft", **module
)["train_dataset"]
seconds = time.perf_counter() - begun
print("\n#prepared", flush=True)

digest = hashlib.sha256()
tokens = 0
for start in range(0, len(data), 1000):
    batch = data[start : start + 1000]
    for ids, labels in zip(batch["input_ids"], batch["labels"]):
        digest.update(np.asarray(ids, dtype="<i4").tobytes())
        digest.update(np.asarray(labels, dtype="<i4").tobytes())
        tokens += len(ids)
done = {
    "seconds": seconds,
    "rows": len(data),
    "tokens": tokens,
    "digest": digest.hexdigest(),
}
print(f"#done {json.dumps(done)}")
