"""Ends a long computation early: a question before each block of an autoencoder, whose answer may be an exception."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from diffusers.models.resnet import ResnetBlock2D
from torch import nn


@contextmanager
def asked_in_between(model: nn.Module, ask: Callable[[], None]) -> Iterator[None]:
    """`ask` is called before each residual block of `model`; what it raises ends the computation there."""
    blocks = [module for module in model.modules() if isinstance(module, ResnetBlock2D)]
    hooks = [block.register_forward_pre_hook(lambda *_: ask()) for block in blocks]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
