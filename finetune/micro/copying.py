"""A transformer's first weights: each token's velocity is the best linear guess from its own noisy latents.

A velocity is noise minus picture, so a flow model must first of all carry its input's 64 numbers a token to its
output, each with the gain that its noise level asks for. Learnt from random weights that copy stayed wrong by 5 % of
the noise after 2,500 steps, which shows as a grid of tokens. Here it is written down: the first 64 places of the
stream hold the patch (as cosine coefficients, so that what is smooth is in few of them), the rest hold positions, the
blocks begin with closed gates, and the last modulation is fitted to the gains. Stock layout throughout.
"""

from __future__ import annotations

import math
import random

import torch
import torch.nn.functional as F
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from torch import Tensor

from finetune.micro.latents import LatentFile, loaded

CONSTANT = 24.0  # in two places, + and -: normalisation then divides by nearly the same number whatever the patch holds
SMOOTH_GAIN, SMOOTH_CHANNELS = 2.0, 2  # louder in the stream: what composition is read from
_LEVELS = 512  # noise levels that the last modulation is fitted at


@torch.no_grad()
def begin_by_copying(model: SD3Transformer2DModel, variances: Tensor) -> None:
    """Overwrite a new transformer's embedding, output and modulation.

    `variances` (channels, patch * patch) are the mean squares of a token's cosine coefficients; whatever the text, the
    model's velocity is then `best_gain(variances, sigma)` times its input.
    """
    patch, channels, width = model.config.patch_size, model.config.in_channels, model.inner_dim
    copied = channels * patch * patch
    if width < copied + 16:
        raise ValueError(f"a stream of {width} cannot carry {copied} numbers a patch; widen it")
    if variances.shape != (channels, patch**2):
        raise ValueError(
            f"variances must be {channels} x {patch**2}, one a coefficient, got {tuple(variances.shape)}"
        )
    basis = _cosines(patch)  # (frequency pairs, patch * patch)
    loudness = (1 + variances).rsqrt()
    loudness[:SMOOTH_CHANNELS] *= SMOOTH_GAIN
    eye = torch.eye(channels)
    into = torch.einsum("cf,cd,fp->cfdp", loudness, eye, basis).reshape(copied, channels * patch**2)
    # The inverse: the basis is orthonormal.
    out = torch.einsum("cf,cd,fp->dpcf", 1 / loudness, eye, basis)

    proj = model.pos_embed.proj
    proj.weight.zero_()
    proj.bias.zero_()
    proj.weight[:copied] = into.reshape(copied, channels, patch, patch)
    proj.bias[copied], proj.bias[copied + 1] = CONSTANT, -CONSTANT
    grid = model.config.pos_embed_max_size
    places = torch.zeros(grid, grid, width)
    places[..., copied + 2 :] = _positions(grid, width - copied - 2)
    model.pos_embed.pos_embed.copy_(places.reshape(1, grid * grid, width))

    for block in model.transformer_blocks:
        for norm in (block.norm1, block.norm1_context):
            norm.linear.weight.zero_()
            norm.linear.bias.zero_()
    model.proj_out.weight.zero_()
    model.proj_out.bias.zero_()
    # The pipeline unpacks an output as (row, column, channel); `out` is (channel, row and column, ...).
    model.proj_out.weight[:, :copied] = out.permute(1, 0, 2, 3).reshape(copied, copied)

    sigma = (torch.arange(_LEVELS) + 0.5) / _LEVELS
    gain = best_gain(variances, sigma)
    # What the last normalisation divides by, at each noise level, on average.
    spread = (loudness.square() * _noisy(variances, sigma)).sum((1, 2))
    deviation = ((spread + 2 * CONSTANT**2 + places[0, 0].square().sum()) / width).sqrt()
    _fit_last_modulation(model, sigma, (gain * deviation[:, None, None]).flatten(1))


def best_gain(variances: Tensor, sigma: Tensor) -> Tensor:
    """What x_t is multiplied by in the best linear guess of its velocity: (N,) levels -> (N, *variances.shape).

    x_t = (1 - sigma) x + sigma n and v = n - x, with x of the given variances and n white, both of mean 0.
    """
    level = sigma.view(-1, *(1,) * variances.ndim)
    return (level - (1 - level) * variances) / _noisy(variances, sigma)


def cosine_coefficients(latents: Tensor, patch: int) -> Tensor:
    """(C, h, w) -> (tokens, C, patch * patch), of the orthonormal cosine basis."""
    blocks = F.unfold(latents[:, None], patch, stride=patch)  # (C, patch * patch, tokens)
    return torch.einsum("fp,cpn->ncf", _cosines(patch), blocks)


def _noisy(variances: Tensor, sigma: Tensor) -> Tensor:
    """Variances of x_t."""
    level = sigma.view(-1, *(1,) * variances.ndim)
    return (1 - level).square() * variances + level.square()


def _fit_last_modulation(model: SD3Transformer2DModel, sigma: Tensor, wanted: Tensor) -> None:
    """Make 1 + scale of the last modulation `wanted` (N, copied) at `sigma` (N,), by least squares; shift 0.

    The text has no say in it yet: the last layer of its embedding is silenced, and learns from there.
    """
    embedding, modulation = model.time_text_embed, model.norm_out.linear
    embedding.text_embedder.linear_2.weight.zero_()
    embedding.text_embedder.linear_2.bias.zero_()
    pooled = torch.zeros(len(sigma), model.config.pooled_projection_dim)
    features = F.silu(embedding(sigma * 1000, pooled)).double()
    features = torch.cat([features, features.new_ones(len(features), 1)], 1)
    gram = features.T @ features
    gram.diagonal().add_(1e-4 * len(features))  # small weights: the time's embedding will move
    solution = torch.linalg.solve(gram, features.T @ (wanted.double() - 1)).float()
    modulation.weight.zero_()
    modulation.bias.zero_()
    modulation.weight[: wanted.shape[1]] = solution[:-1].T
    modulation.bias[: wanted.shape[1]] = solution[-1]


def _cosines(side: int) -> Tensor:
    """Orthonormal two-dimensional cosine basis of a square: (side * side, side * side)."""
    n = torch.arange(side)
    line = torch.cos(math.pi / side * (n[None, :] + 0.5) * n[:, None]) * math.sqrt(2 / side)
    line[0] /= math.sqrt(2)
    return torch.einsum("ax,by->abxy", line, line).reshape(side**2, side**2)


def position_periods(grid: int, width: int) -> Tensor:
    """In tokens, longest first: from twice the grid to four."""
    return torch.logspace(math.log2(2 * grid), 2, width // 4, base=2)


def _positions(grid: int, width: int) -> Tensor:
    """Sines and cosines of the row, then of the column: (grid, grid, width)."""
    periods = position_periods(grid, width)
    angle = 2 * math.pi * (torch.arange(grid)[:, None] + 0.5 - grid / 2) / periods
    # Turned by half a period, every other one: their sum stays near 0, which the normalisation takes from all places.
    turned = 1 - 2 * (torch.arange(len(periods)) % 2)
    line = torch.cat([turned * angle.sin(), turned * angle.cos()], -1)
    table = torch.zeros(grid, grid, width)
    table[..., : line.shape[1]] = line[:, None]
    table[..., line.shape[1] : 2 * line.shape[1]] = line[None]
    return table


def token_variances(files: list[LatentFile], patch: int, count: int = 120) -> Tensor:
    """Mean square of each cosine coefficient of a token: (channels, patch * patch)."""
    chosen = random.Random(0).sample(files, min(count, len(files)))
    return torch.stack([cosine_coefficients(loaded(f), patch).square().mean(0) for f in chosen]).mean(0)
