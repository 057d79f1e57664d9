"""A running mean of the trained weights, which is what is validated, drawn with and saved where it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import Parameter


class Ema:
    """mean <- d mean + (1 - d) weight after each step, d = min(decay, (1 + step) / (10 + step)): early steps fade."""

    def __init__(self, parameters: Mapping[str, Parameter], decay: float) -> None:
        self.decay = decay
        self._parameters = parameters
        self.means: dict[str, Tensor] = {name: p.detach().float().clone() for name, p in parameters.items()}

    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, parameter in self._parameters.items():
            self.means[name].lerp_(parameter.detach().float(), 1 - decay)

    @contextmanager
    def worn(self) -> Iterator[None]:
        """The model with the means for weights, and its own again afterwards."""
        kept = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(self.means[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, parameter in self._parameters.items():
                    parameter.copy_(kept[name])
