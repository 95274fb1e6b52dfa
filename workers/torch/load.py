"""The model, as transformers builds it from a folder."""

import attention
import torch
from transformers import AutoModelForCausalLM

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def use_liger(model):
    """Liger's norms, rotary embedding and SwiGLU in the model's place. The loss is ours: it is a sum over targets."""
    from liger_kernel.transformers import _apply_liger_kernel_to_instance

    _apply_liger_kernel_to_instance(model, fused_linear_cross_entropy=False, cross_entropy=False)


def load(task: dict, device: torch.device):
    """Weights in the dtype that they are held in; quantized where the task says so."""
    quantization = task["quantization"]
    extra = {}
    if quantization is not None:
        from transformers import BitsAndBytesConfig

        extra["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=quantization["bits"] == 4,
            load_in_8bit=quantization["bits"] == 8,
            bnb_4bit_quant_type=quantization["type"],
            bnb_4bit_use_double_quant=quantization["double"],
            bnb_4bit_compute_dtype=DTYPES[task["compute_dtype"]],
        )
        extra["device_map"] = {"": device}
    model = AutoModelForCausalLM.from_pretrained(
        task["model"], dtype=DTYPES[task["dtype"]], attn_implementation=task["attention"], **extra
    )
    return model if quantization is not None else model.to(device)


def load_to_train(task: dict, device: torch.device):
    model = load(task, device)
    model.config.use_cache = False
    if task["attention"] == "sdpa":
        attention.use(model, device)
    if task["liger"]:
        use_liger(model)
    if task["gradient_checkpointing"]:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model
