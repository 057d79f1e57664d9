"""What training makes small: plain velocity error, the published wavelet loss, weighted bands, the LWD mask.

The velocity is noise - x0, and x0 = x_t - sigma velocity; an error e of the velocity is sigma e of the picture. A
wavelet transform is orthonormal, so that weights of one are the plain mean square, whatever the wavelet (Parseval):
what makes an objective aware of frequency is weights, a penalty that is not the square, or a mask.
Not here: the same as curves for a chart (`finetune.objectives.band_weights`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from finetune.config.run_config import ObjectiveConfig
from finetune.objectives.wavelets import haar_dwt2, wavedec2

BANDS = ("ll", "lh", "hl", "hh")


@dataclass(frozen=True, slots=True)
class Prediction:
    """One micro-batch, after the transformer."""

    velocity: Tensor  # (N, C, h, w), predicted
    latents: Tensor  # (N, C, h, w), x0
    noise: Tensor  # (N, C, h, w)
    sigmas: Tensor  # (N,)

    @property
    def error(self) -> Tensor:
        """Of the velocity, (N, C, h, w)."""
        return self.velocity - (self.noise - self.latents)

    @property
    def sigma(self) -> Tensor:
        """(N, 1, 1, 1)"""
        return self.sigmas.reshape(-1, 1, 1, 1).to(self.latents.dtype)

    @property
    def noisy(self) -> Tensor:
        """x_t, (N, C, h, w)."""
        return (1 - self.sigma) * self.latents + self.sigma * self.noise


Objective = Callable[[Prediction], Tensor]
"""Gives the loss of each example, (N,)."""


def make_objective(config: ObjectiveConfig, *, band_energy: tuple[float, ...] | None = None) -> Objective:
    """The objective that the settings describe.

    Args:
        band_energy: Mean square of each band in the dataset, ordered as `Decomposition.bands`; wanted where the
            settings say `weights_from = "data"`.
    """
    if config.kind == "velocity":
        return velocity_mse
    if config.kind == "wlf":
        return wlf
    if config.kind == "lwd":
        return lambda p: lwd(p, floor=config.lwd_floor, renormalise=config.lwd_renormalise)
    weights = band_weights(config, band_energy)
    return lambda p: wavelet_loss(p, config, weights)


def velocity_mse(prediction: Prediction) -> Tensor:
    """Mean square of the velocity's error."""
    return _mean(prediction.error.square())


def wlf(prediction: Prediction) -> Tensor:
    """The wavelet loss of Diffusion-4K (arXiv 2503.18352, eq. 4) as published: Haar, one level, equal weights.

    It equals the mean square of the picture's error, which is sigma^2 times that of the velocity's.
    """
    x0 = prediction.noisy - prediction.sigma * prediction.velocity
    found, wanted = haar_dwt2(x0), haar_dwt2(prediction.latents)
    return _mean((torch.cat(found, 1) - torch.cat(wanted, 1)).square())


def wavelet_loss(prediction: Prediction, config: ObjectiveConfig, weights: tuple[float, ...]) -> Tensor:
    """Penalty of every coefficient of the error, weighted by band, over the number of coefficients."""
    error = prediction.error
    if config.residual == "x0":
        error = error * prediction.sigma
    bands = wavedec2(error, config.wavelet, config.levels).bands()
    size = error[0].numel()
    total = torch.zeros_like(prediction.sigmas, dtype=error.dtype)
    for weight, band in zip(weights, bands, strict=True):
        if weight:
            total = total + weight * _penalty(band, config, prediction.sigma).flatten(1).sum(1)
    return total / size


def band_weights(config: ObjectiveConfig, band_energy: tuple[float, ...] | None = None) -> tuple[float, ...]:
    """A weight per band, ordered as `Decomposition.bands`.

    From data they are 1 / energy, scaled so that their mean over coefficients is 1. A band without energy is refused.
    """
    if config.weights_from == "given":
        return (config.low_weight, *(weight for triple in config.detail_weights for weight in triple))
    if band_energy is None or len(band_energy) != 1 + 3 * config.levels:
        raise ValueError(
            "objective.weights_from = 'data' needs the energy of each band; measure the dataset first"
        )
    if min(band_energy) <= 0:
        raise ValueError(
            "a band of the dataset holds no energy, so it cannot be weighted by it; give the weights"
        )
    shares = _shares(config.levels)
    mean = sum(share / energy for share, energy in zip(shares, band_energy, strict=True))
    return tuple(1 / (energy * mean) for energy in band_energy)


def lwd_mask(noisy: Tensor, sigmas: Tensor, *, floor: float) -> Tensor:
    """(N, C, h, w), (N,) -> (N, 1, h, w) of 0 and 1: where the latents' detail is learnt at this noise level.

    LWD (ICLR 2026): detail energy of one Haar level of x_t, mean over all channels, enlarged bilinearly, min-max
    normalised within each example to A; 1 where A + floor >= sigma. (The published code counts channels 0 to 2 alone.)
    """
    bands = haar_dwt2(noisy)
    energy = (bands.lh.square() + bands.hl.square() + bands.hh.square()).mean(1, keepdim=True)
    energy = F.interpolate(energy, size=noisy.shape[-2:], mode="bilinear", align_corners=False)
    low, high = energy.amin((2, 3), keepdim=True), energy.amax((2, 3), keepdim=True)
    span = torch.where(high > low, high - low, torch.ones_like(high))  # flat latents: A = 0
    return ((energy - low) / span + floor >= sigmas.reshape(-1, 1, 1, 1)).to(noisy.dtype)


def lwd(prediction: Prediction, *, floor: float, renormalise: bool) -> Tensor:
    """Velocity error under the LWD mask, averaged over all elements, or over the masked ones where renormalised.

    An example masked wholly counts 0 either way.
    """
    mask = lwd_mask(prediction.noisy, prediction.sigmas, floor=floor)
    loss = _mean(mask * prediction.error.square())
    if not renormalise:
        return loss
    share = _mean(mask)
    return loss / torch.where(share > 0, share, torch.ones_like(share))


def band_errors(prediction: Prediction) -> Tensor:
    """(N, 4) mean square of the velocity's error in each Haar band, whose mean is the plain one; not differentiable.

    The same measure under every objective, so that runs can be compared.
    """
    bands = haar_dwt2(prediction.error.detach())
    return torch.stack([_mean(band.square()) for band in bands], 1)


def energy_of_bands(latents: Tensor, config: ObjectiveConfig) -> tuple[float, ...]:
    """Mean square of each band of (N, C, h, w) latents, ordered as `Decomposition.bands`."""
    return tuple(
        float(band.double().square().mean())
        for band in wavedec2(latents, config.wavelet, config.levels).bands()
    )


def _penalty(error: Tensor, config: ObjectiveConfig, sigma: Tensor) -> Tensor:
    if config.penalty == "squared":
        return error.square()
    if config.penalty == "l1":
        return error.abs()
    c = huber_threshold(config, sigma)
    # 2 c^2 (sqrt(1 + (e/c)^2) - 1), written so that it does not lose its digits for large c.
    return 2 * error.square() / (torch.sqrt(1 + (error / c).square()) + 1)


def huber_threshold(config: ObjectiveConfig, sigma: Tensor) -> Tensor:
    """huber_c, or huber_c^(1 + sigma) where it is scheduled: small errors count as squares at low noise."""
    exponent = 1 + sigma if config.huber_schedule == "sigma" else torch.ones_like(sigma)
    return torch.as_tensor(config.huber_c, dtype=sigma.dtype, device=sigma.device) ** exponent


def _shares(levels: int) -> tuple[float, ...]:
    """Of each band in the number of coefficients, ordered as `Decomposition.bands`."""
    return (0.25**levels, *(0.25**level for level in range(1, levels + 1) for _ in range(3)))


def _mean(values: Tensor) -> Tensor:
    return values.flatten(1).mean(1)
