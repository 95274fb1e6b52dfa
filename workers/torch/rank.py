"""A rank of a training, to its end.

The first rank asks Node what to do next, all do it, and it answers. What a run decides as it goes is Node's
(docs/decisions/one-loop.md); what a rank knows is its rows, its share of the model, and the next command.
"""

import json
import os
import sys

import torch
from channel import Channel
from checkpoint import export
from faults import kind_of
from learn import Learner
from load import load_to_train
from parent import fail
from ranks import Ranks
from rows import Rows
from strategy import STRATEGIES, compile_blocks
from tune import optimizer_of, tune


def build(task: dict, ranks: Ranks) -> Learner:
    model, taken = tune(load_to_train(task, ranks.device), task)
    if task["compile"] is not None:
        compile_blocks(model, task["compile"])
    strategy = STRATEGIES[task["strategy"]](model, ranks, task)
    strategy.optimize(optimizer_of(strategy.module, task["train"]))
    rows = Rows(task["rows"]) if task["rows"] else None
    evaluations = {each["name"]: Rows(each["folder"]) for each in task["evaluations"]}
    return Learner(strategy, rows, evaluations, task, ranks, taken)


def obey(learner: Learner, command: dict, ranks: Ranks):
    strategy = learner.strategy
    match command["do"]:
        case "learn":
            return learner.learn(command)
        case "evaluate":
            return learner.evaluate()
        case "save":
            return strategy.save(command["folder"], command["optimizer"])
        case "restore":
            return strategy.restore(command["folder"], command["optimizer"])
        case "export":
            weights = strategy.whole()
            if ranks.first:
                export(strategy.module, weights, learner.taken, command["folder"], learner.task["finetuning_type"])
            return None
    raise ValueError(f"no such command: {command['do']}")


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        task = json.load(file)
    if task["threads"]:
        torch.set_num_threads(task["threads"])
    rank = int(os.environ.get("RANK", "0"))
    channel = Channel(os.environ["TUNERY_SOCKET"]) if rank == 0 else None
    try:
        ranks = Ranks(task["device"], always_group=task["strategy"] == "deepspeed")
        learner = build(task, ranks)
        if channel:
            channel.send({"ready": {"torch": torch.__version__, "world": ranks.size, "device": str(ranks.device)}})
        while command := ranks.broadcast(channel.receive() if channel else None):
            answer = obey(learner, command, ranks)
            if channel:
                channel.send({"answer": answer})
    except Exception as error:
        fail(kind_of(error), error)
    ranks.close()
    return 0
