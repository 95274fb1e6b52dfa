"""Mixtures, splits and shuffled streams of Hugging Face's `datasets`: which rows, in which order.

Usage: mixtures.py [interleave] [split] [stream]

It needs `datasets`, which no other script does, and two of its versions: 4.0 to 4.8 for `stream` (LLaMA-Factory pins 4.0;
5.x draws otherwise), 5.2 for the others (before it, `all_exhausted_without_replacement` in turn stops too soon).
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from datasets import Dataset, interleave_datasets

STRATEGIES = {
    "interleave_under": "first_exhausted",
    "interleave_over": "all_exhausted",
    "interleave_once": "all_exhausted_without_replacement",
}
LENGTHS = [[3, 4, 5], [5, 3], [7, 2, 4]]
SHARES = {2: [0.7, 0.3], 3: [0.5, 0.2, 0.3]}


def interleave():
    for lengths in LENGTHS:
        sets = [
            Dataset.from_dict({"row": [[i, j] for j in range(n)]})
            for i, n in enumerate(lengths)
        ]
        for name, strategy in STRATEGIES.items():
            for probs, seed in (
                (None, 42),
                (SHARES[len(lengths)], 42),
                (SHARES[len(lengths)], 7),
            ):
                mixed = interleave_datasets(
                    sets, probabilities=probs, seed=seed, stopping_strategy=strategy
                )
                rows = [list(row) for row in mixed["row"]]
                yield {
                    "lengths": lengths,
                    "strategy": name,
                    "probs": probs,
                    "seed": seed,
                    "rows": rows,
                }


def split():
    for rows, size, seed in ((10, 0.15, 42), (23, 5, 1), (30, 0.1, 42)):
        data = Dataset.from_dict({"row": list(range(rows))})
        halves = data.train_test_split(test_size=size, seed=seed)
        yield {
            "rows": rows,
            "size": size,
            "seed": seed,
            "train": list(halves["train"]["row"]),
            "eval": list(halves["test"]["row"]),
        }


def stream():
    for rows, buffer, seed in ((50, 8, 42), (20, 64, 3)):
        data = Dataset.from_dict({"row": list(range(rows))}).to_iterable_dataset()
        data = data.shuffle(buffer_size=buffer, seed=seed)
        epochs = []
        for epoch in range(3):
            data.set_epoch(epoch)
            epochs.append([each["row"] for each in data])
        yield {"rows": rows, "buffer": buffer, "seed": seed, "epochs": epochs}


PARTS = {"interleave": interleave, "split": split, "stream": stream}
file = Path(__file__).with_suffix(".json")
out = json.loads(file.read_text()) if file.exists() else {}
versions = {name: version(name) for name in ("datasets", "numpy")}
for name in sys.argv[1:] or PARTS:
    out[name] = {"made_with": versions, "cases": list(PARTS[name]())}
file.write_text(json.dumps(out) + "\n")
