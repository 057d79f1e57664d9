"""The published backbones as data: transformer configs, whose sizes can be known without any weight.

Not here: measured memory and time, text encoders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from diffusers import FluxTransformer2DModel, ModelMixin, SD3Transformer2DModel

from finetune.families.family import FamilyName


@dataclass(frozen=True, slots=True)
class FullSizeTransformer:
    """One published transformer."""

    family: FamilyName
    config: Mapping[str, Any]
    """Where it differs from the defaults of the diffusers class."""

    num_parameters: int
    """Trainable numbers; SD3's files hold its fixed position table besides."""

    def on_meta(self) -> ModelMixin:
        """The model with shapes and no storage."""
        kind = SD3Transformer2DModel if self.family == "sd3" else FluxTransformer2DModel
        with torch.device("meta"):
            return kind(**self.config)


FULL_SIZE_TRANSFORMERS: Mapping[str, FullSizeTransformer] = MappingProxyType(
    {
        "sd3-medium": FullSizeTransformer(
            "sd3",
            {
                "num_layers": 24,
                "num_attention_heads": 24,
                "caption_projection_dim": 1536,
                "pos_embed_max_size": 192,
            },
            2_028_328_000,
        ),
        "sd3.5-medium": FullSizeTransformer(
            "sd3",
            {
                "num_layers": 24,
                "num_attention_heads": 24,
                "caption_projection_dim": 1536,
                "pos_embed_max_size": 384,
                "qk_norm": "rms_norm",
                "dual_attention_layers": tuple(range(13)),
            },
            2_243_171_520,
        ),
        "sd3.5-large": FullSizeTransformer(
            "sd3",
            {
                "num_layers": 38,
                "num_attention_heads": 38,
                "caption_projection_dim": 2432,
                "pos_embed_max_size": 192,
                "qk_norm": "rms_norm",
            },
            8_056_627_520,
        ),
        "flux.1-dev": FullSizeTransformer("flux", {"guidance_embeds": True}, 11_901_408_320),
        "flux.1-schnell": FullSizeTransformer("flux", {"guidance_embeds": False}, 11_891_178_560),
    }
)
