"""One diffusers pipeline, opened and kept warm: weights are read once, not once a picture.

Not here: what differs between backbones (`finetune.families`), drawing with it (`studio.rendering`).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline

from finetune.families import FAMILIES, Family
from finetune.latent_preview import LatentRgb, fit_latent_rgb
from studio.models import ModelEntry, check_available, weights_hash

Placement = Literal["whole", "offloaded"]
"""All weights on the device, or each part moved there while it works."""

_WHOLE_SHARE = 0.6  # of free device memory that weights may take; the rest is for 4096 px activations


@dataclass(slots=True)
class OpenedModel:
    """A pipeline ready to draw, and what was learnt about it."""

    entry: ModelEntry
    pipeline: DiffusionPipeline
    family: Family
    latent_rgb: LatentRgb
    weights_hash: str
    repairs: tuple[str, ...]
    """One sentence for each thing in its files that had to be repaired."""

    device: torch.device
    dtype: torch.dtype
    placement: Placement
    load_s: float
    decode_s_per_megapixel: float | None = field(default=None)
    """Of its last picture, to foresee the next one's."""


def best_device() -> torch.device:
    """The accelerator if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def quiet_libraries() -> None:
    """Keep the libraries' own progress bars off the terminal and out of the log."""
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()


def cpu_dtype(entry: ModelEntry) -> torch.dtype:
    """What this CPU should run a model in."""
    if entry.cpu_dtype != "quickest":
        return torch.float32 if entry.cpu_dtype == "float32" else torch.bfloat16
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32


def load_pipeline(
    entry: ModelEntry, *, device: torch.device | None = None, dtype: torch.dtype | None = None
) -> OpenedModel:
    """Open a model, fetching it from the hub first if need be.

    `device=None` takes the accelerator if there is one; `dtype=None` what suits device and model.
    """
    started = time.perf_counter()
    check_available(entry)
    device = best_device() if device is None else device
    if dtype is None:
        dtype = torch.bfloat16 if device.type != "cpu" else cpu_dtype(entry)
    family = FAMILIES[entry.family]
    pipeline, repairs = family.load(
        entry.source if entry.folder is None else entry.folder,
        dtype=dtype,
        device="cpu",
        autoencoder=entry.autoencoder,
        alignment=entry.alignment if entry.autoencoder == "f16" else None,
    )
    latent_rgb = fit_latent_rgb(pipeline.vae)
    placement = _place(pipeline, device)
    return OpenedModel(
        entry=entry,
        pipeline=pipeline,
        family=family,
        latent_rgb=latent_rgb,
        weights_hash=weights_hash(entry),
        repairs=repairs,
        device=device,
        dtype=dtype,
        placement=placement,
        load_s=time.perf_counter() - started,
    )


class PipelineKeeper:
    """Keeps the last model open. Not for use from two threads at once."""

    def __init__(self, load: Callable[[ModelEntry], OpenedModel] = load_pipeline) -> None:
        self._load = load
        self._opened: OpenedModel | None = None

    def is_open(self, entry: ModelEntry) -> bool:
        """Whether `open` would answer at once: the same model, its files unchanged."""
        opened = self._opened
        return opened is not None and opened.entry == entry and opened.weights_hash == weights_hash(entry)

    def open(self, entry: ModelEntry) -> OpenedModel:
        """The model, loaded if it is not the one that is open; the other one is freed first."""
        if self._opened is not None and self.is_open(entry):
            return self._opened
        self.free()
        self._opened = self._load(entry)
        return self._opened

    def free(self) -> str | None:
        """Give the memory back; returns the id of the model that was open, None if none was."""
        if self._opened is None:
            return None
        freed = self._opened.entry.id
        self._opened = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return freed


def _place(pipeline: DiffusionPipeline, device: torch.device) -> Placement:
    """Put the pipeline on the device whole if it fits beside its activations, else part by part."""
    if device.type == "cuda":
        free_bytes, _ = torch.cuda.mem_get_info(device)
        if _weight_bytes(pipeline) > _WHOLE_SHARE * free_bytes:
            pipeline.enable_model_cpu_offload(device=device)
            return "offloaded"
    pipeline.to(device)
    return "whole"


def _weight_bytes(pipeline: DiffusionPipeline) -> int:
    modules = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    return sum(weight.numel() * weight.element_size() for part in modules for weight in part.parameters())
