"""A GGUF of the llama architecture as a Hugging Face folder in f32: the base that the references are made with.

Usage: smollm2_folder.py MODEL.gguf OUT_FOLDER

Not through transformers' own GGUF loader: it loses the pre-tokenizer (digits one by one) and names the wrong token as the
end of a turn. Here config, weights and tokenizer follow the GGUF's metadata.
"""

import json
import os
import re
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

source, folder = sys.argv[1:]
reader = GGUFReader(source)
fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
assert fields["general.architecture"] == "llama" and fields["tokenizer.ggml.pre"] == "smollm"
heads, key_heads = fields["llama.attention.head_count"], fields["llama.attention.head_count_kv"]

NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def rows_as_hugging_face(weight, count):
    """llama.cpp interleaves the two halves of each rotated head; Hugging Face keeps them apart."""
    return weight.reshape(count, weight.shape[0] // count // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


weights = {}
for tensor in reader.tensors:
    values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
    block = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", tensor.name)
    if block is None:
        weights[NAMES[tensor.name]] = values
        continue
    index, part = block.groups()
    if part in ("attn_q", "attn_k"):
        values = rows_as_hugging_face(values, heads if part == "attn_q" else key_heads)
    weights[f"model.layers.{index}.{NAMES[part]}.weight"] = np.ascontiguousarray(values)

config = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": fields["llama.vocab_size"],
    "hidden_size": fields["llama.embedding_length"],
    "intermediate_size": fields["llama.feed_forward_length"],
    "num_hidden_layers": fields["llama.block_count"],
    "num_attention_heads": heads,
    "num_key_value_heads": key_heads,
    "head_dim": fields["llama.rope.dimension_count"],
    "hidden_act": "silu",
    "max_position_embeddings": fields["llama.context_length"],
    # The shortest decimal of the GGUF's f32: 1e-05.
    "rms_norm_eps": float(str(np.float32(fields["llama.attention.layer_norm_rms_epsilon"]))),
    "rope_theta": fields["llama.rope.freq_base"],
    "rope_scaling": None,
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": "lm_head.weight" not in weights,
    "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
    "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
    "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
    "torch_dtype": "float32",
}

tokens = fields["tokenizer.ggml.tokens"]
merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
tokenizer.decoder = decoders.ByteLevel()
CONTROL = 3
special = [token for token, kind in zip(tokens, fields["tokenizer.ggml.token_type"]) if kind == CONTROL]
tokenizer.add_special_tokens(special)
assert tokenizer.encode("a   5 b").ids == [81, 333, 37, 278]

os.makedirs(folder, exist_ok=True)
save_file(weights, os.path.join(folder, "model.safetensors"), {"format": "pt"})
for name, content in (
    ("config.json", config),
    ("generation_config.json", {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}),
):
    with open(os.path.join(folder, name), "w") as file:
        json.dump(content, file, indent=2)
PreTrainedTokenizerFast(
    tokenizer_object=tokenizer,
    bos_token=tokens[config["bos_token_id"]],
    eos_token=tokens[config["eos_token_id"]],
    pad_token=tokens[config["pad_token_id"]],
    unk_token=tokens[fields["tokenizer.ggml.unknown_token_id"]],
    additional_special_tokens=special,
    chat_template=fields["tokenizer.chat_template"],
    clean_up_tokenization_spaces=False,
    model_max_length=config["max_position_embeddings"],
).save_pretrained(folder)
print(f"{folder}: {len(weights)} tensors, eps {config['rms_norm_eps']}, tied {config['tie_word_embeddings']}")
