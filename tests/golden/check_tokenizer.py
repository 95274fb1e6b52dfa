"""Loads a folder's tokenizer with transformers: ids, special tokens and rendered prompts.

Usage: check_tokenizer.py FOLDER --against OURS.json

OURS holds `texts` ([{text, ids}], encoded without special tokens around them), `chats` ([{messages, ids}], rendered by the
folder's template up to where the answer begins), and `special` ({bos, eos, pad}: ids). Exits 1 where one differs.
"""

import argparse
import json
import pathlib

from transformers import AutoTokenizer, GenerationConfig

arguments = argparse.ArgumentParser()
arguments.add_argument("folder")
arguments.add_argument("--against", required=True)
args = arguments.parse_args()

ours = json.loads(pathlib.Path(args.against).read_text())
tokenizer = AutoTokenizer.from_pretrained(args.folder)
differ = []
for entry in ours["texts"]:
    # UTF-8 has no lone surrogates.
    text = entry["text"].encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    ids = tokenizer.encode(text, add_special_tokens=False)
    if ids != entry["ids"]:
        differ.append(f"{text!r}: {ids} against {entry['ids']}")
for entry in ours["chats"]:
    ids = tokenizer.apply_chat_template(entry["messages"], add_generation_prompt=True, return_dict=False)
    if ids != entry["ids"]:
        differ.append(f"{entry['messages']}: {ids} against {entry['ids']}")
for role, expected in ours["special"].items():
    found = getattr(tokenizer, f"{role}_token_id")
    if found != expected:
        differ.append(f"{role}: {found} against {expected}")
if pathlib.Path(args.folder, "generation_config.json").exists():
    eos = GenerationConfig.from_pretrained(args.folder).eos_token_id
    if ours["special"]["eos"] not in (eos if isinstance(eos, list) else [eos]):
        differ.append(f"generation_config.json ends at {eos}")
for line in differ[:10]:
    print(line)
print(f"{len(ours['texts'])} texts, {len(ours['chats'])} chats: {len(differ)} differ")
raise SystemExit(1 if differ else 0)
