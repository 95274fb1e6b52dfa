"""A session of vLLM: its engine in this process, without its tokenizer, and every call's sequences in its one batch."""

import json
from itertools import zip_longest
from pathlib import Path

import torch
from vllm import EngineArgs, LLMEngine, SamplingParams
from vllm.lora.request import LoRARequest
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind

# Ranks that vLLM has kernels for.
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)


# Adapters that one batch may hold.
TOGETHER = 8


def rank_of(adapters: list[str], least: int) -> int:
    configs = [json.loads(Path(folder, "adapter_config.json").read_text(encoding="utf-8")) for folder in adapters]
    wanted = max(least, *(rank for each in configs for rank in (each["r"], *each.get("rank_pattern", {}).values())), 1)
    return next((rank for rank in RANKS if rank >= wanted), wanted)


def slots(adapters: int, cpu: bool) -> int:
    """vLLM's kernels for a CPU (0.32) give a sequence without an adapter the last slot's: there one more stays empty."""
    return adapters + 1 if cpu else max(1, min(adapters, TOGETHER))


def adapters_of(task: dict) -> dict[str | None, str]:
    """Folders by name; the session's own has none."""
    return ({None: task["adapter"]} if task["adapter"] else {}) | task["modules"]


def gpus_for(heads: int) -> int:
    """As many as the attention heads can be shared among."""
    return max(n for n in range(1, max(1, torch.cuda.device_count()) + 1) if heads % n == 0)


def arguments(task: dict) -> dict:
    cpu = current_platform.is_cpu()
    adapters = list(adapters_of(task).values())
    parallel = task["config"].get("tensor_parallel_size") or gpus_for(task["heads"])
    return {
        "model": task["model"],
        "skip_tokenizer_init": True,
        "generation_config": "vllm",
        "disable_log_stats": True,
        "dtype": {"f32": "float32", "bf16": "bfloat16"}[task["dtype"]],
        "max_model_len": task["context"],
        "max_num_seqs": task["max_num_seqs"],
        # What is compiled pays for itself in a server of GPUs.
        "enforce_eager": task["enforce_eager"] or cpu,
        "gpu_memory_utilization": task["gpu_util"],
        "kv_cache_memory_bytes": task["cache_bytes"] or (task["cpu_cache_bytes"] if cpu else None),
        "kv_cache_dtype": task["cache_dtype"],
        "tensor_parallel_size": parallel,
        # More than one process only where there is more than one device: all of them end with this one.
        "distributed_executor_backend": "uni" if parallel == 1 else "mp",
        "enable_lora": len(adapters) > 0,
        "max_loras": slots(len(adapters), cpu),
        "max_cpu_loras": max(len(adapters), slots(len(adapters), cpu)),
        "max_lora_rank": rank_of(adapters, task["max_lora_rank"]),
        **task["config"],
    }


class Call:
    def __init__(self, sequences: list[dict]):
        self.sequences = sequences
        self.results: list[dict | list[float] | None] = [None] * len(sequences)


class Session:
    def __init__(self, task: dict):
        self.engine = LLMEngine.from_engine_args(EngineArgs(**arguments(task)))
        self.adapters = {
            name: LoRARequest(name or "adapter", number, folder)
            for number, (name, folder) in enumerate(adapters_of(task).items(), 1)
        }
        self.about = {"vocabulary": self.engine.model_config.get_vocab_size()}
        self.calls: dict[int, Call] = {}

    @property
    def busy(self) -> bool:
        return bool(self.calls)

    def generate(self, call: int, command: dict) -> None:
        self.calls[call] = Call(command["prompts"])
        for place, prompt in enumerate(command["prompts"]):
            self.add(
                *(call, place, prompt["ids"], command["module"]),
                seed=prompt["seed"] % 2**63,
                max_tokens=prompt["most"],
                stop_token_ids=command["stop_ids"],
                logprobs=0 if command["logprobs"] else None,
                output_kind=RequestOutputKind.DELTA,
                **command["sampling"],
            )

    def score(self, call: int, command: dict) -> None:
        self.calls[call] = Call(command["sequences"])
        for place, each in enumerate(command["sequences"]):
            kind = RequestOutputKind.FINAL_ONLY
            self.add(call, place, each["ids"], None, temperature=0, max_tokens=1, prompt_logprobs=0, output_kind=kind)

    def add(self, call: int, place: int, ids: list[int], module: str | None, **sampling) -> None:
        # Which tokens end a reply is Node's to say.
        parameters = SamplingParams(ignore_eos=True, detokenize=False, **sampling)
        adapter = self.adapters.get(module)
        self.engine.add_request(f"{call}.{place}", {"prompt_token_ids": ids}, parameters, lora_request=adapter)

    def cancel(self, call: int) -> None:
        gone = self.calls.pop(call, None)
        if gone:
            self.engine.abort_request([f"{call}.{place}" for place in range(len(gone.sequences))])

    def step(self):
        """One pass; a message with the new tokens of each call, and one for each that is done."""
        tokens: dict[int, list] = {}
        for output in self.engine.step() if self.calls else ():
            number, place = (int(part) for part in output.request_id.split("."))
            call = self.calls.get(number)
            if call is None:
                continue
            (new,) = output.outputs
            if "from" in call.sequences[place]:
                call.results[place] = logps_of(call.sequences[place], output.prompt_logprobs)
                continue
            logps = [said[id].logprob for id, said in zip(new.token_ids, new.logprobs or (), strict=False)]
            pairs = zip_longest(new.token_ids, logps)
            tokens.setdefault(number, []).extend([place, id, logp] for id, logp in pairs)
            if output.finished:
                reason = "stop" if new.finish_reason == "stop" else "length"
                call.results[place] = {"reason": reason, "reused": output.num_cached_tokens or 0}
        for number, said in tokens.items():
            yield {"call": number, "tokens": said}
        for number in [number for number, call in self.calls.items() if None not in call.results]:
            yield {"call": number, "result": self.calls.pop(number).results}


def logps_of(asked: dict, prompt_logprobs: list) -> list[float]:
    """The first token of a sequence is never asked for: nothing stands before it."""
    pairs = list(zip(asked["ids"], prompt_logprobs, strict=False))
    return [said[id].logprob for id, said in pairs[asked["from"] :]]
