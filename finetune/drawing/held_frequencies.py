"""Low frequencies that stay what they are while an enlarged picture is drawn anew.

What a small picture could show is settled; a larger pass is there for what it could not. Yet over its few steps a model
moves everything a little, most of all a model that has seen few pictures so large: edges dissolve, skies become
spotted. So after each step the latents' low frequencies are put back to those of the enlarged picture under as much of
its noise as is left (ILVR, arXiv 2108.02938, eq. 8; between passes of growing size: FAM Diffusion, arXiv 2411.18552).

Not here: the passes (`finetune.drawing.coarse_to_fine`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

STD_PER_GROWTH = 0.5
"""Of the low-pass filter, in latents for each time that the picture grew.

Grown r times, a picture holds nothing of wavelengths below 2 r latents; half of what has 2.7 r is held then."""


@dataclass(frozen=True, slots=True)
class HeldFrequencies:
    """What the latents of one pass are put back to."""

    picture: Tensor
    """(1, C, h, w) float32 on the CPU: low frequencies of the enlarged picture's latents."""

    noise: Tensor
    """Of the noise that it was put under, alike."""

    std: float
    """Of the low-pass filter, in latents."""

    @classmethod
    def of(cls, picture: Tensor, noise: Tensor, *, growth: float) -> HeldFrequencies:
        """From latents (1, C, h, w) of a picture that was enlarged `growth` times, and their noise."""
        std = STD_PER_GROWTH * growth
        return cls(low_frequencies(picture.float(), std), low_frequencies(noise.float(), std), std)

    def hold(self, latents: Tensor, sigma: float) -> Tensor:
        """Latents (1, C, h, w) at this noise level with the held low frequencies, in their dtype and place."""
        wanted = ((1 - sigma) * self.picture + sigma * self.noise).to(latents.device)
        return (latents.float() + wanted - low_frequencies(latents.float(), self.std)).to(latents.dtype)


def low_frequencies(latents: Tensor, std: float) -> Tensor:
    """(N, C, h, w) float32 -> alike: through a Gaussian of that standard deviation, borders repeated outwards."""
    reach = math.ceil(3 * std)
    weights = torch.exp(-(torch.arange(-reach, reach + 1, device=latents.device) ** 2) / (2 * std**2))
    weights = (weights / weights.sum()).to(latents.dtype)
    channels = latents.shape[1]
    padded = functional.pad(latents, (reach, reach, reach, reach), mode="replicate")
    rows = functional.conv2d(padded, weights.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return functional.conv2d(rows, weights.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
