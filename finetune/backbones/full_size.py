"""The published models as data: their parts' configs, whose sizes can be known without any weight.

Not here: measured memory and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from diffusers import FluxTransformer2DModel, ModelMixin, SD3Transformer2DModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PretrainedConfig,
    PreTrainedModel,
    T5Config,
    T5EncoderModel,
)

from finetune.model_folder import FamilyName


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

SHAPED_LIKE: Mapping[str, str] = MappingProxyType(
    {"diffusion-4k-flux": "flux.1-dev", "diffusion-4k-flux-v2": "flux.1-dev"}
)
"""Fine-tuned models have the shape of what they were made from."""

FULL_SIZE_VAE: Mapping[str, Any] = MappingProxyType(
    {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "block_out_channels": (128, 256, 512, 512),
        "layers_per_block": 2,
        "latent_channels": 16,
        "sample_size": 1024,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
    }
)
"""The autoencoder of SD3, SD3.5 and FLUX.1: one shape, three sets of weights."""

_CLIP_L = CLIPTextConfig(
    hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768
)
_CLIP_G = CLIPTextConfig(
    hidden_size=1280,
    intermediate_size=5120,
    num_hidden_layers=32,
    num_attention_heads=20,
    projection_dim=1280,
    hidden_act="gelu",
)
_T5_XXL = T5Config(
    d_model=4096,
    d_kv=64,
    d_ff=10240,
    num_layers=24,
    num_heads=64,
    feed_forward_proj="gated-gelu",
    tie_word_embeddings=False,
)

TEXT_ENCODERS: Mapping[FamilyName, Mapping[str, tuple[type[PreTrainedModel], PretrainedConfig]]] = (
    MappingProxyType(
        {
            "sd3": {
                "text_encoder": (CLIPTextModelWithProjection, _CLIP_L),
                "text_encoder_2": (CLIPTextModelWithProjection, _CLIP_G),
                "text_encoder_3": (T5EncoderModel, _T5_XXL),
            },
            "flux": {"text_encoder": (CLIPTextModel, _CLIP_L), "text_encoder_2": (T5EncoderModel, _T5_XXL)},
        }
    )
)
"""Class and shape of each place in the pipeline."""
