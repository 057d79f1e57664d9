"""What a run needs of memory and disk, beside what there is: two lines of the preflight. No torch.

Not here: what a run really takes (a dry run measures it, `finetune.dry_run`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import psutil

from finetune.config.run_config import FinetuneConfig
from finetune.weight_files import read_header
from studio.home.disk import free_mib
from studio.memory.free import graphics_card
from studio.memory.training_footprints import (
    TrainingFootprint,
    TrainingForecast,
    forecast_training,
    training_footprint,
)
from studio.models.catalogue import CATALOGUE, ModelEntry
from studio.models.lookup import cached_folder, find_model
from studio.training.runs import Forecast, Trainings

Level = Literal["ok", "warning", "problem"]

MIB = 2**20
SPARE_MIB = 512.0
"""Of the disk, that a run should leave."""

OPTIMIZER_COPIES = {"adamw": 2.0, "adamw8bit": 0.5, "prodigy": 4.0}
"""float32 copies of each trained weight that an optimizer keeps, as `finetune.dry_run` counts them."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the list."""

    name: str
    level: Level
    words: str
    """What was found; for a problem with the remedy."""


def memory_check(config: FinetuneConfig, gpu: bool) -> Check:
    """All of it for a model of the catalogue; else without activations, which a dry run tells."""
    footprint = _known_footprint(config.model.base)
    if footprint is not None:
        return _forecast(forecast_training(footprint, config), gpu and config.resources.device != "cpu")
    numbers = _numbers_of(config)
    if numbers is None:
        return Check("Memory", "warning", "unknown until the model is on this machine; a dry run measures it")
    full = config.method.kind == "full"
    weight = 4 if full or config.resources.precision == "fp32" else 2
    base = {"none": weight, "int8": 1.0, "nf4": 0.55}[config.method.quantise_base]
    trained = (
        numbers * 4 * (1 + OPTIMIZER_COPIES[config.optimizer.kind] + bool(config.optimizer.ema_decay))
        if full
        else 0
    )
    needed = numbers * base + trained
    if config.resources.sharded and not config.resources.cpu_offload:
        needed /= config.resources.processes
    parts = "weights, gradients and optimizer" if full else "weights"
    words = f"{_size(needed / MIB)} for {parts} (estimated), activations on top"
    if gpu and config.resources.device != "cpu" and not config.resources.cpu_offload:
        return Check("Memory", "ok", f"{words}; a dry run measures the peak")
    free = psutil.virtual_memory().available
    if needed > free:
        return Check(
            "Memory",
            "problem",
            f"{words}, and {_size(free / MIB)} are free; choose LoRA, a smaller model, or close something",
        )
    return Check("Memory", "ok", f"{words}; {_size(free / MIB)} free")


def _forecast(found: TrainingForecast, on_gpu: bool) -> Check:
    """Beside what is free now; on a GPU only a warning, since a dry run measures what an estimate may miss."""
    parts = ", ".join(
        f"{name} {_size(size / MIB)}"
        for name, size in (
            ("weights", found.weights),
            ("gradients and optimizer", found.gradients + found.optimizer + found.ema),
            ("activations", found.activations),
        )
    )
    words = f"{_size(found.total / MIB)} estimated: {parts}"
    gpu = graphics_card() if on_gpu else None
    main_free = psutil.virtual_memory().available
    free, where = (gpu[1], gpu[0]) if gpu is not None else (main_free, "this machine")
    if found.main_memory:
        words += f", and {_size(found.main_memory / MIB)} in main memory"
        if found.main_memory > main_free:
            remedy = "choose LoRA or a smaller model, or close something"
            return Check("Memory", "problem", f"{words}, where {_size(main_free / MIB)} are free; {remedy}")
    if found.total <= free:
        return Check("Memory", "ok", f"{words}; {_size(free / MIB)} free on {where}")
    remedy = "choose LoRA, a smaller resolution or batch, checkpointing, a quantised base, or CPU offload"
    level: Level = "warning" if on_gpu else "problem"
    return Check("Memory", level, f"{words}, and {_size(free / MIB)} are free on {where}; {remedy}")


def disk_check(config: FinetuneConfig, trainings: Trainings, forecast: Forecast | None) -> Check:
    free = free_mib(trainings.workspace.runs)
    numbers = _numbers_of(config) if config.method.kind == "full" else None
    if forecast is not None:
        needed, how = forecast.bytes_forecast / MIB, "measured by the dry run"
    elif numbers is not None:
        copies = 1 + OPTIMIZER_COPIES[config.optimizer.kind] + bool(config.optimizer.ema_decay)
        needed, how = numbers * 4 * copies * (config.schedule.keep_checkpoints + 1) / MIB, "estimated"
    else:
        needed, how = 0.0, ""
    if free < needed + SPARE_MIB:
        takes = f"checkpoints take {_size(needed)} ({how}) and " if needed else ""
        return Check(
            "Disk",
            "problem",
            f"{takes}{_size(free)} are free; free some, or keep fewer checkpoints",
        )
    if needed:
        return Check("Disk", "ok", f"{_size(needed)} for checkpoints ({how}), {_size(free)} free")
    return Check("Disk", "ok", f"{_size(free)} free; a dry run tells what checkpoints take")


def _known_footprint(base: str) -> TrainingFootprint | None:
    """Of a catalogue model by its id, its hub id, or the folder that it is bundled in."""
    try:
        entry = find_model(base)
    except ValueError:
        return None
    bundled = next(
        (known.id for known in CATALOGUE if known.folder is not None and known.folder == entry.folder), ""
    )
    return training_footprint(bundled if bundled else entry.id)


def _numbers_of(config: FinetuneConfig) -> int | None:
    """Numbers in the transformer, from the headers of its files; None where it is not here, or not whole."""
    try:
        folder = _folder(find_model(config.model.base))
        files = [] if folder is None else sorted((folder / "transformer").glob("*.safetensors"))
        shapes = [shape for path in files for _, shape in read_header(path).tensors.values()]
    except ValueError:
        return None
    return sum(prod(shape) for shape in shapes) if shapes else None


def _folder(entry: ModelEntry) -> Path | None:
    return entry.folder if entry.folder is not None else cached_folder(entry.source)


def _size(mib: float) -> str:
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib:.0f} MiB"
