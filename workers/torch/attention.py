"""Attention of documents that lie end to end, each within itself, on a GPU.

transformers keeps them apart by a mask of T x T, and PyTorch's kernels then compute all of it and keep a copy of it for each layer.
The same kernels, told where each document begins, compute nothing between two documents and keep nothing of that size.
"""

import torch

NAME = "tunery_documents"


def flash(query, key, value, starts, longest, dropout, scaling):
    """[1, H, T, E], 16 bits, as many key heads as there are -> [1, T, H, E]."""
    parts = (each[0].transpose(0, 1) for each in (query, key, value))
    found = torch.ops.aten._flash_attention_forward(
        *parts, starts, starts, longest, longest, dropout, True, False, scale=scaling
    )
    return found[0][None]


# Compiled layers leave it as it is: PyTorch 2.11 cannot say the shapes of its backward pass.
@torch.compiler.disable
def efficient(query, key, value, starts, longest, dropout, scaling):
    """[1, H, T, E] of any precision -> [1, T, H, E]."""
    times = query.shape[1] // key.shape[1]
    parts = [query, *(each.repeat_interleave(times, 1) if times > 1 else each for each in (key, value))]
    parts = [each.transpose(1, 2) for each in parts]
    causal_from_top_left = 1
    found = torch.ops.aten._efficient_attention_forward(
        *parts, None, starts, starts, longest, longest, dropout, causal_from_top_left, True, scale=scaling
    )
    return found[0]


def kernel_for(value):
    """Flash attention is for 16 bits, and for GPUs since Ampere."""
    if value.dtype == torch.float32 or torch.cuda.get_device_capability(value.device) < (8, 0):
        return efficient
    return flash if value.shape[-1] <= 256 else efficient


def attend(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **about):
    """As transformers calls it: [1, H, T, E] -> [1, T, H, E]."""
    # Rotated, queries and keys are as the layers between are, which full fine-tuning has in f32.
    query, key = query.to(value.dtype), key.to(value.dtype)
    kernel = kernel_for(value)
    return kernel(query, key, value, about["cu_seq_lens_q"], about["max_length_q"], dropout, scaling), None


def serves(config, model) -> bool:
    """Whether the model asks for its attention by name, looks at all that stands before, and has heads that the kernels take."""
    heads = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    windows = "sliding_attention" in (getattr(config, "layer_types", None) or ())
    return model._supports_attention_backend and not windows and heads % 8 == 0


def use(model, device: torch.device) -> None:
    """In place of `sdpa`, where it can be."""
    if device.type != "cuda" or not serves(model.config, model):
        return
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)
    model.set_attn_implementation(NAME)


def told(model, batch, device: torch.device) -> dict:
    """What a pass is given beside its ids: where documents begin, and the length of the longest."""
    if model.config._attn_implementation != NAME:
        return {}
    starts = batch.starts.to(device)
    return {
        "cu_seq_lens_q": starts,
        "cu_seq_lens_k": starts,
        "max_length_q": batch.longest,
        "max_length_k": batch.longest,
    }
