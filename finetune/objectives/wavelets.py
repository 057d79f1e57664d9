"""Orthonormal 2-D wavelet transforms, differentiable: one level of Haar, and any orthonormal wavelet over levels.

Periodised, as PyWavelets' mode "periodization": on even sizes an orthonormal map, so that energy is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

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
    low_taps, high_taps = orthonormal_taps(wavelet)
    if len(low_taps) == 2:
        return haar_dwt2(x)
    if x.shape[-2] % 2 or x.shape[-1] % 2:
        raise ValueError(f"H and W must be even, got {tuple(x.shape)}; crop or pad by one pixel")
    filters = torch.tensor([low_taps, high_taps], dtype=x.dtype, device=x.device).flip(-1)  # (2, taps)
    flat = x.reshape(-1, 1, *x.shape[-2:])
    rows = F.conv2d(_wrapped(flat, len(low_taps), dim=-1), filters[:, None, None, :], stride=(1, 2))
    both = F.conv2d(
        _wrapped(rows, len(low_taps), dim=-2),
        filters[:, None, :, None].repeat(2, 1, 1, 1),
        stride=(2, 1),
        groups=2,
    )  # (N C, 4, H/2, W/2): low along W (low, high along H), then high along W (low, high)
    return Subbands(*(band.reshape(*x.shape[:-2], *band.shape[-2:]) for band in both.unbind(1)))


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


def _wrapped(x: Tensor, taps: int, *, dim: int) -> Tensor:
    """Continue x periodically by taps / 2 - 1 at both ends, also where that is longer than x."""
    reach = taps // 2 - 1
    index = torch.arange(-reach, x.shape[dim] + reach, device=x.device) % x.shape[dim]
    return x.index_select(dim, index)
