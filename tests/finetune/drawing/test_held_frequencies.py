"""Held frequencies in closed form, and their filter beside SciPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from finetune.drawing.held_frequencies import STD_PER_GROWTH, HeldFrequencies, low_frequencies


def waves(wavelength: float, *, side: int = 64) -> torch.Tensor:
    """(1, 2, side, side): along x and along y."""
    one = torch.sin(2 * math.pi * torch.arange(side) / wavelength).expand(side, side)
    return torch.stack([one, one.T])[None]


@pytest.mark.parametrize("std", [0.5, 1.0, 1.07])
def test_the_filter_is_the_gaussian_of_scipy(std: float) -> None:
    latents = torch.randn(1, 3, 12, 9)
    expected = [
        ndimage.gaussian_filter(plane, std, mode="nearest", radius=math.ceil(3 * std))
        for plane in latents[0].double().numpy()
    ]
    np.testing.assert_allclose(low_frequencies(latents, std)[0], expected, atol=1e-6)


def test_of_a_plane_of_one_value_nothing_is_left() -> None:
    held = HeldFrequencies.of(torch.full((1, 2, 8, 8), 3.0), torch.full((1, 2, 8, 8), -1.0), growth=2)
    for sigma, value in ((0.0, 3.0), (0.25, 2.0), (1.0, -1.0)):
        torch.testing.assert_close(
            held.hold(torch.full((1, 2, 8, 8), 9.0), sigma), torch.full((1, 2, 8, 8), value)
        )


def test_the_finest_detail_is_left_alone() -> None:
    y, x = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    finest = ((-1.0) ** (x + y)).expand(1, 1, 16, 16)
    held = HeldFrequencies.of(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16), growth=2)
    kept = held.hold(finest, 0.3)[..., 4:-4, 4:-4]
    torch.testing.assert_close(kept, finest[..., 4:-4, 4:-4], rtol=0, atol=1e-3)


@pytest.mark.parametrize("growth", [1.5, 2.0])
@pytest.mark.parametrize("wavelength", [4.0, 8.0, 16.0])
def test_a_wave_is_held_by_the_gain_of_the_filter(growth: float, wavelength: float) -> None:
    """Of a wave in the latents 1 - H is left, and H of the picture's comes in its place."""
    std = STD_PER_GROWTH * growth
    gain = math.exp(-2 * (math.pi * std / wavelength) ** 2)
    held = HeldFrequencies.of(5 * waves(wavelength), torch.zeros(1, 2, 64, 64), growth=growth)
    inner = (..., slice(8, -8), slice(8, -8))
    found = held.hold(waves(wavelength), 0.0)[inner]
    torch.testing.assert_close(found, ((1 - gain) + 5 * gain) * waves(wavelength)[inner], rtol=0, atol=0.03)


def test_half_is_held_of_what_the_small_picture_hardly_knew() -> None:
    wavelength = 2.7 * 2.0
    assert math.exp(-2 * (math.pi * STD_PER_GROWTH * 2.0 / wavelength) ** 2) == pytest.approx(0.5, abs=0.01)


def test_the_dtype_stays() -> None:
    held = HeldFrequencies.of(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), growth=2)
    assert held.hold(torch.zeros(1, 1, 8, 8, dtype=torch.bfloat16), 0.5).dtype == torch.bfloat16
