"""A transformer's first attention: some heads look at a token's neighbours, as a convolution would.

Tokens must agree on what is smooth across them. Which token is next to which lies in sines and cosines, and
learning that from nothing took most of a short training: pictures stayed a grid of tiles. Here queries and keys of some
heads begin as positions, a query's turned by the step to the neighbour, so that the scores peak there; their values
begin as what is smooth in the patch. All of it is trained on. Not here: where positions lie in the stream (`copying`).
"""

from __future__ import annotations

import torch
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from torch import Tensor, nn

from finetune.micro.copying import position_periods
from finetune.micro.layouts import LONG_PERIOD

# (rows down, columns right) that a head looks at, one for each of a block's three.
STEPS = ((0, 0), (-1, 0), (0, -1))
WIDE = ((0, 0),)  # over longer periods: a soft neighbourhood of some ten tokens
_FREQUENCIES, _WIDE_FREQUENCIES = 16, 8  # of each axis in one head of 64


@torch.no_grad()
def look_at_neighbours(model: SD3Transformer2DModel) -> None:
    """Overwrite queries, keys and values of the first heads: sharp ones in even blocks, a wide one in odd ones."""
    copied = model.config.in_channels * model.config.patch_size**2
    for index, block in enumerate(model.transformer_blocks):
        sharp = index % 2 == 0
        for head, step in enumerate(STEPS if sharp else WIDE):
            rows = slice(head * 64, (head + 1) * 64)
            _write(block.attn.to_k, rows, _reader(model, copied, (0, 0), sharp))
            _write(block.attn.to_q, rows, _reader(model, copied, step, sharp))
            _write(block.attn.to_v, rows, _smooth_parts(model, copied))


def _write(layer: nn.Linear, rows: slice, weight: Tensor) -> None:
    layer.weight[rows] = weight
    layer.bias[rows] = 0


def _reader(model: SD3Transformer2DModel, copied: int, step: tuple[int, int], sharp: bool) -> Tensor:
    """(64, width): the sines and cosines of a token's place, moved by `step` tokens."""
    width = model.inner_dim
    periods = position_periods(model.config.pos_embed_max_size, width - copied - 2)
    count = len(periods)
    longest = int((periods > LONG_PERIOD).sum())  # beyond it stand layouts
    chosen = range(count - _FREQUENCIES, count) if sharp else range(longest, longest + _WIDE_FREQUENCIES)
    weight = torch.zeros(64, width)
    for axis, move in enumerate(step):
        first = copied + 2 + 2 * count * axis
        for k, frequency in enumerate(chosen):
            turn = 2 * torch.pi * move / periods[frequency]
            sine, cosine = first + frequency, first + count + frequency
            row = 2 * (axis * _FREQUENCIES + k)
            # sin(a + t) and cos(a + t) from sin(a) and cos(a)
            weight[row, sine], weight[row, cosine] = turn.cos(), turn.sin()
            weight[row + 1, sine], weight[row + 1, cosine] = -turn.sin(), turn.cos()
    return weight


def _smooth_parts(model: SD3Transformer2DModel, copied: int) -> Tensor:
    """(64, width): the first two channels' patches whole, of the others the mean and the slowest cosine."""
    area = model.config.patch_size**2
    places = [*range(2 * area), *(c * area + f for c in range(2, model.config.in_channels) for f in (0, 1))]
    weight = torch.zeros(64, model.inner_dim)
    for row, place in enumerate(places[:64]):
        weight[row, place] = 1
    return weight
