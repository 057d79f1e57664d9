"""Rungs of the memory ladder, as what is done to a pipeline. What each needs is in `studio.memory_rungs`."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import BitsAndBytesConfig, DiffusionPipeline, TorchAoConfig
from diffusers.hooks import apply_group_offloading
from torch import nn

from studio.memory_rungs import Rung

_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
_DRAWING = ("transformer", "vae")


_KEPT_WHOLE = ["pos_embed", "x_embedder", "context_embedder", "time_text_embed", "norm_out", "proj_out"]
"""Small layers at both ends of the transformer, where rounding shows most."""


def loading_arguments(rung: Rung, dtype: torch.dtype) -> dict[str, Any]:
    """What opening the transformer is told: smaller weights are made while they are read."""
    if rung == "int8":
        from torchao.quantization import Int8WeightOnlyConfig

        eight = TorchAoConfig(Int8WeightOnlyConfig(), modules_to_not_convert=_KEPT_WHOLE)
        return {"quantization_config": eight}
    if rung == "nf4":
        four = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            llm_int8_skip_modules=_KEPT_WHOLE,
        )
        return {"quantization_config": four}
    return {}


def shrink(transformer: nn.Module, rung: Rung) -> None:
    """Give an opened transformer the weights of a rung that makes them smaller, where it can be done in place.

    Raises ValueError for 4 bits, which are made while a file is read.
    """
    if rung == "nf4":
        raise ValueError(
            "4-bit weights are made while a model is opened; take another rung for random weights"
        )
    if rung == "int8":
        from torchao.quantization import Int8WeightOnlyConfig, quantize_

        def is_shrunk(module: nn.Module, name: str) -> bool:
            kept = any(part in name.split(".") for part in _KEPT_WHOLE)
            return isinstance(module, nn.Linear) and not kept

        quantize_(transformer, Int8WeightOnlyConfig(), filter_fn=is_shrunk)


def settle(pipeline: DiffusionPipeline, rung: Rung, device: torch.device) -> None:
    """Put an opened pipeline, its weights on the CPU, where the rung wants them."""
    if rung == "resident":
        pipeline.to(device)
    elif rung == "encoders_freed":
        _move(pipeline, _DRAWING, device)
    elif rung == "group_offload":
        for name in ("transformer", *_ENCODERS):
            module = getattr(pipeline, name, None)
            if module is not None:
                apply_group_offloading(
                    module,
                    onload_device=device,
                    offload_device=torch.device("cpu"),
                    offload_type="block_level",
                    num_blocks_per_group=1,
                    use_stream=device.type == "cuda",
                )
        pipeline.vae.to(device)
    elif device.type == "cpu":
        pipeline.to(device)
    else:
        pipeline.enable_model_cpu_offload(device=device)


@contextmanager
def text_encoders_at_work(pipeline: DiffusionPipeline, rung: Rung, device: torch.device) -> Iterator[None]:
    """On the rung "encoders_freed": text encoders in and the rest out, then the other way round."""
    if rung != "encoders_freed":
        yield
        return
    _move(pipeline, _DRAWING, torch.device("cpu"))
    _move(pipeline, _ENCODERS, device)
    try:
        yield
    finally:
        _move(pipeline, _ENCODERS, torch.device("cpu"))
        _move(pipeline, _DRAWING, device)


def _move(pipeline: DiffusionPipeline, names: tuple[str, ...], device: torch.device) -> None:
    for name in names:
        module = getattr(pipeline, name, None)
        if isinstance(module, nn.Module):
            module.to(device)
    if device.type == "cpu" and torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
