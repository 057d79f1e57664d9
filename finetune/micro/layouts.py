"""Positions that know how this world is laid out: principal components of its pictures, in the table of positions.

What the words decide is where a ridge, a shore or the sun stands. Of the known places, 56 layouts of 16 x 16 tokens
hold 99 % of the luminance: with those as positions, a picture is a weighted sum of them, and text only sets the
weights, which a modulation does; from sines and cosines of the place it would have to be built up. They stand where a
picture of 512 px lies in the table; larger ones take their composition from that size. Not here: the rest of the
positions (`copying`).
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from torch import Tensor

from finetune.micro.architecture import COMPOSED_PX
from finetune.micro.copying import SMOOTH_CHANNELS, cosine_coefficients, position_periods
from finetune.micro.latents import LatentFile

LONG_PERIOD = 40.0
"""Tokens. Sines and cosines of longer periods are nearly straight lines over such a picture: they make way."""


def principal_layouts(files: list[LatentFile], patch: int, count: int) -> Tensor:
    """(rows * columns, count): orthogonal, of mean square 1, the largest first; terrains weigh alike.

    Raises:
        ValueError: No file of 512 x 512 px among them.
    """
    files = [file for file in files if file.width_px == file.height_px == COMPOSED_PX]
    if not files:
        raise ValueError(f"layouts are those of {COMPOSED_PX} x {COMPOSED_PX} px scenes, and there is none")
    terrains = Counter(file.scene.terrain for file in files)
    tokens = (COMPOSED_PX // (16 * patch)) ** 2
    gram = torch.zeros(tokens, tokens, dtype=torch.float64)
    for file in files:
        latents = torch.from_numpy(file.load()[:SMOOTH_CHANNELS].astype(np.float32))
        smooth = cosine_coefficients(latents, patch).flatten(1).double()
        gram += smooth @ smooth.T / terrains[file.scene.terrain]
    _, vectors = torch.linalg.eigh(gram)
    return (vectors.flip(1)[:, :count] * tokens**0.5).float()


def layout_places(model: SD3Transformer2DModel) -> list[int]:
    """Places of the stream that hold layouts: those of the long periods' sines and cosines, of rows and of columns."""
    first = model.config.in_channels * model.config.patch_size**2 + 2
    periods = position_periods(model.config.pos_embed_max_size, model.inner_dim - first)
    count = len(periods)
    return [
        first + line * count + index
        for line in range(4)
        for index, period in enumerate(periods)
        if period > LONG_PERIOD
    ]


@torch.no_grad()
def write_layouts(model: SD3Transformer2DModel, files: list[LatentFile]) -> None:
    """Overwrite the long periods of a new transformer's positions."""
    places = layout_places(model)
    layouts = principal_layouts(files, model.config.patch_size, len(places))
    grid, side = model.config.pos_embed_max_size, round(len(layouts) ** 0.5)
    table = model.pos_embed.pos_embed.view(grid, grid, -1)
    table[..., places] = 0
    corner = (grid - side) // 2
    table[corner : corner + side, corner : corner + side, places] = layouts.view(side, side, -1)
