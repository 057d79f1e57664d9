"""Footprints of the catalogue's models, measured on the meta device: `python -m studio.memory.catalogue_footprints`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import nn

from finetune.backbones.full_size import FULL_SIZE_TRANSFORMERS, FULL_SIZE_VAE, SHAPED_LIKE, TEXT_ENCODERS
from finetune.config.run_config import FinetuneConfig, MethodConfig, MethodKind
from finetune.memory.live_memory import peak_live_bytes
from finetune.memory.training_memory import block_and_root, hollow_transformer, training_memory
from finetune.model_folder import read_json
from studio.memory.footprints import CATALOGUE_FILE, footprint_of_folder, measured_footprint
from studio.memory.training_footprints import FILE as TRAINING_FILE
from studio.memory.training_footprints import TrainingFootprint
from studio.memory_rungs import Footprint, Line
from studio.models.catalogue import CATALOGUE, ModelEntry

CLIP_TOKENS, T5_TOKENS = 77, 512
_RANK = 16  # that LoRA lines are drawn at: activations hardly know of it


def catalogue_footprint(entry: ModelEntry) -> Footprint:
    """Of one entry, from its folder where it is bundled, else from the published configs."""
    if entry.folder is not None:
        return footprint_of_folder(entry.folder, f16=entry.autoencoder == "f16", family=entry.family)
    full = FULL_SIZE_TRANSFORMERS[SHAPED_LIKE.get(entry.id, entry.id)]
    transformer = full.on_meta()
    parts: dict[str, nn.Module] = {"transformer": transformer}
    encode = 0
    with torch.device("meta"):
        parts["vae"] = AutoencoderKL.from_config(dict(FULL_SIZE_VAE))
        for place, (kind, config) in TEXT_ENCODERS[full.family].items():
            parts[place] = encoder = kind(config).to(torch.bfloat16)
            tokens = CLIP_TOKENS if hasattr(config, "max_position_embeddings") else T5_TOKENS
            ids = torch.zeros(1, tokens, dtype=torch.long)
            encode = max(encode, _reading_bytes(encoder, ids))
    return measured_footprint(
        weights={name: _weight_bytes(part) for name, part in parts.items()},
        family=full.family,
        transformer_settings=dict(transformer.config),
        autoencoder_settings=dict(FULL_SIZE_VAE),
        f16=entry.autoencoder == "f16",
        encode=encode,
    )


def catalogue_training_footprint(entry: ModelEntry) -> TrainingFootprint:
    """Of one entry's transformer, F16 or F8 as the entry is used."""
    settings = _transformer_settings(entry)
    factor = 16 if entry.autoencoder == "f16" else 8
    sizes_px = (1024, 2048)

    def line(kind: MethodKind, checkpointed: bool) -> tuple[Line, int]:
        config = FinetuneConfig(method=MethodConfig(kind=kind, rank=_RANK))
        config = replace(config, resources=replace(config.resources, gradient_checkpointing=checkpointed))
        found = [
            training_memory(
                hollow_transformer(entry.family, settings),
                entry.family,
                config,
                (16, side // factor, side // factor),
            )
            for side in sizes_px
        ]
        slope = (found[1].activations - found[0].activations) / (sizes_px[1] ** 2 - sizes_px[0] ** 2)
        fixed = found[0].activations - slope * sizes_px[0] ** 2
        return Line(fixed=fixed, per_pixel=slope), found[0].num_trained

    lora, lora_numbers = line("lora", False)
    full, num_parameters = line("full", False)
    block_numbers, root_numbers = block_and_root(hollow_transformer(entry.family, settings))
    return TrainingFootprint(
        num_parameters=num_parameters,
        lora_numbers_per_rank=lora_numbers // _RANK,
        block_numbers=block_numbers,
        root_numbers=root_numbers,
        lora=lora,
        lora_checkpointed=line("lora", True)[0],
        full=full,
        full_checkpointed=line("full", True)[0],
    )


def _transformer_settings(entry: ModelEntry) -> dict[str, Any]:
    if entry.folder is not None:
        return read_json(entry.folder / "transformer" / "config.json")
    return dict(FULL_SIZE_TRANSFORMERS[SHAPED_LIKE.get(entry.id, entry.id)].on_meta().config)


def _reading_bytes(encoder: nn.Module, ids: torch.Tensor) -> int:
    return peak_live_bytes(lambda: encoder(ids))


def _weight_bytes(part: nn.Module) -> int:
    """At two bytes a number; what a checkpoint holds beside trained weights, such as SD3's positions, counts."""
    return 2 * sum({w.untyped_storage()._cdata: w.numel() for w in part.state_dict().values()}.values())


def write() -> None:
    """Measure all and write both files of `assets/`."""
    renders = {entry.id: catalogue_footprint(entry).to_dict() for entry in CATALOGUE}
    CATALOGUE_FILE.write_text(json.dumps(renders, indent=1) + "\n", encoding="utf-8")
    trainings = {entry.id: catalogue_training_footprint(entry).to_dict() for entry in CATALOGUE}
    TRAINING_FILE.write_text(json.dumps(trainings, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
