from __future__ import annotations

import numpy as np
import pytest
import pywt
import torch

from finetune.objectives.wavelets import dwt2, haar_dwt2, wavedec2

WAVELETS = ["haar", "db2", "db4", "sym4", "coif1", "coif3"]


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(2, 16, 32, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_haar_agrees_with_pywavelets(latents: torch.Tensor) -> None:
    ll, details = pywt.dwt2(latents.numpy(), "haar", mode="zero")
    for ours, theirs in zip(haar_dwt2(latents), (ll, *details), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("wavelet", WAVELETS)
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_agrees_with_pywavelets_over_levels(latents: torch.Tensor, wavelet: str, levels: int) -> None:
    """coif3 has 18 taps and meets sides of 8 here: it wraps around more than once."""
    ours, low = wavedec2(latents, wavelet, levels), latents.numpy()
    for level in ours.details:
        low, triple = pywt.dwt2(low, wavelet, mode="periodization")
        for mine, other in zip(level, triple, strict=True):
            np.testing.assert_allclose(mine, other, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.low, low, rtol=0, atol=1e-12)


def test_the_short_way_for_haar_is_the_long_way(latents: torch.Tensor) -> None:
    for short, long in zip(dwt2(latents, "haar"), pywt_bands(latents), strict=True):
        np.testing.assert_allclose(short, long, rtol=0, atol=1e-12)


def pywt_bands(latents: torch.Tensor) -> tuple[np.ndarray, ...]:
    low, details = pywt.dwt2(latents.numpy(), "db1", mode="periodization")
    return low, *details


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_energy_is_kept_and_gradients_flow(latents: torch.Tensor, wavelet: str) -> None:
    x = latents.clone().requires_grad_()
    energy = sum(band.square().sum() for band in wavedec2(x, wavelet, 2).bands())
    torch.testing.assert_close(energy, latents.square().sum())
    (gradient,) = torch.autograd.grad(energy, x)
    # PyWavelets tabulates sym4 with 12 digits.
    torch.testing.assert_close(gradient, 2 * latents, rtol=0, atol=1e-10)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        haar_dwt2(torch.zeros(1, 1, 3, 4))
    with pytest.raises(ValueError, match="even"):
        dwt2(torch.zeros(1, 1, 4, 3), "db2")
    with pytest.raises(ValueError, match="multiples of 4"):
        wavedec2(torch.zeros(1, 1, 6, 8), levels=2)
    with pytest.raises(ValueError, match="not orthonormal"):
        dwt2(torch.zeros(1, 1, 8, 8), "bior2.2")
    with pytest.raises(ValueError, match="no wavelet"):
        dwt2(torch.zeros(1, 1, 8, 8), "hare")


def test_what_a_measurement_made_first_serves_a_training(latents: torch.Tensor) -> None:
    with torch.inference_mode():
        measured = wavedec2(latents, "sym5", 2)
    x = latents.clone().requires_grad_()
    trained = wavedec2(x, "sym5", 2)
    for one, other in zip(measured.bands(), trained.bands(), strict=True):
        torch.testing.assert_close(one, other.detach())
    sum(band.sum() for band in trained.bands()).backward()
    assert x.grad is not None
