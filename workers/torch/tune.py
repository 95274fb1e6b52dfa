"""What learns: all weights, or an adapter that Node made, as PEFT reads it."""

from pathlib import Path

import torch


def merged(model, folders: list[str]):
    """With those adapters in its weights, one after the other."""
    from peft import PeftModel

    for folder in folders:
        model = PeftModel.from_pretrained(model, folder).merge_and_unload()
    return model


def with_adapter(model, folder: str):
    """What the adapter's file has not, PEFT begins: modules that are trained whole as the base has them, rotations as none."""
    from peft import PeftConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors.torch import load_file

    config = PeftConfig.from_pretrained(folder)
    config.inference_mode = False
    model = get_peft_model(model, config)
    weights = Path(folder, "adapter_model.safetensors")
    if weights.exists():
        begun = get_peft_model_state_dict(model, save_embedding_layers=False)
        set_peft_model_state_dict(model, begun | load_file(weights))
    return model


def taken(model) -> dict:
    init = str(model.peft_config["default"].to_dict().get("init_lora_weights"))
    if not init.startswith("pissa"):
        return {}
    return {name: each.detach().cpu().clone() for name, each in model.named_parameters() if ".lora_" in name}


def leave_inputs(model) -> None:
    """Autocast makes of an input what a product reads; PEFT would make it f32 before, which each adapter then keeps a copy of."""
    from peft.tuners.lora import LoraLayer

    for module in model.modules():
        # DoRA reckons with it beside its products, in f32.
        if isinstance(module, LoraLayer) and not module.lora_variant:
            module.cast_input_dtype_enabled = False


def tune(model, task: dict):
    """The model, and what its adapter has taken out of the base (PiSSA), by name of the parameter: nothing with any other."""
    if task["finetuning_type"] == "full":
        return model.requires_grad_(True), {}
    model = merged(model, task["merged"]).requires_grad_(False)
    # What PEFT draws is the same on every rank, and when a run goes on.
    torch.manual_seed(task["train"]["seed"])
    model = with_adapter(model, task["adapter"])
    # What learns is f32 whatever the base is held as: a small update must not be lost to rounding.
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.float32)
    # DeepSpeed's own layers keep what they are given.
    if task["compute_dtype"] != "f32" and task["strategy"] != "deepspeed":
        leave_inputs(model)
    return model, taken(model)


def is_norm_or_bias(name: str) -> bool:
    """What weight decay skips, as transformers' Trainer does."""
    return name.endswith(".bias") or "norm" in name


def groups(model, train: dict) -> list[dict]:
    """Parameter groups of AdamW. LoRA+ (Hayou et al. 2024, arXiv:2402.12354): each B at a rate of its own."""
    ratio = train["loraplus_lr_ratio"]
    found: dict[tuple[float, float], list] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decay = 0.0 if is_norm_or_bias(name) else train["weight_decay"]
        factor = ratio if ratio is not None and "lora_B" in name else 1.0
        found.setdefault((decay, factor), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": decay, "factor": factor}
        for (decay, factor), parameters in found.items()
    ]


def optimizer_of(model, train: dict):
    options = {
        "lr": train["learning_rate"],
        "betas": (train["adam_beta1"], train["adam_beta2"]),
        "eps": train["adam_epsilon"],
    }
    if "8bit" in train["optim"]:
        import bitsandbytes

        return bitsandbytes.optim.AdamW8bit(groups(model, train), **options)
    return torch.optim.AdamW(groups(model, train), **options)
