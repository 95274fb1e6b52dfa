"""A session of transformers: each call is a batch with a cache of its own, and all that are open take their passes in turn.

So what a call gives does not depend on which others there are.
"""

import torch
from device import device_of
from faults import failure
from load import load
from sample import choose
from transformers import DynamicCache
from tune import merged


def with_adapters(model, folders: list[str]):
    """As the native engine: each but the last is merged into the weights, the last stays beside them."""
    if not folders:
        return model
    from peft import PeftModel

    return PeftModel.from_pretrained(merged(model, folders[:-1]), folders[-1])


class Sequence:
    def __init__(self, place: int, prompt: dict):
        self.place, self.ids, self.seed = place, prompt["ids"], prompt["seed"]
        self.end = len(self.ids) + prompt["most"]
        self.reason = None


class Generating:
    """A call: its sequences, those of them that wait, and the batch that is under way."""

    def __init__(self, command: dict):
        self.sequences = [Sequence(i, prompt) for i, prompt in enumerate(command["prompts"])]
        self.waiting = list(self.sequences)
        self.sampling, self.logprobs = command["sampling"], command["logprobs"]
        self.stop_ids = set(command["stop_ids"])
        self.batch: list[Sequence] = []
        self.cache = self.mask = None

    def begin(self, most: int, others: int) -> bool:
        """Takes its next batch, where none is under way; False while the sequences of `others` leave no room for it."""
        if self.batch:
            return True
        size = min(most, len(self.waiting))
        if others > 0 and others + size > most:
            return False
        self.batch, self.waiting = self.waiting[:size], self.waiting[size:]
        return True

    def inputs(self, device):
        """Of a new batch its prompts, filled up on the left; of one under way its last tokens."""
        if self.cache is None:
            width = max(len(each.ids) for each in self.batch)
            ids = [[0] * (width - len(each.ids)) + each.ids for each in self.batch]
            mask = [[0] * (width - len(each.ids)) + [1] * len(each.ids) for each in self.batch]
            self.cache, self.mask = DynamicCache(), torch.tensor(mask, device=device)
            positions = (self.mask.cumsum(1) - 1).clamp(min=0)
            return torch.tensor(ids, device=device), positions
        self.mask = torch.nn.functional.pad(self.mask, (0, 1), value=1)
        ids = torch.tensor([each.ids[-1:] for each in self.batch], device=device)
        return ids, self.mask.sum(1, keepdim=True) - 1

    def keep(self) -> None:
        """Lets those go that have ended."""
        rows = [row for row, each in enumerate(self.batch) if each.reason is None]
        if len(rows) == len(self.batch):
            return
        self.batch = [self.batch[row] for row in rows]
        if not rows:
            self.cache = self.mask = None
            return
        indices = torch.tensor(rows, device=self.mask.device)
        self.cache.batch_select_indices(indices)
        self.mask = self.mask[indices]


class Scoring:
    """A call: a pass for each of its sequences."""

    def __init__(self, command: dict):
        self.sequences = command["sequences"]
        self.found: list[list[float]] = []

    def next(self, device):
        each = self.sequences[len(self.found)]
        return torch.tensor(each["ids"], device=device), each["from"]


class Session:
    def __init__(self, task: dict):
        if task["threads"]:
            torch.set_num_threads(task["threads"])
        self.device = device_of(task["device"])
        self.most = task["max_num_seqs"]
        self.model = with_adapters(load(task, self.device), task["adapters"])
        self.model.to(self.device).eval()
        self.about = {"vocabulary": self.model.get_output_embeddings().weight.shape[0]}
        self.generating: dict[int, Generating] = {}
        self.scoring: dict[int, Scoring] = {}

    @property
    def busy(self) -> bool:
        return bool(self.generating or self.scoring)

    def generate(self, call: int, command: dict) -> None:
        self.generating[call] = Generating(command)

    def score(self, call: int, command: dict) -> None:
        self.scoring[call] = Scoring(command)

    def cancel(self, call: int) -> None:
        self.generating.pop(call, None)
        self.scoring.pop(call, None)

    @torch.inference_mode()
    def step(self):
        for calls, work in ((self.generating, self.advance), (self.scoring, self.logps)):
            for call, wanted in list(calls.items()):
                try:
                    yield from work(call, wanted)
                except Exception as error:
                    # What it held is free for the others.
                    self.cancel(call)
                    yield failure(call, error)

    def advance(self, call: int, wanted: Generating):
        others = sum(len(each.batch) for each in self.generating.values() if each is not wanted)
        if not wanted.begin(self.most, others):
            return
        ids, positions = wanted.inputs(self.device)
        logits = self.model(
            input_ids=ids,
            attention_mask=wanted.mask,
            position_ids=positions,
            past_key_values=wanted.cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1].float()
        plain = logits.log_softmax(-1) if wanted.logprobs else None
        tokens = []
        for row, each in enumerate(wanted.batch):
            chosen = choose(logits[row], each.ids, wanted.sampling, each.seed)
            each.ids.append(chosen)
            tokens.append([each.place, chosen, None if plain is None else float(plain[row, chosen])])
            if chosen in wanted.stop_ids:
                each.reason = "stop"
            elif len(each.ids) >= each.end:
                each.reason = "length"
        yield {"call": call, "tokens": tokens}
        wanted.keep()
        if not wanted.batch and not wanted.waiting:
            self.cancel(call)
            yield {"call": call, "result": [{"reason": each.reason, "reused": 0} for each in wanted.sequences]}

    def logps(self, call: int, wanted: Scoring):
        ids, start = wanted.next(self.device)
        logps = []
        if start < len(ids):
            # What stands at i - 1 predicts the token at i.
            asked = torch.arange(start - 1, len(ids) - 1, device=self.device)
            logits = self.model(input_ids=ids[None], logits_to_keep=asked, use_cache=False).logits[0].float()
            logps = logits.log_softmax(-1).gather(1, ids[start:, None])[:, 0].tolist()
        wanted.found.append(logps)
        if len(wanted.found) == len(wanted.sequences):
            self.cancel(call)
            yield {"call": call, "result": wanted.found}
