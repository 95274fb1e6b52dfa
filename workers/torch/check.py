"""What a Python has for the torch engine, and whether it works: one line of JSON. Ends with an error that says what is wrong."""

import json
import sys
from importlib import metadata
from pathlib import Path

NEEDED = ("torch", "transformers", "peft", "accelerate", "safetensors", "numpy")
OPTIONAL = ("deepspeed", "bitsandbytes", "flash-attn", "liger-kernel", "vllm")


def version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def missing_files() -> list[str]:
    """Files that a package's record names and that are gone; what Python makes by itself is not looked for."""
    found = []
    for distribution in metadata.distributions():
        for file in distribution.files or ():
            path = Path(distribution.locate_file(file))
            if path.suffix != ".pyc" and not path.exists():
                found.append(str(file))
    return found


def three_steps() -> list[float]:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "vocab_size": 64}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    model = get_peft_model(LlamaForCausalLM(LlamaConfig(**sizes, **heads)), LoraConfig(r=4, target_modules=["q_proj"]))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    ids = torch.arange(32, device=device)[None]
    losses = []
    for _ in range(3):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def main() -> int:
    packages = {name: version(name) for name in NEEDED + OPTIONAL}
    absent = [name for name in NEEDED if packages[name] is None]
    if absent:
        print(f"it has no {', '.join(absent)}", file=sys.stderr)
        return 1
    missing = missing_files() if Path(sys.prefix, "tunery-engine.json").exists() else []
    report = {"python": sys.version.split()[0], "packages": packages, "missing": missing}
    if missing:
        print(json.dumps({**report, "devices": [], "backends": [], "losses": []}))
        return 0
    import torch
    import torch.distributed as dist

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    backends = [name for name in ("gloo", "nccl", "mpi") if getattr(dist, f"is_{name}_available")()]
    report |= {"devices": ["cpu", *gpus], "backends": backends, "losses": three_steps()}
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
