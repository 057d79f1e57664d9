"""Names of LoRA weights: diffusers' own, and those of ComfyUI and kohya's trainer, both ways, for SD3 and Flux.

Diffusers splits what the original code fuses: to_q, to_k, to_v are rows of one `qkv`. Splitting copies `down` and
cuts `up`; fusing stacks the `down`s and puts the `up`s on a diagonal, which computes the same with the ranks added.
In every pair of weights here the update is up @ down, with no factor left to apply: alpha / rank is multiplied in.
Not here: files (`finetune.lora.files`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from finetune.backbones import FamilyName


class LowRank(NamedTuple):
    """The update of one weight, up @ down."""

    down: Tensor  # (rank, in) or (rank, in, kh, kw)
    up: Tensor  # (out, rank) or (out, rank, 1, 1)


@dataclass(frozen=True, slots=True)
class OriginalLayer:
    """One layer of the original code and the diffusers layers that are its rows, from the top."""

    name: str
    parts: tuple[str, ...]
    rows: tuple[int, ...] = (1,)
    """Rows of each part, in multiples of its columns; (1,) where there is one part."""

    halves_swapped: bool = False
    """Shift before scale in the original, scale before shift in diffusers: wherever it has these two alone."""


def _fused(name: str, *parts: str) -> OriginalLayer:
    return OriginalLayer(name, parts, (1,) * len(parts))


_Q_K_V = ("to_q", "to_k", "to_v")
_ADDED = ("add_q_proj", "add_k_proj", "add_v_proj")

_FLUX_DOUBLE = (
    _fused("img_attn.qkv", *(f"attn.{p}" for p in _Q_K_V)),
    _fused("txt_attn.qkv", *(f"attn.{p}" for p in _ADDED)),
    _fused("img_attn.proj", "attn.to_out.0"),
    _fused("txt_attn.proj", "attn.to_add_out"),
    _fused("img_mlp.0", "ff.net.0.proj"),
    _fused("img_mlp.2", "ff.net.2"),
    _fused("txt_mlp.0", "ff_context.net.0.proj"),
    _fused("txt_mlp.2", "ff_context.net.2"),
    _fused("img_mod.lin", "norm1.linear"),
    _fused("txt_mod.lin", "norm1_context.linear"),
)
_FLUX_SINGLE = (
    OriginalLayer("linear1", (*(f"attn.{p}" for p in _Q_K_V), "proj_mlp"), (1, 1, 1, 4)),
    _fused("linear2", "proj_out"),
    _fused("modulation.lin", "norm.linear"),
)
_SD3_JOINT = (
    _fused("x_block.attn.qkv", *(f"attn.{p}" for p in _Q_K_V)),
    _fused("context_block.attn.qkv", *(f"attn.{p}" for p in _ADDED)),
    _fused("x_block.attn.proj", "attn.to_out.0"),
    _fused("context_block.attn.proj", "attn.to_add_out"),
    _fused("x_block.attn2.qkv", *(f"attn2.{p}" for p in _Q_K_V)),
    _fused("x_block.attn2.proj", "attn2.to_out.0"),
    _fused("x_block.mlp.fc1", "ff.net.0.proj"),
    _fused("x_block.mlp.fc2", "ff.net.2"),
    _fused("context_block.mlp.fc1", "ff_context.net.0.proj"),
    _fused("context_block.mlp.fc2", "ff_context.net.2"),
    _fused("x_block.adaLN_modulation.1", "norm1.linear"),
    # In the last block, which only reads the text, it has two halves; elsewhere six parts in the same order.
    OriginalLayer("context_block.adaLN_modulation.1", ("norm1_context.linear",), halves_swapped=True),
)
_TIME, _VECTOR, _GUIDANCE = (
    f"time_text_embed.{part}_embedder.linear_" for part in ("timestep", "text", "guidance")
)
_LAST_MODULATION = OriginalLayer("final_layer.adaLN_modulation.1", ("norm_out.linear",), halves_swapped=True)
_FLUX_OUTSIDE = (
    _fused("img_in", "x_embedder"),
    _fused("txt_in", "context_embedder"),
    *(_fused(f"time_in.{side}_layer", f"{_TIME}{i}") for i, side in ((1, "in"), (2, "out"))),
    *(_fused(f"vector_in.{side}_layer", f"{_VECTOR}{i}") for i, side in ((1, "in"), (2, "out"))),
    *(_fused(f"guidance_in.{side}_layer", f"{_GUIDANCE}{i}") for i, side in ((1, "in"), (2, "out"))),
    _fused("final_layer.linear", "proj_out"),
    _LAST_MODULATION,
)
_SD3_OUTSIDE = (
    _fused("x_embedder.proj", "pos_embed.proj"),
    _fused("context_embedder", "context_embedder"),
    *(_fused(f"t_embedder.mlp.{j}", f"{_TIME}{i}") for i, j in ((1, 0), (2, 2))),
    *(_fused(f"y_embedder.mlp.{j}", f"{_VECTOR}{i}") for i, j in ((1, 0), (2, 2))),
    _fused("final_layer.linear", "proj_out"),
    _LAST_MODULATION,
)
# family -> (original name of a list of blocks, diffusers name, layers in each), and the layers outside blocks
_BLOCKS: Mapping[str, tuple[tuple[str, str, tuple[OriginalLayer, ...]], ...]] = {
    "flux": (
        ("double_blocks", "transformer_blocks", _FLUX_DOUBLE),
        ("single_blocks", "single_transformer_blocks", _FLUX_SINGLE),
    ),
    "sd3": (("joint_blocks", "transformer_blocks", _SD3_JOINT),),
}
_OUTSIDE = {"flux": _FLUX_OUTSIDE, "sd3": _SD3_OUTSIDE}


def original_layers(family: FamilyName, modules: Sequence[str]) -> tuple[OriginalLayer, ...]:
    """The original layers of a transformer, full names on both sides, in its order of blocks.

    Args:
        modules: Names of the diffusers transformer's layers, such as `transformer_blocks.0.attn.to_q`.
    """
    present = set(modules)
    found = [layer for layer in _OUTSIDE[family] if present.intersection(layer.parts)]
    for original, ours, layers in _BLOCKS[family]:
        numbers = {int(m[1]) for name in present if (m := re.match(rf"{ours}\.(\d+)\.", name))}
        for number in sorted(numbers):
            for layer in layers:
                parts = tuple(f"{ours}.{number}.{part}" for part in layer.parts)
                if present.intersection(parts):
                    name = f"{original}.{number}.{layer.name}"
                    found.append(OriginalLayer(name, parts, layer.rows, layer.halves_swapped))
    return tuple(found)


def split(layer: OriginalLayer, pair: LowRank) -> dict[str, LowRank]:
    """One pair of the original layer -> one pair for each diffusers layer; zero ones are left out.

    Raises ValueError where the rows do not divide into the parts.
    """
    pair = _swapped(pair) if layer.halves_swapped else pair
    if len(layer.parts) == 1:
        return {layer.parts[0]: pair}
    unit, rest = divmod(pair.up.shape[0], sum(layer.rows))
    if rest:
        raise ValueError(f"{layer.name} has {pair.up.shape[0]} rows, which do not divide into {layer.parts}")
    ups = pair.up.split([unit * share for share in layer.rows])
    pairs = {}
    for part, up in zip(layer.parts, ups, strict=True):
        used = up.abs().sum(0) > 0  # on a diagonal, each part uses its own share of the ranks
        if used.any():
            pairs[part] = LowRank(pair.down[used].contiguous(), up[:, used].contiguous())
    return pairs


def fuse(layer: OriginalLayer, pairs: Mapping[str, LowRank]) -> LowRank | None:
    """The opposite of `split`; None where no part is trained. Untrained parts get zero rows."""
    trained = [pairs[part] for part in layer.parts if part in pairs]
    if not trained:
        return None
    if len(layer.parts) == 1:
        return _swapped(trained[0]) if layer.halves_swapped else trained[0]
    ranks = [pair.down.shape[0] for pair in trained]
    width = trained[0].down.shape[1]
    up = trained[0].up.new_zeros(width * sum(layer.rows), sum(ranks))
    row = column = 0
    for part, share in zip(layer.parts, layer.rows, strict=True):
        if part in pairs:
            rows, rank = pairs[part].up.shape
            if rows != width * share:
                raise ValueError(
                    f"{part} has {rows} rows and not {width * share}; {layer.name} cannot hold it"
                )
            up[row : row + rows, column : column + rank] = pairs[part].up
            column += rank
        row += width * share
    return LowRank(torch.cat([pair.down for pair in trained]), up)


def underscored(name: str) -> str:
    """As in kohya's keys, where dots become underscores."""
    return name.replace(".", "_")


def _swapped(pair: LowRank) -> LowRank:
    if pair.up.shape[0] != 2 * pair.down.shape[1]:
        return pair
    first, second = pair.up.chunk(2)
    return LowRank(pair.down, torch.cat([second, first]))
