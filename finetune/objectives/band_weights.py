"""What an objective weighs, as curves over sigma, and in words whether it is plain MSE. NumPy, no torch: for charts.

The effective weight of a band at sigma is the factor by which the gradient of the loss with respect to that band of the
predicted velocity differs from that of the plain velocity MSE.
Not here: the objectives (`finetune.objectives.losses`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.config.run_config import ObjectiveConfig, TimestepConfig

Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BandCurves:
    """Data of a chart."""

    sigmas: Curve
    """(n,) in (0, 1)."""

    weights: dict[str, Curve]
    """Band ("ll1", "lh1", ...; the number is its level, 1 the finest) -> (n,) effective weight."""

    density: Curve
    """(n,) how often each sigma is drawn; its integral over (0, 1) is 1."""

    verdict: str
    """One or two sentences."""

    is_plain_mse: bool


def band_curves(
    objective: ObjectiveConfig,
    timesteps: TimestepConfig,
    *,
    inference_shift: float,
    band_weights: tuple[float, ...] | None = None,
    typical_error: float = 1.0,
    num_points: int = 99,
) -> BandCurves:
    """Curves of the settings.

    Args:
        inference_shift: What the model draws with at the trained size.
        band_weights: Weights measured from data: low, then lh, hl, hh of each level. Wanted for the curves of
            `weights_from = "data"`; 1 is drawn without them.
        typical_error: Size of coefficient for which l1 and pseudo-Huber are drawn; theirs depends on it.
    """
    sigmas = np.linspace(0, 1, num_points + 2)[1:-1]
    verdict, plain = judge(objective)
    return BandCurves(
        sigmas,
        _weights(objective, sigmas, band_weights, typical_error),
        density(timesteps, sigmas, inference_shift=inference_shift),
        verdict,
        plain,
    )


def judge(objective: ObjectiveConfig) -> tuple[str, bool]:
    """In words what the objective is, and whether it is plain velocity MSE, up to a weight per sigma."""
    squares = "By Parseval, bands that weigh the same add up to the plain mean square, whatever the wavelet."
    if objective.kind == "velocity":
        return "This is plain MSE of the velocity: every band and noise level weighs the same.", True
    if objective.kind == "wlf":
        return (
            f"This is sigma^2-weighted MSE of the velocity, and plain MSE of the picture. {squares} It weighs low "
            "noise, where detail is made, less than plain velocity MSE does.",
            True,
        )
    if objective.kind == "lwd":
        words = (
            "Velocity MSE where the noisy latents' detail energy is high; the mask empties as sigma grows."
        )
        return f"{words} Its share depends on the data, so 1 is drawn, the weight inside the mask.", False
    weights = {objective.low_weight, *(w for triple in objective.detail_weights for w in triple)}
    if objective.penalty == "squared" and objective.weights_from == "given" and len(weights) == 1:
        (weight,) = weights
        times = "" if weight == 1 else f" times {weight:g}"
        if objective.residual == "x0":
            return f"This is sigma^2-weighted MSE of the velocity{times}, the same as wlf. {squares}", True
        return f"This is plain MSE of the velocity{times}. {squares}", True
    if objective.penalty != "squared":
        words = (
            "The weight of a coefficient falls as its error grows, so the curves hold for one size of error."
        )
        return f"Aware of frequency: {words}", False
    return "Aware of frequency: bands weigh differently.", False


def density(timesteps: TimestepConfig, sigmas: Curve, *, inference_shift: float) -> Curve:
    """(n,) probability density of sigma in (0, 1), in closed form; 0 where a sampler never goes."""
    shift = {"inference": inference_shift, "none": 1.0, "fixed": timesteps.shift_factor}[timesteps.shift]
    below = shift - (shift - 1) * sigmas
    plain = sigmas / below  # the shift undone
    if timesteps.sampling == "logit_normal":
        deviation = (np.log(plain / (1 - plain)) - timesteps.logit_mean) / timesteps.logit_std
        found = np.exp(-(deviation**2) / 2) / (timesteps.logit_std * np.sqrt(2 * np.pi) * plain * (1 - plain))
    elif timesteps.sampling == "mode":
        u = np.linspace(0, 1, 20_001)
        bend = np.cos(np.pi * u / 2) ** 2 - 1 + u
        drawn = 1 - u - timesteps.mode_scale * bend  # falls from 1 to 0
        slope = 1 + timesteps.mode_scale * (1 - np.pi / 2 * np.sin(np.pi * u))
        found = np.interp(plain, drawn[::-1], 1 / slope[::-1])
    else:
        found = np.ones_like(plain)
    answer: Curve = found * shift / below**2
    return answer


def _weights(
    objective: ObjectiveConfig, sigmas: Curve, measured: tuple[float, ...] | None, error: float
) -> dict[str, Curve]:
    levels = objective.levels if objective.kind == "wavelet" else 1
    names = [
        f"ll{levels}",
        *(f"{band}{level}" for level in range(1, levels + 1) for band in ("lh", "hl", "hh")),
    ]
    if objective.kind != "wavelet":
        curve = sigmas**2 if objective.kind == "wlf" else np.ones_like(sigmas)
        return dict.fromkeys(names, curve)
    given = (objective.low_weight, *(weight for triple in objective.detail_weights for weight in triple))
    if objective.weights_from == "data":
        given = (1.0,) * len(names) if measured is None else measured
    seen = error * sigmas if objective.residual == "x0" else np.full_like(sigmas, error)
    slope = np.ones_like(sigmas)  # penalty'(e) / (2 e)
    if objective.penalty == "l1":
        slope = 1 / (2 * seen)
    elif objective.penalty == "pseudo_huber":
        exponent = 1 + sigmas if objective.huber_schedule == "sigma" else np.ones_like(sigmas)
        slope = 1 / np.sqrt(1 + (seen / objective.huber_c**exponent) ** 2)
    if objective.residual == "x0":
        slope = slope * sigmas**2
    return {name: weight * slope for name, weight in zip(names, given, strict=True)}
