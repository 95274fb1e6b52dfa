"""Calls from Node to a session of either backend: all that are open go on together, a pass at a time.

A session has `about`, `busy`, `generate(call, command)`, `score(call, command)`, `cancel(call)` and `step()`, whose messages
go to Node: `{"call": 3, "tokens": [[sequence, id, logp], …]}`, then `{"call": 3, "result": …}`.
"""

import os
import queue
import threading
from importlib import import_module

from channel import Channel
from faults import failure


def backend(name: str):
    """The module; what it imports may not be there."""
    return import_module({"torch": "generate", "vllm": "through_vllm"}[name])


def read(channel: Channel, inbox: queue.SimpleQueue) -> None:
    while command := channel.receive():
        inbox.put(command)
    # Node is gone, or has no more to ask: nobody waits for what is under way.
    os._exit(0)


def obey(session, command: dict) -> list[dict]:
    call = command["call"]
    try:
        match command["do"]:
            case "generate":
                session.generate(call, command)
            case "score":
                session.score(call, command)
            case "cancel":
                session.cancel(call)
    except Exception as error:
        session.cancel(call)
        return [failure(call, error)]
    return []


def serve(module, task: dict) -> None:
    channel = Channel(os.environ["TUNERY_SOCKET"])
    inbox = queue.SimpleQueue()
    # It listens from the first: while a model is loaded, too, Node may go.
    threading.Thread(target=read, args=(channel, inbox), daemon=True).start()
    session = module.Session(task)
    channel.send({"ready": session.about})
    while True:
        commands = [] if session.busy else [inbox.get()]
        while not inbox.empty():
            commands.append(inbox.get())
        for command in commands:
            for message in obey(session, command):
                channel.send(message)
        for message in session.step():
            channel.send(message)
