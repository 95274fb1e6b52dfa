"""What the references on a real model share: loading in f32, rendering, and values that need no file."""

import json
import os

# Before torch is loaded: a thread that waits must not spin, or on a busy machine it holds up the one it waits for.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

# Before any thread is made, so that all have it. Squares of the tiny gradients of unlikely tokens are subnormal in f32,
# which makes AdamW many times slower on a whole model; beside eps = 1e-8 they change nothing.
torch.set_flush_denormal(True)
torch.set_num_threads(2)
transformers.logging.set_verbosity_error()

DTYPES = {"f32": torch.float32, "f64": torch.float64}
LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def expand_blocks(model):
    """The numbers of bitsandbytes' blocks by its own decoder, once: its products expand them at every call, to the same numbers."""
    import bitsandbytes as bnb

    for name, part in list(model.named_modules()):
        if isinstance(part, bnb.nn.Linear4bit):
            plain = torch.nn.Linear(part.in_features, part.out_features, bias=part.bias is not None)
            plain.weight.data = bnb.functional.dequantize_4bit(part.weight.data, part.weight.quant_state)
            plain.weight.requires_grad_(False)
            if part.bias is not None:
                plain.bias.data = part.bias.data
            model.set_submodule(name, plain)
    model.is_quantized = model.is_loaded_in_4bit = False
    return model


def load_model(folder, adapter=None, dtype="f32", trainable=False, expand=False):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=DTYPES[dtype], attn_implementation="sdpa")
    if expand:
        model = expand_blocks(model)
    if adapter is not None:
        import peft

        # PEFT warns, and goes on, where weights are missing: here that is a failure.
        model = peft.PeftModel.from_pretrained(model, adapter, is_trainable=trainable, autocast_adapter_dtype=False)
        check_adapter_keys(model, adapter)
        if not getattr(model, "is_quantized", False):
            model = model.to(DTYPES[dtype])
    return model.eval()


def check_adapter_keys(model, adapter):
    """Every weight of the file has its place in the model, and every place its weight, bit for bit."""
    import peft
    from safetensors.torch import load_file

    file = load_file(f"{adapter}/adapter_model.safetensors")
    placed = peft.get_peft_model_state_dict(model)
    if file.keys() != placed.keys():
        raise SystemExit(f"adapter keys differ: {sorted(file.keys() ^ placed.keys())[:8]}")
    for name, weight in file.items():
        if not torch.equal(weight.float(), placed[name].float()):
            raise SystemExit(f"{name} is not what the file holds")


def load_tokenizer(folder):
    return AutoTokenizer.from_pretrained(folder)


def prompt_ids(tokenizer, text):
    """One user turn, as the model's own template renders it, up to where the answer begins."""
    turn = [{"role": "user", "content": text}]
    return tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=False)


def logits_of(model, ids):
    """[T, V]"""
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def greedy(model, ids, count, eos):
    """`count` tokens, or fewer where the model ends its turn, and the smallest lead that a choice had."""
    out, lead, cache, step = [], float("inf"), None, torch.tensor([ids])
    with torch.no_grad():
        while len(out) < count:
            result = model(input_ids=step, past_key_values=cache, use_cache=True)
            best = result.logits[0, -1].topk(2)
            out.append(best.indices[0].item())
            lead = min(lead, (best.values[0] - best.values[1]).item())
            if out[-1] in eos:
                break
            cache, step = result.past_key_values, torch.tensor([[out[-1]]])
    return out, lead


def end_tokens(model):
    eos = model.generation_config.eos_token_id
    return eos if isinstance(eos, list) else [eos]


def named_values(name, shape, bound):
    """Uniform in [-bound, bound), from the name and the index alone: tests/golden/named-values.ts has the same bits."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    x = np.arange(int(np.prod(shape)), dtype=np.uint32) + np.uint32(seed)
    x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
    x ^= x >> 16
    return ((x.astype(np.float64) / 2**31 - 1) * bound).astype(np.float32).reshape(shape)


def versions(*modules):
    return {module.__name__: module.__version__ for module in (torch, transformers, *modules)}


def write_json(path, head, lists):
    """One line for each item of `lists`: small differences stay small."""
    parts = [json.dumps(head)[1:-1]]
    for key, items in lists.items():
        parts.append(f'"{key}": [\n' + ",\n".join(json.dumps(item) for item in items) + "\n]")
    with open(path, "w") as file:
        file.write("{" + ",\n".join(parts) + "}\n")
