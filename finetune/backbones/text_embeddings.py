"""A caption as the transformer reads it: exactly what the stock pipeline makes of the same prompt.

Not here: keeping it (`finetune.data.cache`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from finetune.backbones import Family


class TextEmbeddings(NamedTuple):
    """Of one caption, in the text encoders' dtype, on the CPU."""

    prompt_embeds: Tensor  # (tokens, d)
    pooled_prompt_embeds: Tensor  # (d_pooled,)


def encode_caption(
    pipeline: DiffusionPipeline, family: Family, caption: str, *, max_sequence_length: int | None = None
) -> TextEmbeddings:
    """Encode one caption; the empty one gives what guidance compares with.

    `max_sequence_length` is of T5, in tokens; None is what inference uses (256 for SD3, 512 for Flux, 8 blanks for
    Micro-4K). The published training runs of SD3 used 77.
    """
    arguments = family.prompt_arguments(pipeline, prompt=caption, negative_prompt="", guidance_scale=1.0)
    arguments = {name: value for name, value in arguments.items() if name.startswith(("prompt", "max_"))}
    if max_sequence_length is not None:
        arguments["max_sequence_length"] = max_sequence_length
    with torch.inference_mode():
        if family.name == "sd3":
            encoded = pipeline.encode_prompt(
                **({"prompt_2": None, "prompt_3": None} | arguments), do_classifier_free_guidance=False
            )
            embeds, pooled = encoded[0], encoded[2]
        else:
            embeds, pooled, _ = pipeline.encode_prompt(**({"prompt_2": None} | arguments))
    return TextEmbeddings(embeds[0].cpu().contiguous(), pooled[0].cpu().contiguous())
