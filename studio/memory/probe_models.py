"""What `d4k probe` measures: the real model, or one of its size with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers import DiffusionPipeline

from finetune.backbones import FAMILIES, Family
from finetune.backbones.full_size import FULL_SIZE_TRANSFORMERS, SHAPED_LIKE
from finetune.backbones.random_pipeline import random_pipeline
from finetune.config.run_config import FinetuneConfig, MethodConfig
from finetune.memory.training_memory import hollow_transformer, training_memory
from studio.memory.catalogue_footprints import catalogue_footprint
from studio.memory.footprints import footprint_of_folder
from studio.memory.probe import probe_training, resident_bytes
from studio.memory_rungs import Footprint, Rung
from studio.models.catalogue import ModelEntry
from studio.models.lookup import cached_folder, check_available, is_here, whole_source
from studio.pipeline.opening import best_device, default_dtype, device_name, quiet_libraries
from studio.pipeline.taking_rungs import loading_arguments, shrink

__all__ = ["Source", "best_device", "measured", "training"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the weights come from."""

    entry: ModelEntry
    random: bool
    with_encoders: bool
    device: torch.device

    @property
    def family(self) -> Family:
        return FAMILIES[self.entry.family]

    def check(self) -> None:
        """Raise ValueError where there is nothing to measure."""
        if self.random and self._shape() is None:
            raise ValueError(
                f"{self.entry.title} has no published shape; --random-weights knows "
                f"{', '.join(FULL_SIZE_TRANSFORMERS)}. Leave it out to measure the model itself"
            )
        if not self.random:
            check_available(self.entry)
            if not is_here(self.entry):
                raise ValueError(
                    f"{self.entry.title} is not on this machine; download it with `d4k models pull "
                    f"{self.entry.id}`, or add --random-weights to measure its size without it"
                )

    def pipeline(self, rung: Rung) -> DiffusionPipeline:
        """Opened; random weights are made on the device where it holds all of them at once, else on the CPU."""
        quiet_libraries()
        dtype = default_dtype(self.entry, self.device)
        shape = self._shape()
        if self.random and shape is not None:
            made_on = self.device if rung == "resident" else torch.device("cpu")
            made = random_pipeline(shape, made_on, dtype=dtype, with_encoders=self.with_encoders)
            shrink(made.transformer, rung)
            return made
        encoders = ("text_encoder", "text_encoder_2", "text_encoder_3")[
            : 3 if self.family.name == "sd3" else 2
        ]
        pipeline, _ = self.family.load(
            whole_source(self.entry),
            dtype=dtype,
            autoencoder=self.entry.autoencoder,
            without=() if self.with_encoders else encoders,
            transformer_arguments=loading_arguments(rung, dtype),
        )
        return pipeline

    def facts(self, pipeline: DiffusionPipeline) -> dict[str, Any]:
        """For the report."""
        return {
            "device": device_name(self.device),
            "model": self.entry.id,
            "random_weights": self.random,
            "dtype": str(pipeline.vae.dtype).removeprefix("torch."),
            "num_parameters": sum(p.numel() for p in pipeline.transformer.parameters()),
        }

    def _shape(self) -> str | None:
        name = SHAPED_LIKE.get(self.entry.id, self.entry.id)
        return name if name in FULL_SIZE_TRANSFORMERS else None


def measured(source: Source) -> Footprint:
    """Of a model that the studio has no footprint of yet."""
    folder = source.entry.folder if source.entry.folder is not None else cached_folder(source.entry.source)
    if folder is None:
        return catalogue_footprint(source.entry)
    return footprint_of_folder(folder, f16=source.entry.autoencoder == "f16", family=source.entry.family)


def training(
    source: Source, kind: Literal["lora", "full"], width_px: int, height_px: int, num_steps: int
) -> dict[str, Any]:
    """Measure optimizer steps with the settings that a new run has, only the method given."""
    base = resident_bytes()
    slim = Source(source.entry, source.random, False, source.device)
    pipeline = slim.pipeline("model_offload")  # weights on the CPU: training moves what it needs
    geometry = source.family.geometry(pipeline)
    config = FinetuneConfig(method=MethodConfig(kind=kind))
    hollow = hollow_transformer(source.family.name, dict(pipeline.transformer.config))
    shape = geometry.latent_shape(width_px, height_px)
    forecast = training_memory(hollow, source.family.name, config, shape)
    facts = source.facts(pipeline)
    found = probe_training(
        pipeline.transformer,
        source.family,
        config,
        forecast,
        device=source.device,
        latent_shape=shape,
        num_steps=num_steps,
        base_bytes=base,
    )
    return facts | {
        "train": kind,
        "width_px": width_px,
        "height_px": height_px,
        "num_trained": forecast.num_trained,
        "seconds_per_step": round(found.seconds_per_step, 4),
        "stages": [stage.to_dict() for stage in found.stages],
    }
