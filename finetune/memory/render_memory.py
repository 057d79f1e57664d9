"""What the parts of a render hold in memory beside their weights, from configs alone.

Transformer and VAE are built on the meta device, where tensors have shapes and no storage, and called once at the size
that is drawn. Not here: weights' bytes, what fits where (`studio.memory_rungs`), training
(`finetune.memory.training_memory`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import AutoencoderKL, ModelMixin
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from finetune.backbones import FAMILIES, FamilyName
from finetune.backbones.autoencoder import make_f16
from finetune.backbones.decoding import laid_out
from finetune.memory.live_memory import peak_live_bytes
from finetune.model_folder import OUR_VAE_KEYS


def hollow_autoencoder(settings: Mapping[str, Any], *, f16: bool) -> AutoencoderKL:
    """A VAE of a config.json's content, on the meta device."""
    with torch.device("meta"):
        vae = AutoencoderKL.from_config({k: v for k, v in settings.items() if k not in OUR_VAE_KEYS})
    return make_f16(vae) if f16 else vae


def denoise_bytes(
    transformer: ModelMixin,
    family: FamilyName,
    latent_shape: tuple[int, int, int],
    *,
    text_tokens: int,
    guided: bool,
    dtype: torch.dtype = torch.bfloat16,
) -> int:
    """Most bytes alive in one step of the transformer, latents and prompt embeddings among them.

    Args:
        transformer: On the meta device.
        latent_shape: (C, h, w) of one picture.
        text_tokens: Length of the prompt embeddings.
        guided: Whether the prompt and the negative prompt go through together, as in SD3 with guidance.
    """
    nn.Module.to(transformer, dtype=dtype)
    count, config = (2 if guided else 1), transformer.config

    def empty(*shape: int) -> Tensor:
        return torch.empty(count, *shape, device="meta", dtype=dtype)

    def step() -> None:
        # The scheduler holds latents in float32 for its step; the pipeline hands them on in the model's dtype.
        scheduled = torch.empty(1, *latent_shape, device="meta")
        velocity = FAMILIES[family].velocity(
            transformer,
            empty(*latent_shape),
            empty(),
            empty(text_tokens, config.joint_attention_dim),
            empty(config.pooled_projection_dim),
            guidance_embed=3.5 if config.get("guidance_embeds", False) else None,
        )
        scheduled + velocity[:1].float()

    return peak_live_bytes(step)


def decode_bytes(
    vae: AutoencoderKL, latent_shape: tuple[int, int, int], *, dtype: torch.dtype = torch.bfloat16
) -> int:
    """Most bytes alive while the VAE decodes one picture whole. `vae` is on the meta device, (C, h, w) the latents."""
    nn.Module.to(vae, dtype=dtype)
    return peak_live_bytes(
        lambda: vae.decode(
            laid_out(torch.empty(1, *latent_shape, device="meta", dtype=dtype)), return_dict=False
        )
    )


def encode_bytes(vae: AutoencoderKL, size: tuple[int, int], *, dtype: torch.dtype = torch.bfloat16) -> int:
    """Most bytes alive while the VAE encodes one picture of (width_px, height_px). `vae` is on the meta device."""
    nn.Module.to(vae, dtype=dtype)
    pixels = torch.empty(1, 3, size[1], size[0], device="meta", dtype=dtype)
    return peak_live_bytes(lambda: vae.encode(laid_out(pixels), return_dict=False))


def step_flops(
    transformer: ModelMixin, family: FamilyName, latent_shape: tuple[int, int, int], *, text_tokens: int
) -> int:
    """Floating-point operations of the transformer's products and attention, for one picture without guidance."""
    config = transformer.config
    dtype = next(transformer.parameters()).dtype

    def empty(*shape: int) -> Tensor:
        return torch.empty(1, *shape, device="meta", dtype=dtype)

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        FAMILIES[family].velocity(
            transformer,
            empty(*latent_shape),
            empty(),
            empty(text_tokens, config.joint_attention_dim),
            empty(config.pooled_projection_dim),
            guidance_embed=3.5 if config.get("guidance_embeds", False) else None,
        )
    return int(counter.get_total_flops())


def largest_block_bytes(transformer: ModelMixin) -> int:
    """Weights of its largest block of layers."""
    lists = (getattr(transformer, name, ()) for name in ("transformer_blocks", "single_transformer_blocks"))
    sizes = (
        sum(p.numel() * p.element_size() for p in block.parameters()) for blocks in lists for block in blocks
    )
    return max(sizes)
