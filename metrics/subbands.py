"""Energy of a picture's wavelet subbands, level by level (PyWavelets). Not here: pictures of subbands."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pywt
from numpy.typing import NDArray


class DetailEnergies(NamedTuple):
    """Mean square of the coefficients of one level, in squared grey levels. PyWavelets' cH, cV, cD."""

    lh: float
    hl: float
    hh: float


def luma(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 3) RGB uint8 -> (H, W) float32 in 0..255, Rec. 601 weights."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be (H, W, 3) RGB uint8, got {image.shape} {image.dtype}")
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return image.astype(np.float32) @ weights


def detail_energies(
    grey: NDArray[np.float32], *, levels: int = 3, wavelet: str = "haar", mode: str = "symmetric"
) -> tuple[DetailEnergies, ...]:
    """Energies of the detail bands, finest level first.

    Args:
        grey: (H, W) float32.
        levels: How many; each halves the side, so 2**levels must not exceed the shorter one.
        wavelet, mode: Names of PyWavelets.
    """
    if grey.ndim != 2 or min(grey.shape) < 2**levels:
        raise ValueError(
            f"{levels} levels need a grey picture of at least {2**levels} px a side, got shape {grey.shape}"
        )
    coefficients = pywt.wavedec2(grey, wavelet, mode, level=levels)
    return tuple(
        DetailEnergies(*(float(np.mean(np.square(band))) for band in level)) for level in coefficients[:0:-1]
    )
