"""Logits of a model, with or without an adapter, as transformers and PEFT compute them in f32.

Usage: check_logits.py MODEL_FOLDER [--adapter FOLDER] (--ids 1,2,3 | --text TEXT) [--out OUT.safetensors]
       [--against OURS.safetensors] [--tolerance 1e-4]

OUT holds `ids` [T] and `logits` [T, V], as `tunery debug logits` writes them. With --against, exits 1 where the worst
difference is above the tolerance.
"""

import argparse

import torch
from reference import load_model, load_tokenizer, logits_of
from safetensors.torch import load_file, save_file


def compare(ours, theirs, tolerance):
    if ours.shape != theirs.shape:
        raise SystemExit(f"shapes differ: {list(ours.shape)} against {list(theirs.shape)}")
    worst = (ours.double() - theirs.double()).abs().max().item()
    same = (ours.argmax(-1) == theirs.argmax(-1)).sum().item()
    print(f"worst difference {worst:.3e} (tolerance {tolerance:.0e}); the same best token at {same} of {len(ours)}")
    # Not `worst > tolerance`: a NaN must fail.
    if not worst <= tolerance:
        raise SystemExit(1)


def main(arguments, tolerance):
    arguments.add_argument("--ids", help="comma-separated")
    arguments.add_argument("--text")
    arguments.add_argument("--out")
    arguments.add_argument("--against")
    arguments.add_argument("--tolerance", type=float, default=tolerance)
    args = arguments.parse_args()
    if (args.ids is None) == (args.text is None):
        arguments.error("give --ids or --text")
    ids = [int(part) for part in args.ids.split(",")] if args.ids else load_tokenizer(args.model).encode(args.text)
    logits = logits_of(load_model(args.model, args.adapter), ids)
    print(f"{len(ids)} positions, best next token {logits[-1].argmax().item()}")
    if args.out:
        save_file({"ids": torch.tensor(ids, dtype=torch.int32), "logits": logits.contiguous()}, args.out)
    if args.against:
        compare(load_file(args.against)["logits"], logits, args.tolerance)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model")
    arguments.add_argument("--adapter")
    main(arguments, 1e-4)
