"""What learns and the optimizer's state, on disk and back, at any number of ranks: torch's distributed checkpoint."""

from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp


def trained(model) -> dict:
    """The parameters that learn, by name. `model` is the one inside any wrapper of ranks."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def state_of(model, optimizer, scaling) -> dict:
    """Tensors as they lie on this rank: to be saved, or to be read into."""
    parameters = trained(model)
    state = {f"model.{name}": parameter.detach() for name, parameter in parameters.items()}
    if optimizer is None:
        return state
    if scaling.on:
        state["scaling"] = scaling.state
    for name, parameter in parameters.items():
        moments = optimizer.state[parameter]
        if not moments:
            # As AdamW begins.
            moments["step"] = torch.zeros((), dtype=torch.float32)
            moments["exp_avg"] = torch.zeros_like(parameter, requires_grad=False)
            moments["exp_avg_sq"] = torch.zeros_like(parameter, requires_grad=False)
        for key, value in moments.items():
            state[f"optimizer.{name}.{key}"] = value
    return state


def place(folder: str) -> str:
    return str(Path(folder) / "torch")


def save(model, optimizer, scaling, folder: str) -> None:
    dcp.save(state_of(model, optimizer, scaling), checkpoint_id=place(folder), no_dist=not dist.is_initialized())


def restore(model, optimizer, scaling, folder: str) -> None:
    dcp.load(state_of(model, optimizer, scaling), checkpoint_id=place(folder), no_dist=not dist.is_initialized())


def whole(model, first: bool) -> dict | None:
    """What learns, gathered on the first rank's CPU."""
    found = {}
    for name, parameter in trained(model).items():
        value = parameter.detach()
        value = value.full_tensor() if hasattr(value, "full_tensor") else value
        if first:
            found[name] = value.cpu()
    return found if first else None


def beside_the_base(weights: dict, taken: dict) -> dict:
    """PiSSA's adapter for the base as it was (Meng et al. 2024, arXiv:2404.02948): B·A − B₀·A₀ as one product of twice the rank."""
    found = {}
    for name, value in weights.items():
        first = taken.get(name)
        if first is not None:
            is_a = ".lora_A." in name
            value = torch.cat([value, first if is_a else -first], dim=0 if is_a else 1)
        found[name] = value
    return found


def export(model, weights: dict, taken: dict, folder: str, tuning: str) -> None:
    """An adapter in PEFT's file, or a whole model in transformers'; what stands beside them is Node's to write."""
    if tuning == "full":
        model.save_pretrained(folder, state_dict=weights, max_shard_size="5GB")
        return
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    weights = beside_the_base(weights, taken)
    # A head that shares the embedding's numbers stands in the file by its own name, too.
    names = {id(parameter): name for name, parameter in model.named_parameters() if name in weights}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if name not in weights and id(parameter) in names:
            weights[name] = weights[names[id(parameter)]].clone()
    adapter = get_peft_model_state_dict(model, state_dict=weights, save_embedding_layers=False)
    path = Path(folder) / "adapter_model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in adapter.items()}, path, metadata={"format": "pt"})
