"""Tiny models that bitsandbytes has quantized, as transformers saves them, and the logits that the two give.

Usage: bnb_models.py OUT_FOLDER     (bitsandbytes 0.50, transformers 5.6)

OUT/<case>/{config.json,model.safetensors} and OUT/<case>.json: ids, logits [T, V] as base64 of f32, and for each quantized layer
a digest of the numbers that it stands for. Rows of 48 numbers, so that blocks of 64 run over their ends, and more than 256
blocks in a matrix. bitsandbytes multiplies int8 weights with inputs that it quantizes too; here its weights are
de-quantized and multiplied as numbers, which is what Tunery does.
"""

import base64
import hashlib
import json
import os
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

os.environ["HF_HUB_OFFLINE"] = "1"
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
out = sys.argv[1]
CASES = {
    "nf4": dict(load_in_4bit=True, bnb_4bit_quant_type="nf4"),
    "nf4-nested": dict(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True),
    # As LLaMA-Factory has it: the codes are called bf16.
    "fp4-nested": dict(load_in_4bit=True, bnb_4bit_quant_type="fp4", bnb_4bit_use_double_quant=True, bnb_4bit_quant_storage=torch.bfloat16),
    "int8": dict(load_in_8bit=True),
}


def text(tensor):
    return base64.b64encode(tensor.contiguous().numpy().tobytes()).decode()


torch.manual_seed(11)
config = LlamaConfig(
    vocab_size=97, hidden_size=48, intermediate_size=400, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=64, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
)
plain = LlamaForCausalLM(config)
for parameter in plain.parameters():
    torch.nn.init.normal_(parameter, 1.0 if parameter.dim() == 1 else 0.0, 0.15)
plain.save_pretrained(f"{out}/plain")
ids = torch.randint(3, 97, (1, 23))
for name, settings in CASES.items():
    model = AutoModelForCausalLM.from_pretrained(
        f"{out}/plain", dtype=torch.float32, quantization_config=BitsAndBytesConfig(**settings), device_map={"": "cpu"}
    )
    model.save_pretrained(f"{out}/{name}")
    digests = {}
    import bitsandbytes as bnb

    for layer, part in list(model.named_modules()):
        if isinstance(part, bnb.nn.Linear4bit):
            numbers = bnb.functional.dequantize_4bit(part.weight.data, part.weight.quant_state)
        elif isinstance(part, bnb.nn.Linear8bitLt):
            numbers = part.weight.data.float() * (part.weight.SCB.float() / 127).unsqueeze(1)
            exact = torch.nn.Linear(part.in_features, part.out_features, bias=False)
            exact.weight.data = numbers
            model.set_submodule(layer, exact)
        else:
            continue
        digests[f"{layer}.weight"] = hashlib.sha256((numbers + 0.0).numpy().tobytes()).hexdigest()
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[0].float()
    with open(f"{out}/{name}.json", "w") as file:
        json.dump(
            {
                "versions": {"bitsandbytes": bnb.__version__, "transformers": transformers.__version__, "torch": torch.__version__},
                "ids": ids[0].tolist(), "logits": text(logits), "digests": digests,
            },
            file,
            indent=1,
        )
        file.write("\n")
    print(name, len(digests), logits.abs().max().item())
for name in os.listdir(out):
    for file in ("generation_config.json",):
        if os.path.exists(f"{out}/{name}/{file}"):
            os.remove(f"{out}/{name}/{file}")
