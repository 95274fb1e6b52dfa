"""What the base model says: logits and 64 greedy tokens for three prompts, small enough to be committed.

Usage: base.py MODEL_FOLDER OUT.json [--adapter FOLDER]

Of each position's logits: the ten best with their ids; of the last position also 512 spread over the whole vocabulary
(every 96th). Greedy tokens end with the model's turn; `lead` is the smallest distance between the best token and
the next at any step. With an adapter, both are those of base and adapter together.
"""

import argparse

from reference import end_tokens, greedy, load_model, load_tokenizer, logits_of, prompt_ids, versions, write_json

PROMPTS = [
    "Who are you?",
    "Write a haiku about the sea, then count from 1 to 12.",
    "Explain in one paragraph why the sky is blue. Use the words “Rayleigh” and naïve.",
]
BEST, SAMPLE = 10, 512

arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("out")
arguments.add_argument("--adapter")
args = arguments.parse_args()

tokenizer, model = load_tokenizer(args.model), load_model(args.model, args.adapter)
entries = []
for prompt in PROMPTS:
    ids = prompt_ids(tokenizer, prompt)
    logits = logits_of(model, ids)
    exact = logits_of(model.double(), ids)
    model.float()
    best = logits.topk(BEST)
    stride = logits.shape[1] // SAMPLE
    out, lead = greedy(model, ids, 64, end_tokens(model))
    entries.append(
        {
            "prompt": prompt,
            "prompt_ids": ids,
            "best_ids": best.indices.tolist(),
            "best_logits": [[round(value, 6) for value in row] for row in best.values.tolist()],
            "stride": stride,
            "sample": [round(value, 6) for value in logits[-1, ::stride][:SAMPLE].tolist()],
            "noise": (logits.double() - exact).abs().max().item(),
            "greedy_ids": out,
            "greedy_text": tokenizer.decode(out),
            "lead": lead,
        }
    )
    print(f"{prompt!r}: noise {entries[-1]['noise']:.1e}, lead {lead:.4f}: {entries[-1]['greedy_text']!r}")
write_json(args.out, {"versions": versions()}, {"prompts": entries})
