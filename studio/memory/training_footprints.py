"""What training a model holds in memory, as straight lines that need no torch to read.

Measured on the meta device for the catalogue (`python -m studio.memory.catalogue_footprints`), kept in
`assets/training-footprints.json`. Folders of the user's own are told by `d4k forecast` and by a dry run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Self

from finetune.config.run_config import FinetuneConfig
from finetune.memory.sharded_bytes import Resting, on_each_device
from studio.home.settings import ROOT
from studio.memory_rungs import Line

FILE = ROOT / "assets" / "training-footprints.json"

OPTIMIZER_BYTES: Mapping[str, int] = {"adamw": 8, "adamw8bit": 2, "prodigy": 16}
"""For each trained number."""

_BASE_BYTES = {"int8": 1.0, "nf4": 0.5 + 4 / 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFootprint:
    """Of one transformer; activations of one example in bfloat16."""

    num_parameters: int
    lora_numbers_per_rank: int
    """Of the family's own target layers: inputs and outputs, added up."""

    block_numbers: int
    """Of the largest block of layers."""

    root_numbers: int
    """Of all layers outside blocks."""

    lora: Line
    lora_checkpointed: Line
    full: Line
    full_checkpointed: Line

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        lines = {k: Line(**v) for k, v in values.items() if isinstance(v, dict)}
        return cls(**{**values, **lines})


@dataclass(frozen=True, slots=True)
class TrainingForecast:
    """Bytes on one device, and beside it."""

    weights: int
    gradients: int
    optimizer: int
    ema: int
    activations: int
    main_memory: int = 0
    """What rests there instead, of all processes together, where the run asks for that."""

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.ema + self.activations


def training_footprint(model: str) -> TrainingFootprint | None:
    """Of a catalogue id, None for any other model."""
    return _known().get(model)


def forecast_training(footprint: TrainingFootprint, config: FinetuneConfig) -> TrainingForecast:
    """As `finetune.memory.training_memory.training_memory` counts, without building the model."""
    lora, half = config.method.kind == "lora", config.resources.precision != "fp32"
    numbers = footprint.num_parameters
    trained = footprint.lora_numbers_per_rank * config.method.rank if lora else numbers
    if lora:
        base = _BASE_BYTES.get(config.method.quantise_base, 2 if half else 4)
        weights = numbers * base + 4 * trained
    else:
        weights = numbers * (4 + (2 if half and not config.resources.divided else 0))
    whole = Resting(
        weights=weights,
        gradients=4 * trained,
        optimizer=OPTIMIZER_BYTES[config.optimizer.kind] * trained,
        ema=4 * trained if config.optimizer.ema_decay else 0,
    )
    resting = on_each_device(
        whole,
        config.resources,
        block_numbers=footprint.block_numbers,
        root_numbers=footprint.root_numbers,
        trains_all=not lora,
    )
    kind = config.method.kind + ("_checkpointed" if config.resources.gradient_checkpointing else "")
    line: Line = getattr(footprint, kind)
    side = config.data.resolution_px
    activations = line.at(side, side) * config.resources.batch_size * (1 if half else 2)
    return TrainingForecast(
        weights=round(resting.weights),
        gradients=round(resting.gradients),
        optimizer=round(resting.optimizer),
        ema=round(resting.ema),
        activations=activations,
        main_memory=round(whole.total) if config.resources.cpu_offload else 0,
    )


@cache
def _known() -> Mapping[str, TrainingFootprint]:
    listed = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: TrainingFootprint.from_dict(values) for name, values in listed.items()}
