"""Greedy tokens of a model folder (an export, say) as transformers generates them in f32.

Usage: check_merged.py MODEL_FOLDER [--adapter FOLDER] [--prompts PROMPTS.json] [--tokens 64] [--out OUT.json]
       [--against OURS.json]

PROMPTS is a JSON list of user turns; without it, those of base.json. OUT is a list of {prompt, prompt_ids, ids, text,
lead}: `lead` is the smallest distance between the best token and the next at any step, so a tie shows as one. With
--against (a list of {ids}), exits 1 at the first token that differs.
"""

import argparse
import json
import pathlib

from reference import end_tokens, greedy, load_model, load_tokenizer, prompt_ids

arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("--adapter")
arguments.add_argument("--prompts")
arguments.add_argument("--tokens", type=int, default=64)
arguments.add_argument("--out")
arguments.add_argument("--against")
args = arguments.parse_args()

if args.prompts:
    prompts = json.loads(pathlib.Path(args.prompts).read_text())
else:
    base = json.loads(pathlib.Path(__file__).with_name("trajectory").joinpath("base.json").read_text())
    prompts = [entry["prompt"] for entry in base["prompts"]]

tokenizer = load_tokenizer(args.model)
model = load_model(args.model, args.adapter)
results = []
for prompt in prompts:
    ids = prompt_ids(tokenizer, prompt)
    out, lead = greedy(model, ids, args.tokens, end_tokens(model))
    results.append({"prompt": prompt, "prompt_ids": ids, "ids": out, "text": tokenizer.decode(out), "lead": lead})
    print(f"{prompt!r}: {len(out)} tokens, smallest lead {lead:.4f}: {results[-1]['text']!r}")
if args.out:
    pathlib.Path(args.out).write_text(json.dumps(results, indent=1) + "\n")
if args.against:
    ours = json.loads(pathlib.Path(args.against).read_text())
    for expected, got in zip(results, ours, strict=True):
        if expected["ids"] != got["ids"]:
            at = next((i for i, pair in enumerate(zip(expected["ids"], got["ids"])) if pair[0] != pair[1]), "the end")
            raise SystemExit(f"{expected['prompt']!r}: differs at {at}: {expected['ids']} against {got['ids']}")
    print(f"all {len(results)} equal")
