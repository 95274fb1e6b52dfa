"""Which files of a repository `datasets` takes for each split: real shapes, and names drawn by a seed.

Usage: dataset_files.py OUT.json

In an environment of its own with datasets==4.5.0.
"""

import json
import os
import random
import sys
import tempfile

from datasets import data_files as df
from datasets.load import (
    _ALL_ALLOWED_EXTENSIONS,
    _MODULE_TO_EXTENSIONS,
    infer_module_for_data_files,
)

(out,) = sys.argv[1:]
READ = {"json", "csv", "parquet", "arrow", "text"}

SHAPES = [
    ["README.md", "alpaca_data_en_52k.json"],
    ["README.md", "train_2M_CN.json"],
    ["README.md", "data/train-00000-of-00002-abc123.parquet", "data/train-00001-of-00002-abc123.parquet", "data/test-00000-of-00001.parquet"],
    ["data/train_sft-00000-of-00001.parquet", "data/test_sft-00000-of-00001.parquet", "data/train_gen-00000-of-00001.parquet"],
    ["train.json", "dev.json", "test.json", "dataset_infos.json"],
    ["train.jsonl", "validation.jsonl", "README.md", ".gitattributes"],
    ["guanaco_chat_all-utf8.json", "guanaco_non_chat-utf8.json", "README.md", "additional/general_ans-utf8.json"],
    ["1M-GPT4-Augmented.parquet", "3_5M-GPT3_5-Augmented.parquet", "Orca.png", "README.md"],
    ["python/train-00000-of-00059.parquet", "python/train-00001-of-00059.parquet", "ada/train-00000-of-00001.parquet"],
    ["en/train/0000.parquet", "en/test/0000.parquet"],
    ["train/a.csv", "train/b.csv", "test/a.csv"],
    ["training_set.csv", "my-val.csv", "evaluation.csv"],
    ["constraint.csv", "trainer.csv", "latest.csv"],
    ["a.json", "b.csv", "c.csv"],
    ["a.json", "b.csv"],
    ["a.jsonl.gz", "b.jsonl.gz", "script.py"],
    ["__pycache__/x.csv", ".hidden/y.csv", "z.csv", ".w.csv"],
    ["data/train.parquet", "data/sub/train-1.parquet", "data/valid.parquet"],
    ["dev/rows.txt", "rows.txt"],
    ["a b/train 1.json", "test (2).json"],
    ["x_train.json", "x_test.json", "xtrain.json"],
    ["2024-train-en.tsv", "2024-dev-en.tsv"],
    ["full.json", "README.md"],
]
CONFIGS = [
    (["en/a.json", "zh/b.json", "c.json"], {"train": "en/*.json"}),
    (["en/a.json", "zh/b.json", "c.json"], "**/*.json"),
    (["en/a.json", "zh/b.json", "c.json"], ["c.json", "en/a.json"]),
    (["data/a-1.csv", "data/a-2.csv", "data/b-1.csv"], [{"split": "train", "path": "data/a-*"}, {"split": "rest", "path": ["data/b-?.csv", "data/b-1.csv"]}]),
    (["data/[1].csv", "data/1.csv", "data/x.csv"], {"train": "data/[0-9].csv"}),
    (["data/a.csv", "data/.b.csv", "__x/c.csv"], {"train": "**/*.csv", "odd": "__x/*.csv"}),
    (["config.json", "a.json"], {"train": "config.json"}),
    (["config.json", "a.json"], {"train": "*.json"}),
]


def resolve(paths, patterns, folder=None):
    with tempfile.TemporaryDirectory() as root:
        for path in paths:
            target = os.path.join(root, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            open(target, "w").close()
        base = os.path.join(root, folder) if folder else root
        patterns = df.get_data_patterns(base) if patterns is None else df.sanitize_patterns(patterns)
        found = df.DataFilesDict.from_patterns(patterns, base_path=base, allowed_extensions=_ALL_ALLOWED_EXTENSIONS)
        module, _ = infer_module_for_data_files(found)
        if module not in READ:
            return None
        found = found.filter(extensions=_MODULE_TO_EXTENSIONS[module])
        real = os.path.realpath(root)
        return {str(split): [os.path.relpath(os.path.realpath(f), real) for f in files] for split, files in found.items()}


WORDS = ["train", "training", "valid", "validation", "dev", "val", "test", "testing", "eval", "evaluation", "data", "en", "x", "trainer", "best"]


def drawn(rng):
    ext = rng.choice(["json", "jsonl", "csv", "parquet", "txt"])
    paths = set()
    for _ in range(rng.randint(1, 6)):
        part = lambda: rng.choice(["", "", "a", "1"]) + rng.choice(["", "-", "_", ".", " "]) + rng.choice(WORDS) + rng.choice(["", "", "-", "_", "0", ".", "1"]) + rng.choice(["", "b"])
        parts = [part().strip(". ") or "p" for _ in range(rng.choice([0, 0, 1, 2]))]
        name = part().strip(". ") or "n"
        paths.add("/".join([*parts, f"{name}.{ext if rng.random() < 0.85 else 'md'}"]))
    return sorted(paths)


cases = []
rng = random.Random(5)
inputs = [(paths, None, None) for paths in SHAPES] + [(paths, patterns, None) for paths, patterns in CONFIGS]
inputs += [(SHAPES[8], None, "python"), (SHAPES[9], None, "en")]
inputs += [(drawn(rng), None, None) for _ in range(400)]
for paths, patterns, folder in inputs:
    # A path that is a folder and a file at once cannot be laid out.
    if any(a != b and b.startswith(a + "/") for a in paths for b in paths):
        continue
    try:
        splits = resolve(paths, patterns, folder)
    except (FileNotFoundError, ValueError):
        splits = "error"
    if splits is not None:
        cases.append({"files": paths, "patterns": patterns, "folder": folder, "splits": splits})

with open(out, "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(len(cases), "cases,", sum(case["splits"] == "error" for case in cases), "refused")
