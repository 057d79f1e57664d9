"""FLUX.1: 2 x 2 latents packed into each token, rotary positions, guidance as an input of the transformer.

The schedule's shift grows with the picture (e^3.23 = 25.3 at 4096 x 4096). The dev kind is distilled with its
guidance scale as an embedding, the schnell kind without; neither compares with a negative prompt.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DiffusionPipeline, FluxPipeline, FluxTransformer2DModel, ModelMixin
from torch import Tensor, nn

from finetune.backbones.autoencoder import vae_scale_factor
from finetune.backbones.family import Family, LatentGeometry

PACK = 2  # latents per token along each axis; the pipeline packs, the transformer's own patch_size is 1


class Flux(Family):
    """The family of `FluxPipeline`."""

    name = "flux"
    takes_negative_prompt = False
    lora_targets = (
        *("attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0"),
        *("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out"),
        *("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2"),
    )

    @property
    def pipeline_class(self) -> type[FluxPipeline]:
        return FluxPipeline

    @property
    def transformer_class(self) -> type[ModelMixin]:
        return FluxTransformer2DModel

    def geometry(self, pipeline: DiffusionPipeline) -> LatentGeometry:
        return LatentGeometry(
            vae_scale_factor=vae_scale_factor(pipeline.vae),
            patch_size=PACK,
            num_channels=pipeline.transformer.config.in_channels // PACK**2,
        )

    def pack(self, latents: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, h/2 * w/2, 4 C): tokens row by row, in each token channel-major."""
        n, channels, height, width = latents.shape
        blocks = latents.reshape(n, channels, height // PACK, PACK, width // PACK, PACK)
        return blocks.permute(0, 2, 4, 1, 3, 5).reshape(n, -1, channels * PACK**2)

    def unpack(self, latents: Tensor, latent_shape: tuple[int, int, int]) -> Tensor:
        channels, height, width = latent_shape
        packed_shape = ((height // PACK) * (width // PACK), channels * PACK**2)
        if latents.ndim != 3 or tuple(latents.shape[1:]) != packed_shape:
            raise ValueError(
                f"Flux latents must be packed, (N, {packed_shape[0]}, {packed_shape[1]}) at this size, "
                f"got {tuple(latents.shape)}"
            )
        blocks = latents.reshape(-1, height // PACK, width // PACK, channels, PACK, PACK)
        return blocks.permute(0, 3, 1, 4, 2, 5).reshape(-1, channels, height, width)

    def has_guidance_embedding(self, pipeline: DiffusionPipeline) -> bool:
        """True for the dev kind. The schnell kind draws the same at every guidance scale."""
        return bool(pipeline.transformer.config.guidance_embeds)

    def prompt_arguments(
        self, pipeline: DiffusionPipeline, *, prompt: str, negative_prompt: str, guidance_scale: float
    ) -> dict[str, Any]:
        if negative_prompt.strip():
            raise ValueError("Flux models take no negative prompt; leave it empty or choose an SD3 model")
        return {"prompt": prompt, "guidance_scale": guidance_scale}

    def encode_prompt(
        self,
        pipeline: DiffusionPipeline,
        *,
        prompt: str,
        negative_prompt: str,
        guidance_scale: float,
        max_sequence_length: int | None = None,
        device: torch.device | None = None,
    ) -> dict[str, Tensor]:
        length = {} if max_sequence_length is None else {"max_sequence_length": max_sequence_length}
        arguments = self.prompt_arguments(
            pipeline, prompt=prompt, negative_prompt=negative_prompt, guidance_scale=guidance_scale
        )
        with torch.no_grad():
            embeds, pooled, _ = pipeline.encode_prompt(arguments["prompt"], None, device=device, **length)
        return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}

    def velocity(
        self,
        transformer: nn.Module,
        noisy: Tensor,
        sigmas: Tensor,
        prompt_embeds: Tensor,
        pooled_prompt_embeds: Tensor,
        *,
        guidance_embed: float | None,
    ) -> Tensor:
        n, channels, height, width = noisy.shape
        places = FluxPipeline._prepare_latent_image_ids(
            n, height // PACK, width // PACK, noisy.device, noisy.dtype
        )
        guidance = None
        if guidance_embed is not None:
            guidance = torch.full((n,), guidance_embed, device=noisy.device, dtype=torch.float32)
        found: Tensor = transformer(
            hidden_states=self.pack(noisy),
            timestep=sigmas,
            guidance=guidance,
            encoder_hidden_states=prompt_embeds,
            pooled_projections=pooled_prompt_embeds,
            txt_ids=torch.zeros(prompt_embeds.shape[1], 3, device=noisy.device, dtype=noisy.dtype),
            img_ids=places,
            return_dict=False,
        )[0]
        return self.unpack(found, (channels, height, width))
