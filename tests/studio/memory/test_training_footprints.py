"""Lines read without torch tell what the meta device tells."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finetune.backbones.full_size import FULL_SIZE_TRANSFORMERS
from finetune.config.files import read_toml, recipes
from finetune.config.run_config import FinetuneConfig, MethodConfig, OptimizerConfig, ResourceConfig
from finetune.memory.training_memory import training_memory
from studio.memory.training_footprints import forecast_training, training_footprint
from studio.models.catalogue import CATALOGUE
from studio.models.lookup import find_model


def config(resolution_px: int, **parts: Any) -> FinetuneConfig:
    plain = FinetuneConfig(**parts)
    return replace(plain, data=replace(plain.data, resolution_px=resolution_px))


CASES = [
    config(1024, method=MethodConfig(kind="lora", rank=8)),
    config(4096, method=MethodConfig(kind="lora", rank=64), optimizer=OptimizerConfig(kind="adamw8bit")),
    config(
        2048, method=MethodConfig(kind="lora", quantise_base="nf4"), resources=ResourceConfig(batch_size=2)
    ),
    config(2048, method=MethodConfig(kind="full"), optimizer=OptimizerConfig(ema_decay=0.999)),
    config(
        1024,
        method=MethodConfig(kind="full"),
        resources=ResourceConfig(precision="fp32", gradient_checkpointing=False),
    ),
    config(
        2048,
        method=MethodConfig(kind="full"),
        optimizer=OptimizerConfig(ema_decay=0.999),
        resources=ResourceConfig(sharded=True, processes=4),
    ),
    config(2048, method=MethodConfig(kind="lora"), resources=ResourceConfig(cpu_offload=True)),
]


@pytest.mark.parametrize("settings", CASES, ids=range(len(CASES)))
def test_lines_say_what_the_meta_device_counts(settings: FinetuneConfig) -> None:
    footprint = training_footprint("sd3-medium")
    assert footprint is not None
    ours = forecast_training(footprint, settings)
    side = settings.data.resolution_px // 16
    theirs = training_memory(
        FULL_SIZE_TRANSFORMERS["sd3-medium"].on_meta(), "sd3", settings, (16, side, side)
    )
    for part in ("weights", "gradients", "optimizer", "ema"):
        assert getattr(ours, part) == pytest.approx(getattr(theirs, part), rel=0.002), part
    assert ours.activations == pytest.approx(theirs.activations, rel=0.05)
    assert ours.total == pytest.approx(theirs.total, rel=0.03)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.id)
def test_every_model_of_the_catalogue_is_known(entry: Any) -> None:
    footprint = training_footprint(entry.id)
    assert footprint is not None
    lora = forecast_training(footprint, config(1024, method=MethodConfig(kind="lora")))
    full = forecast_training(footprint, config(1024, method=MethodConfig(kind="full")))
    assert lora.total < full.total
    checkpointed, kept = footprint.full_checkpointed.at(2048, 2048), footprint.full.at(2048, 2048)
    assert checkpointed < kept


def test_a_folder_is_not_known() -> None:
    assert training_footprint("/some/folder") is None


def test_a_divided_run_by_hand() -> None:
    """SD3 Medium, every weight: float32 masters, gradients and two moments are 16 bytes a number."""
    footprint = training_footprint("sd3-medium")
    assert footprint is not None
    numbers, block, root = footprint.num_parameters, footprint.block_numbers, footprint.root_numbers
    width = 1536  # two streams: an MLP of 8, attention of 4 and modulation of 6 times the width squared
    assert block == (2 * 8 + 2 * 4 + 2 * 6) * width**2 + (2 * 5 + 2 * 4 + 2 * 6) * width
    full = MethodConfig(kind="full")

    def found(**resources: Any) -> Any:
        return forecast_training(footprint, config(2048, method=full, resources=ResourceConfig(**resources)))

    whole, four = found(), found(sharded=True, processes=4)
    assert whole.weights == 6 * numbers
    gathered = 2 * (root + 2 * block)
    assert four.weights == pytest.approx(numbers + gathered)
    assert four.gradients == pytest.approx(numbers + 4 * block)
    assert four.optimizer == pytest.approx(2 * numbers)
    assert four.activations == whole.activations
    assert four.main_memory == whole.main_memory == 0
    offloaded = found(cpu_offload=True, processes=4)
    assert (offloaded.weights, offloaded.gradients, offloaded.optimizer) == (gathered, 4 * block, 0)
    assert offloaded.main_memory == 16 * numbers


@pytest.mark.parametrize("recipe", recipes(), ids=lambda path: path.stem)
def test_recipes_say_what_is_forecast(recipe: Path) -> None:
    said = re.search(r"estimated by `d4k forecast`: ([0-9.]+) GiB", recipe.read_text())
    wanted = read_toml(recipe)
    entry = find_model(wanted.model.base)
    footprint = training_footprint("micro-4k" if entry.folder is not None else entry.id)
    assert footprint is not None
    if said is not None:
        assert forecast_training(footprint, wanted).total / 2**30 == pytest.approx(
            float(said[1]), rel=0.03, abs=0.1
        )
