"""What the settings of a run weigh, as curves over the noise level of the model's own schedule. No torch, no gradio."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finetune.config.run_config import FinetuneConfig
from finetune.json_text import parse_json
from finetune.objectives.band_weights import BandCurves as BandCurves
from finetune.objectives.band_weights import band_curves
from studio.models.catalogue import ModelEntry
from studio.models.lookup import cached_folder, find_model

# Where a hub model is not on this machine yet; of the published scheduler_config.json of SD3 and FLUX.1-dev.
_PUBLISHED_SCHEDULER: Mapping[str, Mapping[str, Any]] = {
    "sd3": {"shift": 3.0},
    "flux": {
        "use_dynamic_shifting": True,
        "base_shift": 0.5,
        "max_shift": 1.15,
        "base_image_seq_len": 256,
        "max_image_seq_len": 4096,
    },
}


def curves_of(config: FinetuneConfig) -> BandCurves:
    """Weight of each band against sigma, how often each sigma is drawn, and what to call it."""
    return band_curves(
        config.objective, config.timesteps, inference_shift=inference_shift(config), num_points=61
    )


def inference_shift(config: FinetuneConfig) -> float:
    """s of sigma -> s sigma / (1 + (s - 1) sigma) that pictures of the trained size are drawn with.

    As `Family.timestep_shift`, from the pipeline's own scheduler_config.json; as published for a hub model that is not
    here yet, and 1 for a model that nobody knows.
    """
    try:
        entry = find_model(config.model.base)
    except ValueError:
        return 1.0
    folder = entry.folder if entry.folder is not None else cached_folder(entry.source)
    scheduler = _json(folder, "scheduler/scheduler_config.json")
    about = _PUBLISHED_SCHEDULER[entry.family] if scheduler is None else scheduler
    if not about.get("use_dynamic_shifting", False):
        return float(about.get("shift", 1.0))
    f16 = is_f16(config, entry)
    tokens = (config.data.resolution_px // ((16 if f16 else 8) * _patch(entry, folder))) ** 2
    slope = (about["max_shift"] - about["base_shift"]) / (
        about["max_image_seq_len"] - about["base_image_seq_len"]
    )
    mu = float(about["base_shift"] + slope * (tokens - about["base_image_seq_len"]))
    return mu if about.get("time_shift_type", "exponential") == "linear" else math.exp(mu)


def is_f16(config: FinetuneConfig, entry: ModelEntry) -> bool:
    """Whether the run sees 16 pixels per latent: as it says, or as the studio draws with the model."""
    asked = config.model.autoencoder
    return (entry.autoencoder if asked == "auto" else asked) == "f16"


def _patch(entry: ModelEntry, folder: Path | None) -> int:
    """Latents per token along a side. Flux packs 2 x 2 itself and says 1."""
    found = _json(folder, "transformer/config.json") if entry.family == "sd3" else None
    return 2 if found is None else int(found.get("patch_size", 2))


def _json(folder: Path | None, name: str) -> dict[str, Any] | None:
    if folder is None or not (folder / name).is_file():
        return None
    content: dict[str, Any] = parse_json((folder / name).read_text(encoding="utf-8"))
    return content
