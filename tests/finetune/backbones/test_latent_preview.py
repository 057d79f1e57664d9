"""The linear map from latents to RGB."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from finetune.backbones.autoencoder import make_f16
from finetune.backbones.latent_preview import LatentRgb, fit_latent_rgb, latents_to_rgb
from tests.tiny_models import tiny_vae


class LinearVae(nn.Module):
    """An encoder whose latents are a known linear function of each block's mean colour."""

    dtype = torch.float32
    config = SimpleNamespace(block_out_channels=(8, 8, 8, 8), scaling_factor=1.5, shift_factor=0.1)
    decoder = SimpleNamespace(conv_out=None)

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.randn(5, 3, generator=torch.Generator().manual_seed(0)))

    def encode(self, pixels: Tensor) -> SimpleNamespace:
        colours = F.avg_pool2d(pixels, 8)
        latents = torch.einsum("ck,nkhw->nchw", self.mix, colours) + 0.3
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: latents))


def test_a_linear_encoder_is_inverted_exactly() -> None:
    vae = LinearVae()
    latent_rgb = fit_latent_rgb(vae)  # type: ignore[arg-type]
    assert latent_rgb.weight.shape == (5, 3)
    assert latent_rgb.bias.shape == (3,)
    colours = torch.tensor([[-1.0, 0.0, 1.0], [0.25, -0.5, 0.75]])  # two latents side by side
    with torch.no_grad():
        latents = ((colours @ vae.mix.T + 0.3) - 0.1) * 1.5
    preview = latents_to_rgb(latents.T[:, None], latent_rgb)
    np.testing.assert_array_equal(preview, [[[0, 128, 255], [159, 64, 223]]])


@pytest.mark.parametrize("f16", [False, True])
def test_any_vae_and_the_same_each_time(f16: bool) -> None:
    vae = make_f16(tiny_vae()) if f16 else tiny_vae()
    latent_rgb = fit_latent_rgb(vae)
    assert all(torch.isfinite(tensor).all() for tensor in latent_rgb)
    for first, again in zip(latent_rgb, fit_latent_rgb(vae), strict=True):
        torch.testing.assert_close(first, again, rtol=0, atol=0)


def test_preview_shape_range_and_dtype() -> None:
    latent_rgb = LatentRgb(torch.ones(16, 3), torch.zeros(3))
    preview = latents_to_rgb(torch.full((1, 16, 4, 6), 9.0, dtype=torch.bfloat16), latent_rgb)
    assert preview.shape == (4, 6, 3)
    assert preview.dtype == np.uint8
    assert preview.min() == 255


def test_packed_latents_are_refused() -> None:
    latent_rgb = LatentRgb(torch.ones(16, 3), torch.zeros(3))
    with pytest.raises(ValueError, match=r"must be \(1, 16, h, w\), got \(1, 24, 64\); unpack"):
        latents_to_rgb(torch.zeros(1, 24, 64), latent_rgb)
