"""Optimizers by name, and how the learning rate goes. The rate is a function of the step: nothing to be saved."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from torch.nn import Parameter
from torch.optim import AdamW, Optimizer

from finetune.config.run_config import OptimizerConfig

_EXTRA = "install it with `pip install 'diffusion-4k-studio[train]'`, or take adamw"


def make_optimizer(config: OptimizerConfig, parameters: Iterable[Parameter]) -> Optimizer:
    """Raises ValueError where the package of an optional one is missing."""
    shared: dict[str, Any] = {
        "lr": config.learning_rate,
        "betas": (config.beta1, config.beta2),
        "eps": config.epsilon,
        "weight_decay": config.weight_decay,
    }
    if config.kind == "adamw8bit":
        try:
            from bitsandbytes.optim.adamw import AdamW8bit
        except ImportError as error:
            raise ValueError(f"optimizer.kind = 'adamw8bit' needs bitsandbytes; {_EXTRA}") from error
        made: Optimizer = AdamW8bit(parameters, **shared)
        return made
    if config.kind == "prodigy":
        try:
            from prodigyopt import Prodigy
        except ImportError as error:
            raise ValueError(f"optimizer.kind = 'prodigy' needs prodigyopt; {_EXTRA}") from error
        # Bias correction and the safeguard are what its authors advise for diffusion models with a warm-up.
        prodigy: Optimizer = Prodigy(parameters, **shared, use_bias_correction=True, safeguard_warmup=True)
        return prodigy
    return AdamW(parameters, **shared)


def learning_rate(config: OptimizerConfig, step: int, num_steps: int) -> float:
    """Of the step with this number, 1 being the first and num_steps the last."""
    if step <= config.warmup_steps:
        return config.learning_rate * step / config.warmup_steps
    done = (step - config.warmup_steps - 1) / max(1, num_steps - config.warmup_steps)
    if config.schedule == "linear":
        return config.learning_rate * (1 - done)
    if config.schedule == "cosine":
        return config.learning_rate * (1 + math.cos(math.pi * done)) / 2
    return config.learning_rate
