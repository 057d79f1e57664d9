"""What a backbone family answers for: sizes, packing, schedule, prompts, and opening its pipelines.

A family never draws: the stock pipeline of diffusers does, and is handed what these methods return.
Not here: the differences themselves (`sd3`, `flux`), training objectives.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import DiffusionPipeline, ModelMixin
from numpy.typing import NDArray
from torch import Tensor

from finetune.backbones import checkpoints
from finetune.backbones.autoencoder import F16_SCALE_FACTOR, Alignment, is_f16, use_f16
from finetune.backbones.checkpoints import Autoencoder
from finetune.backbones.decoding import Decoded, Encoded, decode_latents, encode_image
from finetune.backbones.latent_preview import LatentRgb, latents_to_rgb
from finetune.backbones.patch_projection import project_patches_by_products
from finetune.backbones.single_file import load_transformer
from finetune.model_folder import FamilyName, ModelFolder, variant_in


@dataclass(frozen=True, slots=True)
class LatentGeometry:
    """How pixels, latents and image tokens relate. The defaults are those of every full-size F16 model."""

    vae_scale_factor: int = F16_SCALE_FACTOR
    """Picture pixels per latent, along each axis."""

    patch_size: int = 2
    """Latents per image token, along each axis."""

    num_channels: int = 16

    max_side_px: int | None = None
    """Longest side that the transformer's position table reaches; None where it has no end."""

    @property
    def multiple_px(self) -> int:
        """What height and width must be multiples of."""
        return self.vae_scale_factor * self.patch_size

    def latent_shape(self, width_px: int, height_px: int) -> tuple[int, int, int]:
        """(C, h, w) of one picture's latents, not packed."""
        self._check(width_px, height_px)
        return self.num_channels, height_px // self.vae_scale_factor, width_px // self.vae_scale_factor

    def num_image_tokens(self, width_px: int, height_px: int) -> int:
        """Length of the image's token sequence in the transformer."""
        self._check(width_px, height_px)
        return (height_px // self.multiple_px) * (width_px // self.multiple_px)

    def _check(self, width_px: int, height_px: int) -> None:
        if (
            min(width_px, height_px) < self.multiple_px
            or width_px % self.multiple_px
            or height_px % self.multiple_px
        ):
            raise ValueError(
                f"width and height must be multiples of {self.multiple_px} px, got {width_px} x {height_px}"
            )
        if self.max_side_px is not None and max(width_px, height_px) > self.max_side_px:
            raise ValueError(
                f"this model reaches {self.max_side_px} px a side, got {width_px} x {height_px}; draw smaller"
            )


FULL_SIZE_F16 = LatentGeometry()


class Family(ABC):
    """One kind of backbone. Latents called packed are in the form that the pipeline's `latents=` takes."""

    name: ClassVar[FamilyName]

    takes_negative_prompt: ClassVar[bool]
    """Whether guidance compares with a second, negative prompt."""

    lora_targets: ClassVar[tuple[str, ...]]
    """Endings of the module names that an adapter is put on by default."""

    @property
    @abstractmethod
    def pipeline_class(self) -> type[DiffusionPipeline]:
        """The stock pipeline."""

    @property
    @abstractmethod
    def transformer_class(self) -> type[ModelMixin]:
        """The stock backbone."""

    @abstractmethod
    def geometry(self, pipeline: DiffusionPipeline) -> LatentGeometry:
        """Sizes of an opened pipeline, F8 or F16 as it is."""

    @abstractmethod
    def pack(self, latents: Tensor) -> Tensor:
        """(N, C, h, w) -> what the pipeline's `latents=` takes."""

    @abstractmethod
    def unpack(self, latents: Tensor, latent_shape: tuple[int, int, int]) -> Tensor:
        """What the pipeline's callbacks and `output_type="latent"` give -> (N, C, h, w)."""

    @abstractmethod
    def prompt_arguments(
        self, pipeline: DiffusionPipeline, *, prompt: str, negative_prompt: str, guidance_scale: float
    ) -> dict[str, Any]:
        """The part of the pipeline's call that says what to draw and how closely to follow it."""

    @abstractmethod
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
        """What the text encoders make of the prompts, as the arguments that the pipeline takes in their place.

        `max_sequence_length` is T5's, None for the pipeline's own; `device` is where the encoders compute, None for
        where the pipeline does. Raises ValueError as `prompt_arguments` does.
        """

    @abstractmethod
    def velocity(
        self,
        transformer: torch.nn.Module,
        noisy: Tensor,
        sigmas: Tensor,
        prompt_embeds: Tensor,
        pooled_prompt_embeds: Tensor,
        *,
        guidance_embed: float | None,
    ) -> Tensor:
        """The transformer called as the pipeline calls it: x_t (N, C, h, w) at sigma (N,) -> velocity (N, C, h, w).

        `guidance_embed` is what a model distilled with its guidance is told, None for the others.
        """

    def load(
        self,
        source: str | Path,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
        autoencoder: Autoencoder = "auto",
        alignment: Alignment | None = None,
        without: tuple[str, ...] = (),
        transformer_arguments: Mapping[str, Any] = MappingProxyType({}),
        transformer_file: Path | None = None,
    ) -> tuple[DiffusionPipeline, tuple[str, ...]]:
        """Open a pipeline folder or hub id, published ones with broken layouts too.

        `dtype=None` is float32 on the CPU and bfloat16 elsewhere; components named in `without` are None.
        `transformer_arguments` go to the backbone's own `from_pretrained`, such as a `quantization_config`.
        `transformer_file` holds a backbone that takes the place of the folder's (`finetune.backbones.single_file`).
        Returns the pipeline, and one sentence for each thing that had to be repaired. Raises ValueError for
        another family's pipeline, an incomplete folder, a gated or unknown hub id.
        """
        folder = checkpoints.pipeline_folder(source)
        found = ModelFolder.open(folder)
        if found.pipeline_class != self.pipeline_class.__name__:
            raise ValueError(
                f"{source} is a {found.pipeline_class}; the family {self.name!r} opens {self.pipeline_class.__name__}"
            )
        if dtype is None:
            dtype = torch.float32 if torch.device(device).type == "cpu" else torch.bfloat16
        vae, repairs = checkpoints.load_autoencoder(
            folder, autoencoder=autoencoder, alignment=alignment, dtype=dtype
        )
        given: dict[str, Any] = {"vae": vae}
        if transformer_file is not None:
            given["transformer"] = load_transformer(
                self.transformer_class, transformer_file, folder, dtype=dtype, arguments=transformer_arguments
            )
        elif transformer_arguments:
            given["transformer"] = self.transformer_class.from_pretrained(
                str(folder / "transformer"),
                dtype=dtype,
                variant=variant_in(folder / "transformer") or None,
                use_safetensors=True,
                local_files_only=True,
                **transformer_arguments,
            )
        with checkpoints.stock_layout(folder) as (readable, index_repairs):
            pipeline = self.pipeline_class.from_pretrained(
                str(readable),
                **given,
                dtype=dtype,
                variant=found.variant,
                use_safetensors=True,
                local_files_only=True,
                **(checkpoints.absent_components(folder) | dict.fromkeys(without)),
            )
        pipeline.register_to_config(_name_or_path=str(source))
        pipeline.set_progress_bar_config(disable=True)
        if is_f16(vae):
            use_f16(pipeline)
        if pipeline.transformer is not None:
            project_patches_by_products(pipeline.transformer)
        # Off the CPU only if asked: weights made smaller while they were read may not be moved there.
        moved = pipeline if torch.device(device).type == "cpu" else pipeline.to(device)
        return moved, (*index_repairs, *repairs)

    def latent_shape(
        self, width_px: int, height_px: int, geometry: LatentGeometry = FULL_SIZE_F16
    ) -> tuple[int, int, int]:
        """(C, h, w) of one picture's latents, not packed."""
        return geometry.latent_shape(width_px, height_px)

    def num_image_tokens(
        self, width_px: int, height_px: int, geometry: LatentGeometry = FULL_SIZE_F16
    ) -> int:
        """Length of the image's token sequence: 16,384 at 4096 x 4096 for full-size F16 models."""
        return geometry.num_image_tokens(width_px, height_px)

    def timestep_shift(self, pipeline: DiffusionPipeline, width_px: int, height_px: int) -> float:
        """The factor s that bends the pipeline's plain schedule: sigma -> s sigma / (1 + (s - 1) sigma).

        One number for SD3; for Flux it grows with the picture, s = e^mu with mu linear in the image tokens.
        """
        config = pipeline.scheduler.config
        if not config.get("use_dynamic_shifting", False):
            return float(config.shift)
        tokens = self.geometry(pipeline).num_image_tokens(width_px, height_px)
        span = config.max_image_seq_len - config.base_image_seq_len
        slope = (config.max_shift - config.base_shift) / span
        mu = config.base_shift + slope * (tokens - config.base_image_seq_len)
        return mu if config.get("time_shift_type", "exponential") == "linear" else math.exp(mu)

    def initial_latents(
        self, pipeline: DiffusionPipeline, width_px: int, height_px: int, *, seed: int
    ) -> Tensor:
        """Packed float32 noise from a CPU generator: the same on every device."""
        shape = self.geometry(pipeline).latent_shape(width_px, height_px)
        generator = torch.Generator("cpu").manual_seed(seed)
        return self.pack(torch.randn(1, *shape, generator=generator, dtype=torch.float32))

    def encode(
        self,
        pipeline: DiffusionPipeline,
        image: NDArray[np.uint8],
        *,
        generator: torch.Generator | None = None,
    ) -> Encoded:
        """(H, W, 3) uint8 -> packed normalised latents and the name of the path that encoded it."""
        encoded = encode_image(pipeline.vae, image, generator=generator)
        return encoded._replace(latents=self.pack(encoded.latents))

    def decode(
        self,
        pipeline: DiffusionPipeline,
        latents: Tensor,
        width_px: int,
        height_px: int,
        *,
        tile_px: int | None = None,
    ) -> Decoded:
        """Packed normalised latents -> picture (H, W, 3) uint8 and the name of the path that decoded it."""
        return decode_latents(
            pipeline.vae, self._unpacked(pipeline, latents, width_px, height_px), tile_px=tile_px
        )

    def preview(
        self,
        pipeline: DiffusionPipeline,
        latents: Tensor,
        latent_rgb: LatentRgb,
        width_px: int,
        height_px: int,
    ) -> NDArray[np.uint8]:
        """Packed normalised latents -> (h, w, 3) uint8, one pixel a latent, without the decoder."""
        return latents_to_rgb(self._unpacked(pipeline, latents, width_px, height_px), latent_rgb)

    def _unpacked(
        self, pipeline: DiffusionPipeline, latents: Tensor, width_px: int, height_px: int
    ) -> Tensor:
        return self.unpack(latents, self.geometry(pipeline).latent_shape(width_px, height_px))
