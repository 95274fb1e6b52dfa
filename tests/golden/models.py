"""Tiny seeded models of every family: weights, ids, logits, loss and all gradients, of the base and of a LoRA.

Usage: models.py OUT_FOLDER [CASE ...]

One OUT/<case>.safetensors and OUT/<case>.json a case:
  <name>                 the weights, under the checkpoint's names (a tied head is absent)
  ids.0, ids.1           two documents of unequal length (i32); labels.0, labels.1: -100 where nothing is learned
  logits.0, logits.1     [T, V] of each document by itself
  grad.<name>            gradient of loss = sum of cross-entropies / targets, a target being a label after the shift
  lora.<peft name>       adapter weights as PEFT saves them; lora.logits.N, lora.grad.<peft name>: with the base frozen
The JSON holds the config as checkpoints have it and as transformers 5 saves it, losses, and the noise:
what these f32 results differ by from the same in f64.
"""

import json
import os
import sys

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

torch.set_num_threads(2)
torch.use_deterministic_algorithms(True)
transformers.logging.set_verbosity_error()

LENGTHS = (7, 19)

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
QWEN2 = {
    **{key: value for key, value in LLAMA.items() if not key.endswith("_bias")},
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "use_sliding_window": False,
    "sliding_window": 32,
    "max_window_layers": 2,
}
FALCON = {
    "architectures": ["FalconForCausalLM"],
    "model_type": "falcon",
    "vocab_size": 97,
    "hidden_size": 32,
    "ffn_hidden_size": 56,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "layer_norm_epsilon": 1e-5,
    "alibi": False,
    "bias": False,
    "multi_query": True,
    "new_decoder_architecture": False,
    "parallel_attn": True,
    "attention_dropout": 0.0,
    "hidden_dropout": 0.0,
    "bos_token_id": 11,
    "eos_token_id": 11,
}

LLAMA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
FALCON_TARGETS = ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]

# Rope scaling must bite within 19 positions: the original length is short, and the base small.
LLAMA3_SCALING = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}

CASES = {
    "llama": LLAMA,
    "llama-tied": {**LLAMA, "tie_word_embeddings": True, "num_key_value_heads": 4},
    # A token of both documents: as padding, its embedding learns nothing by being read, only by the tied head.
    "llama-padding": {**LLAMA, "tie_word_embeddings": True, "num_key_value_heads": 4, "pad_token_id": 52},
    "llama3": {**LLAMA, "rope_theta": 50.0, "rope_scaling": LLAMA3_SCALING},
    "llama-linear-rope": {**LLAMA, "rope_scaling": {"type": "linear", "factor": 4.0}},
    "llama-bias": {**LLAMA, "attention_bias": True, "mlp_bias": True},
    # A head width of its own, and one head of keys for all: what Yi and small Llamas vary.
    "yi-like": {
        **LLAMA,
        "hidden_size": 24,
        "head_dim": 16,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
        "rope_theta": 5000000.0,
        "rms_norm_eps": 1e-6,
    },
    "qwen2": QWEN2,
    "qwen2-tied": {**QWEN2, "tie_word_embeddings": True},
    "falcon": FALCON,
    # Three heads: slopes where the count is no power of two.
    "falcon-alibi": {
        **FALCON,
        "hidden_size": 24,
        "num_attention_heads": 3,
        "alibi": True,
        "bias": True,
        "multi_query": False,
        "parallel_attn": False,
    },
    "falcon-40b-like": {
        **FALCON,
        "new_decoder_architecture": True,
        "num_kv_heads": 2,
        "tie_word_embeddings": False,
    },
}


def draw(model, generator):
    """Weights large enough that logits vary by more than 1, norms and biases away from their neutral values."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            values = torch.randn(weight.shape, generator=generator, dtype=torch.float32)
            if "norm" in name or ".ln_" in name:
                weight.copy_(values * 0.2 + (0 if name.endswith("bias") else 1))
            else:
                weight.copy_(values * (0.2 if name.endswith("bias") else 0.3))


def documents(vocabulary, generator):
    out = []
    for length in LENGTHS:
        ids = torch.randint(3, vocabulary, (length,), generator=generator)
        labels = ids.clone()
        labels[: length // 3] = -100
        labels[length // 2] = -100
        out.append((ids, labels))
    return out


def loss_of(model, rows):
    """Each document by itself, without padding: sum of cross-entropies over all targets."""
    total, targets, logits = 0.0, 0, []
    for ids, labels in rows:
        y = model(input_ids=ids[None], use_cache=False).logits[0]
        logits.append(y.detach())
        total = total + torch.nn.functional.cross_entropy(y[:-1], labels[1:], ignore_index=-100, reduction="sum")
        targets += int((labels[1:] != -100).sum())
    return total / targets, targets, logits


def run(model, rows):
    model.zero_grad()
    loss, targets, logits = loss_of(model, rows)
    loss.backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}
    return loss.item(), targets, logits, grads


def noise(f32, f64):
    """How far f32 lies from f64: loss, worst logit, worst 1 - cosine and worst norm ratio of a gradient."""
    cosine = norm = 0.0
    for name, b in f64[3].items():
        a = f32[3][name].double()
        cosine = max(cosine, 1 - (a * b).sum().item() / (a.norm() * b.norm()).item())
        norm = max(norm, abs((a.norm() / b.norm()).item() - 1))
    logits = max((a.double() - b).abs().max().item() for a, b in zip(f32[2], f64[2]))
    return {"loss": abs(f32[0] - f64[0]), "logits": logits, "cosine": cosine, "norm": norm}


def make(case, settings, seed, folder):
    generator = torch.Generator().manual_seed(seed)
    targets = FALCON_TARGETS if settings["model_type"] == "falcon" else LLAMA_TARGETS
    config = AutoConfig.for_model(**settings)
    # Not eager: in transformers 5.6 eager Falcon adds ALiBi twice.
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=torch.float32)
    draw(model, generator)
    model.eval()
    rows = documents(settings["vocab_size"], generator)

    tensors = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for i, (ids, labels) in enumerate(rows):
        tensors[f"ids.{i}"], tensors[f"labels.{i}"] = ids.int(), labels.int()

    base = run(model, rows)
    base_noise = noise(base, run(model.double(), rows))
    model.float()
    spread = min(logits.std().item() for logits in base[2])
    assert spread > 1, f"{case}: logits hardly vary ({spread})"
    tensors.update({f"logits.{i}": y for i, y in enumerate(base[2])})
    tensors.update({f"grad.{name}": grad for name, grad in base[3].items()})

    lora = LoraConfig(r=4, lora_alpha=6, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM")
    tuned = get_peft_model(model, lora)
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if weight.requires_grad:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.2)
    adapter = run(tuned, rows)
    saved = get_peft_model_state_dict(tuned)
    saved_grads = get_peft_model_state_dict(tuned, state_dict=adapter[3])
    tensors.update({f"lora.{name}": weight.detach().clone() for name, weight in saved.items()})
    tensors.update({f"lora.logits.{i}": y for i, y in enumerate(adapter[2])})
    tensors.update({f"lora.grad.{name}": grad for name, grad in saved_grads.items()})
    adapter_noise = noise(adapter, run(tuned.double(), rows))

    head = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__},
        "seed": seed,
        "config": settings,
        "config_saved": json.loads(config.to_json_string(use_diff=False)),
        "targets": base[1],
        "loss": base[0],
        "lora": {"r": 4, "lora_alpha": 6, "scale": 1.5, "target_modules": targets, "loss": adapter[0]},
        "noise": {"base": base_noise, "lora": adapter_noise},
    }
    path = os.path.join(folder, f"{case}.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"})
    with open(os.path.join(folder, f"{case}.json"), "w") as file:
        json.dump(head, file, indent=1)
        file.write("\n")
    print(f"{case}: {os.path.getsize(path) // 1000} kB, logits vary by {spread:.2f}, loss {base[0]:.4f}", head["noise"])


folder, *wanted = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
for seed, (case, settings) in enumerate(CASES.items(), start=1):
    if not wanted or case in wanted:
        make(case, settings, seed, folder)
