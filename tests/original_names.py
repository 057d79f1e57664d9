"""SD3's transformer in the names of its makers, written from diffusers': the opposite of what opening does."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_OUTSIDE = {
    "pos_embed.pos_embed": "pos_embed",
    "pos_embed.proj": "x_embedder.proj",
    "context_embedder": "context_embedder",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
    "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
    "proj_out": "final_layer.linear",
}
_INSIDE = {
    "attn.to_out.0": "x_block.attn.proj",
    "attn.to_add_out": "context_block.attn.proj",
    "norm1.linear": "x_block.adaLN_modulation.1",
    "norm1_context.linear": "context_block.adaLN_modulation.1",
    "ff.net.0.proj": "x_block.mlp.fc1",
    "ff.net.2": "x_block.mlp.fc2",
    "ff_context.net.0.proj": "context_block.mlp.fc1",
    "ff_context.net.2": "context_block.mlp.fc2",
}
_THREE = {
    "x_block.attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "context_block.attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
}


def sd3_in_original_names(state: Mapping[str, Tensor], *, prefix: str = "") -> dict[str, Tensor]:
    """Diffusers' names -> the makers': query, key and value in one; the last norms as (shift, scale)."""
    found = {}
    blocks = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("transformer_blocks."))
    for ours, theirs in _OUTSIDE.items():
        for end in ("", ".weight", ".bias"):
            if ours + end in state:
                found[theirs + end] = state[ours + end]
    for end in (".weight", ".bias"):
        found[f"final_layer.adaLN_modulation.1{end}"] = _swapped(state[f"norm_out.linear{end}"])
        for block in range(blocks):
            at, to = f"transformer_blocks.{block}.", f"joint_blocks.{block}."
            for ours, theirs in _INSIDE.items():
                if at + ours + end in state:
                    found[to + theirs + end] = state[at + ours + end]
            for theirs, parts in _THREE.items():
                found[to + theirs + end] = torch.cat([state[at + part + end] for part in parts])
        last = f"joint_blocks.{blocks - 1}.context_block.adaLN_modulation.1{end}"
        found[last] = _swapped(found[last])
    return {prefix + name: weight.contiguous() for name, weight in found.items()}


def _swapped(weight: Tensor) -> Tensor:
    scale, shift = weight.chunk(2)
    return torch.cat([shift, scale])
