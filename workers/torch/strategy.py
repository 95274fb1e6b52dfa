"""How a model's weights, gradients and moments lie on the ranks, and what that changes of a step."""

from contextlib import nullcontext

import checkpoint
import torch
import torch.distributed as dist
from load import DTYPES
from scaling import Scaling


def blocks_of(model) -> list:
    """The decoder's layers: what is sharded as one."""
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return list(max(lists, key=len)) if lists else []


def compile_blocks(model, options: dict) -> None:
    """Each layer by itself: they are alike, so one is compiled. Rows differ in length, so sizes are left open."""
    for block in blocks_of(model):
        block.compile(dynamic=True, **options)


class Plain:
    """One process."""

    def __init__(self, model, ranks, task):
        self.module = self.model = model
        self.ranks, self.task = ranks, task
        self.scaling = Scaling(on=task["compute_dtype"] == "fp16")

    def optimize(self, optimizer):
        self.optimizer = optimizer

    def accumulate(self, last: bool):
        """Around a micro-batch: gradients meet in the last one of a step."""
        return nullcontext()

    def backward(self, loss):
        loss.backward()

    def clip(self, most: float) -> float:
        """The norm before clipping; no bound where `most` is 0."""
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self.scaling.undo(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, most if most > 0 else float("inf"))
        return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)

    def step(self):
        self.optimizer.step()

    def clear(self):
        self.optimizer.zero_grad()

    def save(self, folder: str, with_optimizer: bool):
        checkpoint.save(self.module, self.optimizer if with_optimizer else None, self.scaling, folder)

    def restore(self, folder: str, with_optimizer: bool):
        checkpoint.restore(self.module, self.optimizer if with_optimizer else None, self.scaling, folder)

    def whole(self) -> dict | None:
        return checkpoint.whole(self.module, self.ranks.first)


class Ddp(Plain):
    """Everything on each rank, gradients averaged."""

    def __init__(self, model, ranks, task):
        super().__init__(model, ranks, task)
        ids = None if ranks.device.type == "cpu" else [ranks.local]
        self.model = torch.nn.parallel.DistributedDataParallel(model, device_ids=ids)

    def accumulate(self, last: bool):
        return nullcontext() if last else self.model.no_sync()


class Fsdp(Plain):
    """Sharded over all ranks, a layer gathered while it is computed: FSDP2."""

    def __init__(self, model, ranks, task):
        from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard

        super().__init__(model, ranks, task)
        # Over replicas first, then shards: HSDP, as HYBRID_SHARD means it.
        hybrid = task["sharding"] == "hybrid"
        shape = (ranks.size // ranks.here, ranks.here) if hybrid else (ranks.size,)
        names = ("replicas", "shards") if hybrid else ("shards",)
        computed = None if task["compute_dtype"] == "f32" else DTYPES[task["compute_dtype"]]
        options = {
            "mesh": dist.device_mesh.init_device_mesh(ranks.device.type, shape, mesh_dim_names=names),
            "reshard_after_forward": task["sharding"] != "gradients",
            "mp_policy": MixedPrecisionPolicy(param_dtype=computed, reduce_dtype=torch.float32),
            "offload_policy": CPUOffloadPolicy() if task["offload"] else OffloadPolicy(),
        }
        for block in blocks_of(model):
            fully_shard(block, **options)
        fully_shard(model, **options)

    def accumulate(self, last: bool):
        self.model.set_requires_gradient_sync(last)
        return nullcontext()


class DeepSpeed(Plain):
    """As the user's own file says, its `auto` filled in by Node."""

    def optimize(self, optimizer):
        import deepspeed

        self.engine, self.optimizer, _, _ = deepspeed.initialize(
            model=self.module, optimizer=optimizer, config=self.task["deepspeed"], dist_init_required=False
        )
        self.model = self.engine
        self.stage = self.engine.zero_optimization_stage()

    def accumulate(self, last: bool):
        self.engine.set_gradient_accumulation_boundary(last)
        return nullcontext()

    def backward(self, loss):
        self.engine.backward(loss, scale_wrt_gas=False)
        if not self.engine.is_gradient_accumulation_boundary():
            self.engine.step()

    def clip(self, most: float) -> float:
        # It clips, learns and forgets in its own step.
        self.engine.step()
        norm = self.engine.get_global_grad_norm()
        return float(norm) if norm is not None else 0.0

    def step(self):
        pass

    def clear(self):
        pass

    def save(self, folder: str, with_optimizer: bool):
        self.engine.save_checkpoint(checkpoint.place(folder), tag="state", exclude_frozen_parameters=True)

    def restore(self, folder: str, with_optimizer: bool):
        self.engine.load_checkpoint(
            checkpoint.place(folder),
            tag="state",
            load_module_strict=False,
            load_optimizer_states=with_optimizer,
            load_lr_scheduler_states=False,
        )

    def whole(self) -> dict | None:
        if self.stage < 3:
            return super().whole()
        from deepspeed import zero

        found = {}
        for name, parameter in checkpoint.trained(self.module).items():
            with zero.GatheredParameters([parameter]):
                if self.ranks.first:
                    found[name] = parameter.detach().cpu().clone()
        return found if self.ranks.first else None


STRATEGIES = {"none": Plain, "ddp": Ddp, "fsdp": Fsdp, "deepspeed": DeepSpeed}
