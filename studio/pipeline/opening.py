"""One diffusers pipeline, opened and kept warm: weights are read once, not once a picture.

Not here: what differs between backbones (`finetune.backbones`), drawing with it (`studio.pipeline.draw`).
"""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline

from finetune.backbones import FAMILIES, Family
from finetune.backbones.latent_preview import LatentRgb, fit_latent_rgb
from finetune.backbones.native_dtype import multiplies_bfloat16
from studio.memory_rungs import Rung
from studio.models.catalogue import ModelEntry
from studio.models.lookup import check_available, weights_hash, whole_source
from studio.pipeline.adapter_stack import AdapterStack
from studio.pipeline.prompt_cache import PromptCache
from studio.pipeline.taking_rungs import loading_arguments, settle


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
    load_s: float
    rung: Rung = "resident"
    decode_s_per_megapixel: float | None = field(default=None)
    """Of its last picture, to foresee the next one's."""

    adapters: AdapterStack = field(default_factory=AdapterStack)
    """LoRAs that it wears."""

    prompts: PromptCache = field(default_factory=PromptCache)
    """What its text encoders have read."""


def best_device() -> torch.device:
    """The accelerator if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """The GPU's name, or cpu and what kind."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()})"


def quiet_libraries() -> None:
    """Keep the libraries' own progress bars off the terminal and out of the log."""
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()


def default_dtype(entry: ModelEntry, device: torch.device) -> torch.dtype:
    """What a device should run a model in."""
    return torch.bfloat16 if device.type != "cpu" else cpu_dtype(entry)


def cpu_dtype(entry: ModelEntry) -> torch.dtype:
    """What this CPU should run a model in."""
    if entry.cpu_dtype != "quickest":
        return torch.float32 if entry.cpu_dtype == "float32" else torch.bfloat16
    return torch.bfloat16 if multiplies_bfloat16(torch.device("cpu")) else torch.float32


def load_pipeline(
    entry: ModelEntry,
    *,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
    rung: Rung = "resident",
) -> OpenedModel:
    """Open a model, fetching it from the hub first if need be.

    `device=None` takes the accelerator if there is one; `dtype=None` what suits device and model; `rung` is how it
    fits in memory.
    """
    started = time.perf_counter()
    check_available(entry)
    device = best_device() if device is None else device
    if dtype is None:
        dtype = default_dtype(entry, device)
    family = FAMILIES[entry.family]
    pipeline, repairs = family.load(
        whole_source(entry),
        dtype=dtype,
        device="cpu",
        autoencoder=entry.autoencoder,
        alignment=entry.alignment if entry.autoencoder == "f16" else None,
        transformer_arguments=loading_arguments(rung, dtype),
        transformer_file=entry.transformer_file,
    )
    latent_rgb = fit_latent_rgb(pipeline.vae)
    settle(pipeline, rung, device)
    return OpenedModel(
        entry=entry,
        pipeline=pipeline,
        family=family,
        latent_rgb=latent_rgb,
        weights_hash=weights_hash(entry),
        repairs=repairs,
        device=device,
        dtype=dtype,
        load_s=time.perf_counter() - started,
        rung=rung,
    )


class PipelineKeeper:
    """Keeps the last model open. Not for use from two threads at once."""

    def __init__(self, load: Callable[..., OpenedModel] = load_pipeline) -> None:
        self._load = load
        self._opened: OpenedModel | None = None

    @property
    def opened(self) -> OpenedModel | None:
        """The model that is open."""
        return self._opened

    def is_open(self, entry: ModelEntry, rung: Rung | None = None) -> bool:
        """Whether `open` would answer at once: the same model, its files unchanged; None for any rung."""
        opened = self._opened
        return (
            opened is not None
            and opened.entry == entry
            and rung in (None, opened.rung)
            and opened.weights_hash == weights_hash(entry)
        )

    def open(self, entry: ModelEntry, rung: Rung = "resident") -> OpenedModel:
        """The model, loaded if it is not the one that is open; the other one is freed first."""
        if self._opened is not None and self.is_open(entry, rung):
            return self._opened
        self.free()
        self._opened = self._load(entry, rung=rung)
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
