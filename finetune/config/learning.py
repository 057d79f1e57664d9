"""Settings of what is learnt and how: objective, noise levels, which weights move, and the optimizer. No torch.

Not here: with what and for how long (`finetune.config.running`), all sections together (`finetune.config.run_config`).
"""

# ruff: noqa: RUF009 -- `setting` returns a dataclass field

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from finetune.config.section import Section, check_range, setting

ObjectiveKind = Literal["velocity", "wlf", "wavelet", "lwd"]
Penalty = Literal["squared", "l1", "pseudo_huber"]
Sampling = Literal["logit_normal", "uniform", "mode"]
ShiftKind = Literal["inference", "none", "fixed"]
MethodKind = Literal["lora", "full"]
OptimizerKind = Literal["adamw", "adamw8bit", "prodigy"]
Schedule = Literal["constant", "linear", "cosine"]

_WAVELET = ("kind", ("wavelet",))
_HUBER = ("penalty", ("pseudo_huber",))
_LWD = ("kind", ("lwd",))


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveConfig(Section):
    """What is made small."""

    title = "objective"
    kind: ObjectiveKind = setting(
        "velocity",
        "velocity: plain MSE. wlf: the published wavelet loss, which equals sigma^2-weighted velocity MSE. wavelet: "
        "bands weighted apart. lwd: a mask that follows the detail.",
    )
    wavelet: str = setting(
        "haar",
        "Any orthonormal wavelet of PyWavelets: haar, db2, sym4, coif1, ...",
        advanced=True,
        when=_WAVELET,
    )
    levels: int = setting(
        1, "How often the low band is split again.", low=1, high=6, advanced=True, when=_WAVELET
    )
    low_weight: float = setting(1.0, "Weight of the low band.", low=0, when=_WAVELET)
    detail_weights: tuple[tuple[float, float, float], ...] = setting(
        ((1.0, 1.0, 1.0),), "Weights of lh, hl, hh, one triple a level, finest first.", low=0, when=_WAVELET
    )
    weights_from: Literal["given", "data"] = setting(
        "given", "data: each band is weighted by the inverse of its energy in the dataset.", when=_WAVELET
    )
    residual: Literal["velocity", "x0"] = setting(
        "velocity",
        "What is split into bands: the error of the velocity, or of the picture, which is sigma times it.",
        advanced=True,
        when=_WAVELET,
    )
    penalty: Penalty = setting("squared", "How an error counts: squared, l1, or between.", when=_WAVELET)
    huber_c: float = setting(
        0.1,
        "Where pseudo-Huber turns from squared to absolute.",
        low=1e-6,
        high=1e6,
        advanced=True,
        when=_HUBER,
    )
    huber_schedule: Literal["constant", "sigma"] = setting(
        "constant",
        "sigma: the threshold shrinks from huber_c at sigma 0 to huber_c^2 at sigma 1 (huber_c < 1).",
        advanced=True,
        when=_HUBER,
    )
    lwd_floor: float = setting(
        0.3,
        "Added to the normalised detail energy; higher masks less.",
        low=0,
        high=1,
        advanced=True,
        when=_LWD,
    )
    lwd_renormalise: bool = setting(
        False, "Divide by the mask's mean, so that a masked loss keeps its size.", advanced=True, when=_LWD
    )

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        for triple in self.detail_weights:
            for weight in triple:
                check_range("objective.detail_weights", weight, 0, None)
        if (
            self.kind == "wavelet"
            and self.weights_from == "given"
            and len(self.detail_weights) != self.levels
        ):
            raise ValueError(
                f"objective.detail_weights holds {len(self.detail_weights)} triples for {self.levels} levels; "
                "give one triple a level"
            )
        if self.weights_from == "data" and self.detail_weights != ((1.0, 1.0, 1.0),):
            raise ValueError(
                "objective.detail_weights and objective.weights_from = 'data' both set the weights; keep one of them"
            )
        if self.weights_from == "given" and not self.low_weight and not any(map(any, self.detail_weights)):
            raise ValueError("every weight of the objective is 0, so nothing would be learnt; raise one")
        if self.huber_schedule == "sigma" and self.huber_c >= 1:
            raise ValueError(
                f"objective.huber_c must be below 1 with huber_schedule = 'sigma', got {self.huber_c}"
            )


_LOGIT = ("sampling", ("logit_normal",))


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestepConfig(Section):
    """At which noise levels."""

    title = "timesteps"
    sampling: Sampling = setting("logit_normal", "How noise levels are drawn, before the shift.")
    logit_mean: float = setting(0.0, "Mean of the logit; above 0 is more noise.", advanced=True, when=_LOGIT)
    logit_std: float = setting(
        1.0, "Standard deviation of the logit.", low=0.01, high=10, advanced=True, when=_LOGIT
    )
    mode_scale: float = setting(
        1.29,
        "Of the mode sampler of SD3's paper; 0 is uniform.",
        low=-1,
        high=1.75,
        advanced=True,
        when=("sampling", ("mode",)),
    )
    shift: ShiftKind = setting(
        "inference", "inference: as pictures of that size are drawn. none: as the published Flux run."
    )
    shift_factor: float = setting(
        3.0,
        "s in s sigma / (1 + (s - 1) sigma).",
        low=0.01,
        high=100,
        advanced=True,
        when=("shift", ("fixed",)),
    )


_LORA = ("kind", ("lora",))


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodConfig(Section):
    """Which weights move."""

    title = "method"
    kind: MethodKind = setting("lora", "lora: small added layers. full: every weight of the transformer.")
    rank: int = setting(16, "Width of the added layers.", low=1, high=1024, when=_LORA)
    alpha: float = setting(16.0, "The added layers count alpha / rank times.", low=0.01, when=_LORA)
    dropout: float = setting(
        0.0, "Share of their inputs dropped.", low=0, high=0.95, advanced=True, when=_LORA
    )
    targets: tuple[str, ...] = setting(
        (),
        "Endings of the names of the layers to adapt; empty is the family's attention layers.",
        advanced=True,
        when=_LORA,
    )
    quantise_base: Literal["none", "int8", "nf4"] = setting(
        "none",
        "Keep the frozen weights in 8 or 4 bits (an NVIDIA GPU and bitsandbytes).",
        advanced=True,
        when=_LORA,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig(Section):
    """How weights move."""

    title = "optimizer"
    kind: OptimizerKind = setting(
        "adamw", "adamw8bit needs bitsandbytes, prodigy (sets its own rate) prodigyopt."
    )
    learning_rate: float = setting(
        1e-4, "1e-4 suits LoRA, 1e-6 full training, 1 prodigy.", low=1e-12, high=10
    )
    schedule: Schedule = setting(
        "constant", "How the rate goes after the warm-up: linear and cosine end at 0."
    )
    warmup_steps: int = setting(0, "Steps over which the rate rises from 0.", low=0)
    beta1: float = setting(0.9, "Memory of the mean gradient.", low=0, high=0.9999, advanced=True)
    beta2: float = setting(0.999, "Memory of the squared gradient.", low=0, high=0.99999, advanced=True)
    epsilon: float = setting(
        1e-8, "Added to the root of the squared gradient.", low=1e-16, high=1, advanced=True
    )
    weight_decay: float = setting(
        1e-4, "Share of each weight taken away per unit of rate.", low=0, high=1, advanced=True
    )
    max_grad_norm: float = setting(
        1.0, "Longer gradients are cut to this; 0 cuts none.", low=0, advanced=True
    )
    ema_decay: float = setting(
        0.0,
        "Share of the running mean of weights kept each step; 0 is no mean. 0.999 spans 1,000 steps.",
        low=0,
        high=0.99999,
        advanced=True,
    )
