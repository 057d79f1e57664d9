"""Speed options on a stock transformer: put on, and taken off again so that it is itself.

- attention: another kernel for the same sum (diffusers' dispatcher), where installed; equal to rounding.
- compile: `torch.compile` on each repeated block alone, so that it is compiled once; equal to rounding.
- first-block cache: where the first block's output has hardly changed since the last whole step, the others' last
  change is added again. Not equal: how much it changes a picture is measured by `d4k speed`.

Not here: their names (`finetune.drawing.speed_names`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from diffusers import FirstBlockCacheConfig
from diffusers.models.attention_dispatch import (
    AttentionBackendName,
    _AttentionBackendRegistry,
    _check_attention_backend_requirements,
)
from diffusers.utils import logging

from finetune.drawing.speed_names import SpeedOptions

_BLOCKS = frozenset({"JointTransformerBlock", "FluxTransformerBlock", "FluxSingleTransformerBlock"})


@contextmanager
def sped_up(transformer: Any, options: SpeedOptions) -> Iterator[None]:
    """While inside, the transformer has the options. Raises ValueError for one that it or this machine cannot have."""
    with ExitStack() as stack:
        if options.attention is not None:
            stack.enter_context(_attending(transformer, options.attention))
        if options.cache_threshold is not None:
            stack.enter_context(_caching(transformer, options.cache_threshold))
        if options.compile:
            stack.enter_context(_compiled(transformer))
        yield


def attention_trouble(name: str) -> str | None:
    """Why an attention backend is not to be had here; None where its package is."""
    try:
        _check_attention_backend_requirements(AttentionBackendName(name))
    except (RuntimeError, ValueError) as error:
        return str(error)
    return None


@contextmanager
def _attending(transformer: Any, name: str) -> Iterator[None]:
    if trouble := attention_trouble(name):
        raise ValueError(f"attention {name} is not installed ({trouble}); leave it out, or install that")
    processors = [getattr(module, "processor", None) for module in transformer.modules()]
    if not any(hasattr(processor, "_attention_backend") for processor in processors):
        raise ValueError(
            f"{type(transformer).__name__} attends through PyTorch alone; attention is a choice for FLUX models"
        )
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # that the choice is experimental, at every render
    before, _ = _AttentionBackendRegistry.get_active_backend()
    try:
        transformer.set_attention_backend(name)
        yield
    finally:
        transformer.reset_attention_backend()
        _AttentionBackendRegistry.set_active_backend(before)  # which the choice had changed for every model
        logging.set_verbosity(level)


@contextmanager
def _caching(transformer: Any, threshold: float) -> Iterator[None]:
    if not hasattr(transformer, "enable_cache"):
        raise ValueError(
            f"{type(transformer).__name__} has no place for a cache in diffusers; first_block_cache is for FLUX models"
        )
    transformer.enable_cache(FirstBlockCacheConfig(threshold=threshold))
    try:
        yield
    finally:
        transformer.disable_cache()


@contextmanager
def _compiled(transformer: Any) -> Iterator[None]:
    blocks = [module for module in transformer.modules() if type(module).__name__ in _BLOCKS]
    for block in blocks:
        block.compile()
    try:
        yield
    finally:
        for block in blocks:
            block._compiled_call_impl = None
