"""What a rank's memory is made of, measured in one step, in bytes by class: what `tunery estimate --gpu` foretells."""

from contextlib import contextmanager

import torch
from rows import IGNORED
from strategy import blocks_of
from torch.autograd.graph import saved_tensors_hooks


def local(tensor):
    """A rank's own part: FSDP2 has DTensors, ZeRO 3 keeps its part beside an empty tensor."""
    tensor = tensor.detach() if isinstance(tensor, torch.Tensor) else tensor
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


class Storages:
    """Bytes of tensors by class: memory that two of them share counts once, for the first that names it."""

    def __init__(self, device: torch.device, seen=()):
        self.device, self.seen = device, set(seen)

    def add(self, tensors) -> int:
        total = 0
        for tensor in map(local, tensors):
            if not isinstance(tensor, torch.Tensor) or tensor.device.type != self.device.type:
                continue
            storage = tensor.untyped_storage()
            if storage.data_ptr() == 0 or storage.data_ptr() in self.seen:
                continue
            self.seen.add(storage.data_ptr())
            total += storage.nbytes()
        return total


def weights_of(module) -> list:
    parts = [getattr(parameter, "ds_tensor", None) for parameter in module.parameters()]
    quantized = [getattr(parameter, "quant_state", None) for parameter in module.parameters()]
    scales = [part for state in quantized if state for part in (state.absmax, state.code)]
    return [*module.parameters(), *module.buffers(), *(part for part in parts if part is not None), *scales]


def state_of(optimizer) -> list:
    states = getattr(optimizer, "optimizer", optimizer).state.values()
    return [value for state in states for value in state.values()]


def buckets_of(strategy) -> int:
    """Bytes of what DDP sends gradients from."""
    told = getattr(strategy.model, "_get_ddp_logging_data", dict)().get("bucket_sizes", "")
    return sum(int(size) for size in str(told).split(",") if size.strip())


def masters_of(optimizer) -> list:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def flattened(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from flattened(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from flattened(part)


def whole_gradients(module) -> list:
    """Of FSDP2 between a step's micro-batches: they meet in the last."""
    states = [part._get_fsdp_state() for part in module.modules() if hasattr(part, "_get_fsdp_state")]
    parts = [part for state in states for group in state._fsdp_param_groups for part in group.fsdp_params]
    places = [(getattr(part, "_unsharded_param", None), part.unsharded_accumulated_grad) for part in parts]
    return [grad for whole, own in places for grad in (own, getattr(whole, "grad", None))]


def gradients_of(module, optimizer) -> list:
    """`grad` of what learns; ZeRO 2 and 3 keep a rank's part in places of their own."""
    zero = [getattr(optimizer, name, None) for name in ("averaged_gradients", "grad_partitions_flat_buffer")]
    masters = [parameter.grad for parameter in masters_of(optimizer)]
    own = [parameter.grad for parameter in module.parameters()]
    return [*own, *masters, *flattened(zero), *whole_gradients(module)]


CASTS = {"TBackward0", "TransposeBackward0", "ToCopyBackward0"}


def is_cast_weight(tensor) -> bool:
    """Whether autocast made it of a weight: nothing but casts and turns lies between it and what learns."""
    node = tensor.grad_fn
    while type(node).__name__ in CASTS:
        node = node.next_functions[0][0]
    return tensor.grad_fn is not None and type(node).__name__ == "AccumulateGrad"


class Account:
    """Bytes by class, filled in as the step goes on. What a layer gathers is told by a hook within each block."""

    def __init__(self, strategy, device: torch.device):
        self.strategy, self.device, self.blocks = strategy, device, blocks_of(strategy.module)
        self.kinds: dict[str, int] = {}
        # The largest micro-batch, and how many there were.
        self.cut, self.cuts = {"tokens": 0}, 0

    def begin(self):
        """Before the step's first micro-batch."""
        self.held = Storages(self.device)
        optimizer = self.strategy.optimizer
        self.kinds["weights"] = self.held.add(weights_of(self.strategy.module))
        self.kinds["optimizer"] = self.held.add([*masters_of(optimizer), *state_of(optimizer)])
        self.kinds["communication"] = buckets_of(self.strategy)
        self.kinds |= {"gradients": 0, "activations": 0, "casts": 0, "gathered": 0}

    def gathered(self) -> Storages:
        """Weights that are whole just now, and are none of this rank's own."""
        found = Storages(self.device, self.held.seen)
        self.kinds["gathered"] = max(self.kinds["gathered"], found.add(self.strategy.module.parameters()))
        return found

    @contextmanager
    def forward(self, batch):
        """Around a forward pass: what it leaves for the backward pass."""
        saved, casts = [], []
        size = {"tokens": batch.ids.numel(), "documents": int((batch.positions == 0).sum())}
        size["targets"] = max(1, int((batch.labels[0, 1:] != IGNORED).sum()))
        if size["tokens"] > self.cut["tokens"]:
            self.cut = size
        self.cuts += 1

        def pack(tensor):
            (casts if is_cast_weight(tensor) else saved).append(tensor.detach())
            return tensor

        inner = [module for block in self.blocks for module in list(block.children())[-1:]]
        hooks = [module.register_forward_hook(lambda *_: self.gathered() and None) for module in inner]
        with saved_tensors_hooks(pack, lambda tensor: tensor):
            yield
        for hook in hooks:
            hook.remove()
        # What was gathered and let go of is empty by now.
        known = self.gathered()
        for kind, tensors in (("casts", casts), ("activations", saved)):
            self.kinds[kind] = max(self.kinds[kind], known.add(tensors))

    def gradients(self):
        """After a micro-batch's backward pass."""
        found = Storages(self.device, self.held.seen)
        bytes_now = found.add(gradients_of(self.strategy.module, self.strategy.optimizer))
        self.kinds["gradients"] = max(self.kinds["gradients"], bytes_now)

    def told(self) -> dict:
        return {"kinds": self.kinds, "cut": self.cut, "cuts": self.cuts}
