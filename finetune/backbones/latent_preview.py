"""A picture of latents without the decoder: one linear map from latent channels to RGB, fitted per VAE.

One preview pixel a latent, so a 4096 px render previews at 256 px in a few milliseconds. All latents here are
normalised, as the transformer sees them (`finetune.backbones.decoding`).
Not here: unpacking Flux's latents (`finetune.backbones`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

from finetune.backbones.autoencoder import vae_scale_factor
from finetune.backbones.decoding import encode_image

NUM_PICTURES, PICTURE_LATENTS = (
    6,
    16,
)  # 1,536 latents for the 17 numbers of each colour; 256 px pictures at F16


class LatentRgb(NamedTuple):
    """RGB = latents @ weight + bias, in [-1, 1]."""

    weight: Tensor  # (C, 3) float32
    bias: Tensor  # (3,) float32


def fit_latent_rgb(vae: AutoencoderKL) -> LatentRgb:
    """Fit the map by least squares on smooth synthetic colour pictures, the same at every call.

    Smooth, because a latent pixel can at best show the mean colour of the pixels under it.
    """
    factor = vae_scale_factor(vae)
    rng = np.random.default_rng(0)
    latents, colours = [], []
    for _ in range(NUM_PICTURES):
        image = _smooth_picture(rng, side_px=PICTURE_LATENTS * factor)
        encoded = encode_image(vae, image).latents[0].float().cpu().numpy()  # (C, h, w)
        latents.append(encoded.reshape(len(encoded), -1).T)
        blocks = image.reshape(PICTURE_LATENTS, factor, PICTURE_LATENTS, factor, 3).mean(axis=(1, 3))
        colours.append(blocks.reshape(-1, 3) / 127.5 - 1)
    channels = np.concatenate(latents).astype(np.float64)  # (latents, C)
    design = np.concatenate([channels, np.ones((len(channels), 1))], axis=1)
    solution, *_ = np.linalg.lstsq(design, np.concatenate(colours), rcond=None)
    fitted = torch.from_numpy(solution).float()
    return LatentRgb(weight=fitted[:-1], bias=fitted[-1])


def latents_to_rgb(latents: Tensor, latent_rgb: LatentRgb) -> NDArray[np.uint8]:
    """Normalised latents (1, C, h, w) or (C, h, w) -> preview (h, w, 3) uint8."""
    if latents.ndim == 4 and latents.shape[0] == 1:
        latents = latents[0]
    if latents.ndim != 3 or latents.shape[0] != latent_rgb.weight.shape[0]:
        wanted = f"(1, {latent_rgb.weight.shape[0]}, h, w)"
        raise ValueError(f"latents must be {wanted}, got {tuple(latents.shape)}; unpack Flux's latents first")
    channels = latents.detach().float().cpu().movedim(0, -1)
    rgb = channels @ latent_rgb.weight + latent_rgb.bias
    return rgb.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).numpy()


def _smooth_picture(rng: np.random.Generator, *, side_px: int) -> NDArray[np.uint8]:
    """(side, side, 3) uint8: a mean colour and a few slow waves in each channel."""
    axis = np.linspace(0, 1, side_px)
    picture = np.empty((side_px, side_px, 3))
    for channel in range(3):
        waves = np.full((side_px, side_px), rng.uniform(-0.6, 0.6))
        for _ in range(3):
            across, down = rng.uniform(-2, 2, size=2)
            phase = rng.uniform(0, 2 * np.pi)
            waves += 0.35 * np.sin(2 * np.pi * (across * axis + down * axis[:, None]) + phase)
        picture[..., channel] = waves
    return np.clip((picture + 1) * 127.5, 0, 255).round().astype(np.uint8)
