"""Stable Diffusion 3 and 3.5, and Micro-4K: an MMDiT with a position table and classifier-free guidance.

Latents go in unpacked and the transformer cuts its own patches. The schedule's shift is one number (3.0).
Guidance runs the transformer twice a step, on the prompt and on the negative prompt.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DiffusionPipeline, ModelMixin, SD3Transformer2DModel, StableDiffusion3Pipeline
from torch import Tensor, nn
from transformers import T5EncoderModel

from finetune.backbones.autoencoder import vae_scale_factor
from finetune.backbones.family import Family, LatentGeometry

NUM_TRAIN_TIMESTEPS = 1000  # the transformer's clock: sigma 1 is 1000
BLANK_TOKENS = 8  # of a silent T5; what Micro-4K is mostly trained with
_EMBEDS = (
    *("prompt_embeds", "negative_prompt_embeds"),
    *("pooled_prompt_embeds", "negative_pooled_prompt_embeds"),
)


class Sd3(Family):
    """The family of `StableDiffusion3Pipeline`."""

    name = "sd3"
    takes_negative_prompt = True
    lora_targets = (
        *("attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0"),
        *("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out"),
    )

    @property
    def pipeline_class(self) -> type[StableDiffusion3Pipeline]:
        return StableDiffusion3Pipeline

    @property
    def transformer_class(self) -> type[ModelMixin]:
        return SD3Transformer2DModel

    def geometry(self, pipeline: DiffusionPipeline) -> LatentGeometry:
        config, factor = pipeline.transformer.config, vae_scale_factor(pipeline.vae)
        return LatentGeometry(
            vae_scale_factor=factor,
            patch_size=config.patch_size,
            num_channels=config.in_channels,
            max_side_px=config.pos_embed_max_size * config.patch_size * factor,
        )

    def pack(self, latents: Tensor) -> Tensor:
        return latents

    def unpack(self, latents: Tensor, latent_shape: tuple[int, int, int]) -> Tensor:
        if latents.ndim != 4 or tuple(latents.shape[1:]) != latent_shape:
            raise ValueError(
                f"SD3 latents must be (N, *{latent_shape}) at this size, got {tuple(latents.shape)}"
            )
        return latents

    def prompt_arguments(
        self, pipeline: DiffusionPipeline, *, prompt: str, negative_prompt: str, guidance_scale: float
    ) -> dict[str, Any]:
        """Guidance of 1 or less means none: one transformer call a step, the negative prompt has no say.

        The pipeline appends 256 tokens for T5. Where T5 has no layers, as in Micro-4K, they are all zero and a few do.
        """
        arguments: dict[str, Any] = {"prompt": prompt, "negative_prompt": negative_prompt}
        if is_silent(pipeline.text_encoder_3):
            # A blank for it to read: it would only warn that the prompt is longer than those few tokens.
            silent = {"max_sequence_length": BLANK_TOKENS, "prompt_3": " ", "negative_prompt_3": " "}
            arguments = {**arguments, **silent}
        return {**arguments, "guidance_scale": guidance_scale}

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
        arguments = length | self.prompt_arguments(
            pipeline, prompt=prompt, negative_prompt=negative_prompt, guidance_scale=guidance_scale
        )
        guided = arguments.pop("guidance_scale") > 1
        with torch.no_grad():
            found = pipeline.encode_prompt(
                **{"prompt_2": None, "prompt_3": None, **arguments},
                do_classifier_free_guidance=guided,
                device=device,
            )
        named = zip(_EMBEDS, found, strict=True)
        return {name: embeds for name, embeds in named if embeds is not None}

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
        found: Tensor = transformer(
            hidden_states=noisy,
            timestep=sigmas * NUM_TRAIN_TIMESTEPS,
            encoder_hidden_states=prompt_embeds,
            pooled_projections=pooled_prompt_embeds,
            return_dict=False,
        )[0]
        return found


def is_silent(text_encoder_3: T5EncoderModel | None) -> bool:
    """Whether the T5 place holds an encoder without layers: it is there because stock pipelines insist on one."""
    return text_encoder_3 is not None and text_encoder_3.config.num_layers == 0
