"""A small real slice as optimizer steps: rows of an alpaca file through the model's own template, answers learned.

Usage: slice.py MODEL_FOLDER ROWS.json OUT.jsonl [--steps 10] [--rows-per-step 4] [--longest 160]
       [--replace FROM=TO ...]

Rows come in the file's order, again from the start where they run out; the answer and its <|im_end|> are learned.
"""

import argparse
import json

from reference import load_tokenizer

arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("rows")
arguments.add_argument("out")
arguments.add_argument("--steps", type=int, default=10)
arguments.add_argument("--rows-per-step", type=int, default=4)
arguments.add_argument("--longest", type=int, default=160)
arguments.add_argument("--replace", nargs="*", default=[])
args = arguments.parse_args()

tokenizer = load_tokenizer(args.model)
assert tokenizer.encode("a   5 b") == [81, 333, 37, 278], "not the model's own pre-tokenizer"
with open(args.rows) as file:
    text = file.read()
for pair in args.replace:
    text = text.replace(*pair.split("=", 1))

table = []
for index, row in enumerate(json.loads(text)):
    question = "\n".join(part for part in (row["instruction"], row.get("input")) if part)
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": row["output"]}]
    prompt = tokenizer.apply_chat_template(turns[:1], add_generation_prompt=True, return_dict=False)
    ids = tokenizer.apply_chat_template(turns, return_dict=False)
    assert ids[: len(prompt)] == prompt
    end = len(ids) - 1 - ids[::-1].index(tokenizer.eos_token_id)
    labels = [-100] * len(prompt) + ids[len(prompt) : end + 1] + [-100] * (len(ids) - end - 1)
    if len(ids) <= args.longest:
        table.append({"row": index, "input_ids": ids, "labels": labels})

lengths = sorted(len(row["input_ids"]) for row in table)
print(f"{len(table)} rows of {lengths[0]} to {lengths[-1]} tokens")
with open(args.out, "w") as file:
    for step in range(args.steps):
        at = range(step * args.rows_per_step, (step + 1) * args.rows_per_step)
        file.write(json.dumps({"step": step + 1, "rows": [table[i % len(table)] for i in at]}) + "\n")
