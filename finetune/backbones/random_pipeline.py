"""A full-size pipeline with random weights: as large and as slow as the published one, and nothing to download.

Made on the device itself, where a billion random numbers take a moment. What it draws is noise.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from finetune.backbones import FAMILIES
from finetune.backbones.autoencoder import use_f16
from finetune.backbones.full_size import FULL_SIZE_TRANSFORMERS, FULL_SIZE_VAE, TEXT_ENCODERS

DEVIATION = 0.02  # of every weight: activations neither die nor overflow in bfloat16


def random_pipeline(
    name: str, device: torch.device, *, dtype: torch.dtype = torch.bfloat16, with_encoders: bool = True
) -> DiffusionPipeline:
    """An F16 pipeline of a published model's sizes, see `FULL_SIZE_TRANSFORMERS`; tokenizers are left out."""
    full = FULL_SIZE_TRANSFORMERS[name]
    family = FAMILIES[full.family]
    with torch.device("meta"):
        vae = AutoencoderKL.from_config(dict(FULL_SIZE_VAE))
    parts: dict[str, nn.Module | None] = {
        "transformer": _filled(full.on_meta(), device, dtype),
        "vae": _filled(vae, device, dtype),
    }
    for place, (kind, config) in TEXT_ENCODERS[full.family].items():
        parts[place] = _filled(_hollow(kind, config), device, dtype) if with_encoders else None
    absent = dict.fromkeys(_tokenizers(full.family))
    pipeline = family.pipeline_class(scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0), **parts, **absent)
    pipeline.set_progress_bar_config(disable=True)
    return use_f16(pipeline)


def _tokenizers(family: str) -> tuple[str, ...]:
    return ("tokenizer", "tokenizer_2", "tokenizer_3") if family == "sd3" else ("tokenizer", "tokenizer_2")


def _hollow(kind: type[PreTrainedModel], config: PretrainedConfig) -> PreTrainedModel:
    with torch.device("meta"):
        return kind(config)


def _filled(module: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    nn.Module.to(module, dtype=dtype)
    module.to_empty(device=device)
    generator = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, DEVIATION, generator=generator)
        for buffer in module.buffers():
            if buffer.is_floating_point():
                buffer.normal_(0, DEVIATION, generator=generator)
            else:  # positions of the CLIP towers
                buffer.copy_(torch.arange(buffer.shape[-1], device=device).expand_as(buffer))
    return module.eval().requires_grad_(False)
