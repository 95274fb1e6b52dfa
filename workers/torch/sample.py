"""How the next token is chosen: by the native engine's rule (src/kernels/sample.ts), with its very draws (src/generate/sampling.ts)."""

import torch

MASK = 0xFFFFFFFF


def hash32(text: str) -> int:
    """FNV-1a."""
    h = 0x811C9DC5
    for byte in text.encode():
        h = ((h ^ byte) * 0x01000193) & MASK
    return h


PURPOSE = hash32("sample")


def philox(counter: list[int], key: tuple[int, int]) -> list[int]:
    """Philox4x32-10."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        p0, p2 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p2 >> 32) ^ c1 ^ k0, p2 & MASK, (p0 >> 32) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return [c0, c1, c2, c3]


def draw_at(seed: int, position: int) -> float:
    """Uniform in [0, 1): what the token at `position` of a sequence is drawn with."""
    high, low, _, _ = philox([position, (seed >> 32) & MASK, 0, 0], (seed & MASK, PURPOSE))
    return (high * 2**21 + (low >> 11)) / 2**53


def penalize(logits, ids: list[int], penalty: float) -> None:
    """Divides a positive logit by `penalty` and multiplies a negative one, once for each distinct id. logits: [V]"""
    seen = torch.tensor(sorted(set(ids)), device=logits.device)
    found = logits[seen]
    logits[seen] = torch.where(found < 0, found * penalty, found / penalty)


def choose(logits, ids: list[int], sampling: dict, seed: int) -> int:
    """The token that follows `ids`. logits: [V], f32; a penalty changes them."""
    if sampling["repetition_penalty"] != 1:
        penalize(logits, ids, sampling["repetition_penalty"])
    top, best = logits.max(0)
    if not torch.isfinite(top):
        raise ValueError("no logit is a finite number")
    if sampling["temperature"] == 0:
        return int(best)
    logits = logits.double().nan_to_num(nan=-torch.inf)
    ranked, order = logits.sort(descending=True, stable=True)
    weights = ((ranked - ranked[0]) / sampling["temperature"]).exp()
    if 0 < sampling["top_k"] < len(ranked):
        weights = weights * (ranked >= ranked[sampling["top_k"] - 1])
    if sampling["top_p"] < 1:
        before = weights.cumsum(0) - weights
        kept = before < sampling["top_p"] * weights.sum()
        kept[0] = True
        weights = weights * kept
    weights = weights * (weights >= sampling["min_p"])
    # Those that are left lie end to end, by id.
    ends = torch.zeros_like(weights).scatter_(0, order, weights).cumsum(0)
    place = int(torch.searchsorted(ends, draw_at(seed, len(ids)) * ends[-1], right=True))
    return place if place < len(ends) else int(order[0])
