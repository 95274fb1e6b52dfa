"""Ids and labels of the demo data sets as LLaMA-Factory prepares them: one digest a row.

Usage: llamafactory_data.py MODEL_FOLDER DATA_FOLDER OUT.json

In an environment of its own with llamafactory==0.9.5, transformers==5.6.0, datasets==4.0.0 (torchaudio and torchvision of
torch's version, or DISABLE_VERSION_CHECK=1). MODEL_FOLDER comes from smollm2_folder.py, DATA_FOLDER is LLaMA-Factory's `data`.
A digest is the first 16 hex digits of SHA-256 over the row's columns, each as its length and its numbers in little-endian i32.
"""

import hashlib
import json
import sys
import tempfile

import numpy as np
from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer

model, data, out = sys.argv[1:]
ROWS = 200

CASES = [
    {"dataset": "alpaca_en_demo", "stage": "sft", "template": "qwen", "cutoff_len": 1024},
    {"dataset": "alpaca_en_demo", "stage": "sft", "template": "chatml", "cutoff_len": 96},
    {"dataset": "alpaca_zh_demo", "stage": "sft", "template": "qwen", "cutoff_len": 1024},
    {"dataset": "alpaca_zh_demo", "stage": "sft", "template": "alpaca", "cutoff_len": 200, "train_on_prompt": True},
    {"dataset": "identity", "stage": "sft", "template": "smollm2", "cutoff_len": 512},
    {"dataset": "glaive_toolcall_en_demo", "stage": "sft", "template": "qwen", "cutoff_len": 2048},
    {"dataset": "glaive_toolcall_en_demo", "stage": "sft", "template": "qwen", "cutoff_len": 400, "mask_history": True},
    {"dataset": "glaive_toolcall_en_demo", "stage": "sft", "template": "default", "cutoff_len": 700},
    {"dataset": "glaive_toolcall_zh_demo", "stage": "sft", "template": "qwen3", "cutoff_len": 1500},
    {"dataset": "dpo_en_demo", "stage": "rm", "template": "qwen", "cutoff_len": 1024},
    {"dataset": "dpo_en_demo", "stage": "rm", "template": "chatml", "cutoff_len": 160},
    {"dataset": "kto_en_demo", "stage": "kto", "template": "qwen", "cutoff_len": 1024},
    {"dataset": "kto_en_demo", "stage": "kto", "template": "chatml", "cutoff_len": 200},
    {"dataset": "alpaca_en_demo", "stage": "ppo", "template": "qwen", "cutoff_len": 128},
    {"dataset": "c4_demo", "stage": "pt", "template": "default", "cutoff_len": 512},
    {"dataset": "c4_demo", "stage": "pt", "template": "default", "cutoff_len": 300, "packing": False},
    {"dataset": "c4_demo", "stage": "pt", "template": "default", "cutoff_len": 200, "preprocessing_batch_size": 64},
    {"dataset": "kto_en_demo", "stage": "kto", "template": "qwen", "cutoff_len": 512, "preprocessing_batch_size": 50},
    {
        "dataset": "alpaca_en_demo",
        "stage": "sft",
        "template": "chatml",
        "cutoff_len": 400,
        "neat_packing": True,
        "preprocessing_batch_size": 64,
    },
    {"dataset": "wiki_demo", "stage": "pt", "template": "default", "cutoff_len": 256},
    {"dataset": "alpaca_en_demo", "stage": "sft", "template": "qwen", "cutoff_len": 512, "neat_packing": True},
]

COLUMNS = {
    "pt": ["input_ids"],
    "sft": ["input_ids", "labels"],
    "rm": ["chosen_input_ids", "chosen_labels", "rejected_input_ids", "rejected_labels"],
    "kto": ["input_ids", "labels", "kl_input_ids", "kl_labels", "kto_tags"],
    "ppo": ["input_ids", "labels"],
}


def digest(row: dict, columns: list[str]) -> str:
    sha = hashlib.sha256()
    for column in columns:
        values = np.atleast_1d(np.asarray(row[column], dtype="<i4"))
        sha.update(np.asarray([len(values)], dtype="<i4").tobytes())
        sha.update(values.tobytes())
    return sha.hexdigest()[:16]


cases = []
for case in CASES:
    settings = {
        **case,
        "model_name_or_path": model,
        "dataset_dir": data,
        "max_samples": ROWS,
        "overwrite_cache": True,
        "do_train": True,
        "finetuning_type": "lora",
        "output_dir": tempfile.mkdtemp(),
        "use_cpu": True,
        "report_to": "none",
    }
    if case["stage"] == "ppo":
        settings["reward_model"] = model
    model_args, data_args, training_args, finetuning_args, _ = get_train_args(settings)
    tokenizer = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(tokenizer["tokenizer"], data_args)
    rows = get_dataset(template, model_args, data_args, training_args, stage=case["stage"], **tokenizer)["train_dataset"]
    columns = COLUMNS[case["stage"]]
    if case.get("neat_packing"):
        columns = ["input_ids", "labels", "attention_mask", "position_ids"]
    cases.append({**case, "rows": len(rows), "columns": columns, "digests": [digest(row, columns) for row in rows]})
    print(case, len(rows), flush=True)

import datasets
import transformers

versions = {"llamafactory": "0.9.5", "transformers": transformers.__version__, "datasets": datasets.__version__}
with open(out, "w") as file:
    file.write("{\n" + f'"versions": {json.dumps(versions)},\n"max_samples": {ROWS},\n"cases": [\n')
    file.write(",\n".join(json.dumps(case) for case in cases))
    file.write("\n]\n}\n")
