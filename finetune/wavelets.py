"""One level of the orthonormal 2-D Haar transform, differentiable."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Subbands(NamedTuple):
    """Four (N, C, H/2, W/2) bands; PyWavelets' cA, cH, cV, cD.

    The first letter is the filter along W, the second along H, so `lh` holds horizontal edges.
    """

    ll: Tensor
    lh: Tensor
    hl: Tensor
    hh: Tensor


def haar_dwt2(x: Tensor) -> Subbands:
    """Split x, (N, C, H, W) with even H and W, into orthonormal Haar subbands: energy is kept."""
    if x.shape[-2] % 2 or x.shape[-1] % 2:
        raise ValueError(f"H and W must be even, got {tuple(x.shape)}; crop or pad by one pixel")
    a, b = x[..., 0::2, 0::2], x[..., 0::2, 1::2]  # top left, top right of each 2 x 2 block
    c, d = x[..., 1::2, 0::2], x[..., 1::2, 1::2]  # bottom left, bottom right
    return Subbands((a + b + c + d) / 2, (a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2)
