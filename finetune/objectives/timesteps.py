"""Noise levels for training: sigma in (0, 1], 0 is the picture, 1 is noise.

x_t = (1 - sigma) x0 + sigma noise (rectified flow; Esser et al. 2024, arXiv 2403.03206, section 3.1). Not here: the
shift that inference uses (`Family.timestep_shift`), densities for charts (`finetune.objectives.band_weights`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from finetune.config.run_config import TimestepConfig

LOWEST_SIGMA = 1e-4


def sample_sigmas(config: TimestepConfig, count: int, *, shift: float, generator: torch.Generator) -> Tensor:
    """(count,) float32 in [1e-4, 1], from a CPU generator. `shift` is used where the config says "inference"."""
    if config.sampling == "logit_normal":
        normal = torch.randn(count, generator=generator, dtype=torch.float64)
        plain = torch.sigmoid(config.logit_mean + config.logit_std * normal)
    else:
        uniform = torch.rand(count, generator=generator, dtype=torch.float64)
        # Eq. 20: f(u; s) = 1 - u - s (cos^2(pi u / 2) - 1 + u)
        bend = torch.cos(math.pi * uniform / 2).square() - 1 + uniform
        plain = 1 - uniform - config.mode_scale * bend if config.sampling == "mode" else uniform
    return shifted(plain, shift_of(config, shift)).clamp(LOWEST_SIGMA, 1).float()


def shift_of(config: TimestepConfig, inference_shift: float) -> float:
    """The factor that these settings mean at a size whose pictures are drawn with `inference_shift`."""
    return {"inference": inference_shift, "none": 1.0, "fixed": config.shift_factor}[config.shift]


def shifted(sigmas: Tensor, shift: float) -> Tensor:
    """s sigma / (1 + (s - 1) sigma)"""
    return shift * sigmas / (1 + (shift - 1) * sigmas)
