"""Lines of JSON between the first rank and Node, over a socket: a command, then its answer."""

import json
import socket


class Channel:
    def __init__(self, path: str):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r", encoding="utf-8")

    def receive(self) -> dict | None:
        """The next command; None where Node is gone."""
        try:
            line = self.lines.readline()
        except OSError:
            return None
        return json.loads(line) if line else None

    def send(self, message: dict) -> None:
        self.socket.sendall(json.dumps(message, allow_nan=False).encode() + b"\n")
