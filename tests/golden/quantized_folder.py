"""A model folder with its linear layers quantized by bitsandbytes, as transformers saves it.

Usage: quantized_folder.py MODEL_FOLDER OUT_FOLDER --type nf4|fp4|int8 [--nested]     (bitsandbytes 0.50)
"""

import argparse

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("out")
arguments.add_argument("--type", choices=("nf4", "fp4", "int8"), required=True)
arguments.add_argument("--nested", action="store_true")
args = arguments.parse_args()

if args.type == "int8":
    config = BitsAndBytesConfig(load_in_8bit=True)
else:
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=args.type,
        bnb_4bit_use_double_quant=args.nested,
        bnb_4bit_compute_dtype=torch.float32,
    )
model = AutoModelForCausalLM.from_pretrained(
    args.model, dtype=torch.float32, quantization_config=config, device_map={"": "cpu"}
)
quantized = [name for name, part in model.named_modules() if type(part).__name__.startswith("Linear") and "bnb" in type(part).__module__ or "bitsandbytes" in type(part).__module__]
print(f"{len(quantized)} quantized layers, from {quantized[0]} to {quantized[-1]}")
model.save_pretrained(args.out)
try:
    AutoTokenizer.from_pretrained(args.model).save_pretrained(args.out)
except Exception as error:
    print(f"no tokenizer: {error}")
