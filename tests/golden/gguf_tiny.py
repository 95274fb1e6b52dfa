"""Tiny GGUF models as llama.cpp's converter would write them, and what transformers makes of them.

Usage: gguf_tiny.py OUT_FOLDER

tiny-llama.gguf: queries and keys in llama.cpp's order of rows, grouped heads, Q8_0 and F16 and F32, an output head,
LLaMA 3's rope factors. tiny-qwen2.gguf: biases, tied embeddings, Q4_1 and BF16. Beside each a .safetensors with the
state dict that transformers' own GGUF loader gives.
"""

import math
import os
import sys

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
rng = np.random.default_rng(11)
D, F, V, L, H, K, E = 64, 96, 50, 2, 4, 2, 16
Q = gguf.GGMLQuantizationType


def permute(weights, heads):
    """convert_hf_to_gguf.py, LlamaModel.permute."""
    shape = weights.shape
    return weights.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def llama3_factors(theta=500000.0, factor=32.0, low=1.0, high=4.0, original=8192):
    """convert_hf_to_gguf.py, LlamaModel.generate_extra_tensors."""
    factors = []
    for i in range(0, E, 2):
        wavelength = 2 * math.pi * theta ** (i / E)
        if wavelength < original / high:
            factors.append(1)
        elif wavelength > original / low:
            factors.append(factor)
        else:
            smooth = (original / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, dtype=np.float32)


def write(kind):
    path = f"{out}/tiny-{kind}.gguf"
    writer = gguf.GGUFWriter(path, kind)
    writer.add_context_length(128)
    writer.add_embedding_length(D)
    writer.add_feed_forward_length(F)
    writer.add_block_count(L)
    writer.add_head_count(H)
    writer.add_head_count_kv(K)
    writer.add_layer_norm_rms_eps(1e-6 if kind == "qwen2" else 1e-5)
    writer.add_rope_freq_base(500000.0 if kind == "llama" else 1e6)
    writer.add_vocab_size(V)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    if kind == "llama":
        writer.add_rope_dimension_count(E)
        writer.add_eot_token_id(9)

    def add(name, shape, type=Q.F32, heads=None):
        values = rng.standard_normal(shape).astype(np.float32)
        if heads is not None:
            values = permute(values, heads)
        data = gguf.quants.quantize(values, type)
        writer.add_tensor(name, data, raw_dtype=type)

    small = kind == "qwen2"
    add("token_embd.weight", (V, D), Q.Q4_1 if small else Q.Q8_0)
    add("output_norm.weight", (D,))
    if not small:
        add("output.weight", (V, D), Q.F16)
        writer.add_tensor("rope_freqs.weight", llama3_factors())
    for i in range(L):
        block = f"blk.{i}."
        add(block + "attn_norm.weight", (D,))
        add(block + "ffn_norm.weight", (D,))
        kinds = (Q.BF16, Q.Q4_1) if small else (Q.Q8_0, Q.F32)
        for part, rows, heads in (("attn_q", H * E, H), ("attn_k", K * E, K), ("attn_v", K * E, None)):
            add(f"{block}{part}.weight", (rows, D), kinds[i % 2], None if small else heads)
            if small:
                add(f"{block}{part}.bias", (rows,))
        add(block + "attn_output.weight", (D, H * E), kinds[0])
        add(block + "ffn_gate.weight", (F, D), kinds[1])
        add(block + "ffn_up.weight", (F, D), Q.F16)
        add(block + "ffn_down.weight", (D, F), kinds[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    model = AutoModelForCausalLM.from_pretrained(out, gguf_file=os.path.basename(path), dtype=torch.float32)
    state = {name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(state, f"{out}/tiny-{kind}.safetensors", {"format": "pt"})
    print(kind, model.config)


write("llama")
write("qwen2")
