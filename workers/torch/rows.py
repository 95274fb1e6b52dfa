"""Rows of a Prepared set, and how those of a step are shared among ranks and cut into micro-batches."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

IGNORED = -100


@dataclass
class Batch:
    """Documents end to end, as one sequence: all [1, T]."""

    ids: torch.Tensor
    labels: torch.Tensor
    positions: torch.Tensor
    # Of each row: its number, where its tokens begin, and where they end.
    rows: list[tuple[int, int, int]]
    # Where each document begins, and the end of the last: i32.
    starts: torch.Tensor
    # Tokens of the longest.
    longest: int


class Rows:
    """Memory-mapped; docs/reference/prepared-set.md has the columns."""

    def __init__(self, folder: str):
        self.file = safe_open(Path(folder) / "rows.safetensors", framework="pt")
        self.ids = self.file.get_slice("input_ids")
        self.labels = self.file.get_slice("labels")
        self.bounds = self.file.get_tensor("row_offsets")
        self.document_bounds = self.file.get_tensor("document_offsets")
        self.document_lengths = self.file.get_tensor("document_lengths")

    @property
    def count(self) -> int:
        return len(self.bounds) - 1

    def length(self, row: int) -> int:
        return int(self.bounds[row + 1] - self.bounds[row])

    def documents(self, row: int) -> list[int]:
        start, end = self.document_bounds[row], self.document_bounds[row + 1]
        return self.document_lengths[start:end].tolist()

    def batch(self, rows: list[int]) -> Batch:
        ids, labels, positions, lengths, places, at = [], [], [], [], [], 0
        for row in rows:
            start, end = int(self.bounds[row]), int(self.bounds[row + 1])
            ids.append(self.ids[start:end].long())
            own = self.labels[start:end].long()
            # The first token of a document is nobody's next one.
            first = 0
            for length in self.documents(row):
                positions.append(torch.arange(length))
                lengths.append(length)
                own[first] = IGNORED
                first += length
            labels.append(own)
            places.append((row, at, at + end - start))
            at += end - start
        starts = torch.tensor([0, *lengths]).cumsum(0).int()
        parts = (torch.cat(part)[None] for part in (ids, labels, positions))
        return Batch(*parts, places, starts, max(lengths))

    def nothing(self) -> Batch:
        """A token that teaches nothing: what a rank computes while others have rows left."""
        zero = torch.zeros(1, 1, dtype=torch.long)
        starts = torch.tensor([0, 1], dtype=torch.int32)
        return Batch(zero, torch.full_like(zero, IGNORED), zero, [], starts, 1)


def share(rows, length, ranks: int, at_once: int) -> list[list[list[int]]]:
    """Of each rank, its micro-batches: as many on every rank, an empty one where it has no more rows.

    Rows go to the rank that has the fewest tokens so far, longest first; then each rank cuts its own, in order, by tokens.
    """
    loads = [0] * ranks
    mine: list[list[int]] = [[] for _ in range(ranks)]
    for place in sorted(range(len(rows)), key=lambda i: (-length(rows[i]), i)):
        rank = loads.index(min(loads))
        loads[rank] += length(rows[place])
        mine[rank].append(place)
    cuts: list[list[list[int]]] = []
    for places in mine:
        cut: list[list[int]] = []
        tokens = at_once
        for place in sorted(places):
            size = length(rows[place])
            if tokens + size > at_once:
                cut.append([])
                tokens = 0
            cut[-1].append(rows[place])
            tokens += size
        cuts.append(cut)
    most = max(len(cut) for cut in cuts)
    return [cut + [[] for _ in range(most - len(cut))] for cut in cuts]
