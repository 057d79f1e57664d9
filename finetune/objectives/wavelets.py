"""Orthonormal 2-D wavelet transforms, differentiable: one level of Haar, and any orthonormal wavelet over levels.

Periodised, as PyWavelets' mode "periodization": on even sizes an orthonormal map, so that energy is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from finetune.objectives.wavelet_fit import orthonormal_taps


class Subbands(NamedTuple):
    """Four (N, C, H/2, W/2) bands; PyWavelets' cA, cH, cV, cD.

    The first letter is the filter along W, the second along H, so `lh` holds horizontal edges.
    """

    ll: Tensor
    lh: Tensor
    hl: Tensor
    hh: Tensor


@dataclass(frozen=True, slots=True)
class Decomposition:
    """A low band and, for each level, three detail bands."""

    low: Tensor
    """(N, C, H / 2^levels, W / 2^levels)"""

    details: tuple[tuple[Tensor, Tensor, Tensor], ...]
    """lh, hl, hh of each level, finest first."""

    def bands(self) -> tuple[Tensor, ...]:
        """The low band, then lh, hl, hh of each level, finest first."""
        return (self.low, *(band for level in self.details for band in level))


def haar_dwt2(x: Tensor) -> Subbands:
    """Split x, (N, C, H, W) with even H and W, into orthonormal Haar subbands: energy is kept."""
    if x.shape[-2] % 2 or x.shape[-1] % 2:
        raise ValueError(f"H and W must be even, got {tuple(x.shape)}; crop or pad by one pixel")
    a, b = x[..., 0::2, 0::2], x[..., 0::2, 1::2]  # top left, top right of each 2 x 2 block
    c, d = x[..., 1::2, 0::2], x[..., 1::2, 1::2]  # bottom left, bottom right
    return Subbands((a + b + c + d) / 2, (a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2)


def dwt2(x: Tensor, wavelet: str = "haar") -> Subbands:
    """One level of any orthonormal wavelet, periodised; H and W even. Haar takes the short way."""
    if len(orthonormal_taps(wavelet)[0]) == 2:
        return haar_dwt2(x)
    if x.shape[-2] % 2 or x.shape[-1] % 2:
        raise ValueError(f"H and W must be even, got {tuple(x.shape)}; crop or pad by one pixel")
    down, across = (_analysis(wavelet, side, x.dtype, x.device) for side in x.shape[-2:])
    low, high = (down @ x @ across.mT).tensor_split(2, -2)  # along H
    (ll, hl), (lh, hh) = (half.tensor_split(2, -1) for half in (low, high))  # along W
    return Subbands(ll, lh, hl, hh)


def wavedec2(x: Tensor, wavelet: str = "haar", levels: int = 1) -> Decomposition:
    """Split x, (N, C, H, W), and its low band again, `levels` times.

    Raises ValueError for a wavelet that is not orthonormal and for sides that are no multiples of 2^levels.
    """
    if x.shape[-2] % 2**levels or x.shape[-1] % 2**levels:
        raise ValueError(
            f"H and W must be multiples of {2**levels} for {levels} levels, got {tuple(x.shape)}; use fewer levels"
        )
    details = []
    for _ in range(levels):
        bands = dwt2(x, wavelet)
        x = bands.ll
        details.append((bands.lh, bands.hl, bands.hh))
    return Decomposition(x, tuple(details))


@lru_cache(maxsize=64)
def _analysis(wavelet: str, size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """One level along an axis, as an orthonormal (size, size) matrix: low rows, then high ones, periodised.

    Latents have some hundred places a side, where one product with a dense matrix takes less time than the strided
    convolutions of the same filters and the copies that continue their input.
    """
    low, high = (torch.tensor(taps, dtype=torch.float64).flip(0) for taps in orthonormal_taps(wavelet))
    reach = len(low) // 2 - 1
    rows = torch.arange(size // 2)[:, None]
    columns = (
        2 * rows + torch.arange(len(low)) - reach
    ) % size  # a filter longer than the axis meets itself again
    with torch.inference_mode(False):  # kept: what is made while measuring serves a training too
        matrix = torch.zeros(size, size, dtype=torch.float64)
        matrix.index_put_((rows, columns), low.expand(columns.shape), accumulate=True)
        matrix.index_put_((rows + size // 2, columns), high.expand(columns.shape), accumulate=True)
        return matrix.to(device, dtype)
