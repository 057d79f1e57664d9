from __future__ import annotations

import numpy as np
import pytest
import pywt
import torch

from finetune.wavelets import haar_dwt2


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(2, 16, 32, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_agrees_with_pywavelets(latents: torch.Tensor) -> None:
    ll, details = pywt.dwt2(latents.numpy(), "haar", mode="zero")
    for ours, theirs in zip(haar_dwt2(latents), (ll, *details), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_energy_is_kept(latents: torch.Tensor) -> None:
    torch.testing.assert_close(sum(b.square().sum() for b in haar_dwt2(latents)), latents.square().sum())


def test_odd_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        haar_dwt2(torch.zeros(1, 1, 3, 4))
