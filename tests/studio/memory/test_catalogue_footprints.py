"""Footprints of the catalogue: every entry has one, and published sizes are met to 1 %."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finetune.memory.model_sizes import component_sizes
from studio.memory.catalogue_footprints import catalogue_footprint
from studio.memory.footprints import footprint_of
from studio.memory_rungs import RUNGS, Footprint, render_memory
from studio.models.cards import card_of
from studio.models.catalogue import CATALOGUE, ModelEntry
from studio.models.lookup import find_model
from tests.finetune.memory.test_model_sizes import PUBLISHED_PARTS, PUBLISHED_SINGLE_FILES

GB = 1e9


def footprint(model: str) -> Footprint:
    found = footprint_of(find_model(model), Path("/nowhere"))
    assert found is not None
    return found


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.id)
def test_every_model_has_one_that_fits_somewhere(entry: object) -> None:
    known = footprint(entry.id)  # type: ignore[attr-defined]
    for rung in RUNGS:
        found = render_memory(known, rung, width_px=4096, height_px=4096, guided=True)
        assert 0 < found.peak < 60 * GB


@pytest.mark.parametrize(
    ("model", "part", "published_gb"),
    [
        # Sizes of the files in bfloat16: Hugging Face's blog on Flux and SD3, and the model cards' parameter counts.
        ("flux.1-dev", "transformer", 23.8),
        ("flux.1-dev", "text_encoder_2", 9.52),
        ("flux.1-dev", "text_encoder", 0.246),
        ("flux.1-dev", "vae", 0.168),
        ("flux.1-schnell", "transformer", 23.8),
        ("sd3-medium", "transformer", 4.17),
        ("sd3-medium", "text_encoder_2", 1.39),
        ("sd3-medium", "text_encoder_3", 9.52),
        ("sd3.5-medium", "transformer", 4.94),
        ("sd3.5-large", "transformer", 16.29),
        ("diffusion-4k-flux", "transformer", 23.8),
    ],
)
def test_weights_are_the_published_files(model: str, part: str, published_gb: float) -> None:
    assert footprint(model).weights[part] / GB == pytest.approx(published_gb, rel=0.01)


_FLUX = PUBLISHED_PARTS["flux.1-dev"]
_SD3_ENCODERS = {
    name: size for name, size in PUBLISHED_PARTS["sd3.5-large"].items() if name.startswith("text_encoder")
}
PUBLISHED_TOTALS = {
    "sd3-medium": PUBLISHED_SINGLE_FILES["sd3-medium"] + sum(_SD3_ENCODERS.values()),
    "sd3.5-medium": PUBLISHED_SINGLE_FILES["sd3.5-medium"] + sum(_SD3_ENCODERS.values()),
    "sd3.5-large": PUBLISHED_SINGLE_FILES["sd3.5-large"] + sum(_SD3_ENCODERS.values()),
    "flux.1-dev": sum(_FLUX.values()),
    "flux.1-schnell": sum((_FLUX | PUBLISHED_PARTS["flux.1-schnell"]).values()),
    "diffusion-4k-flux": sum((_FLUX | PUBLISHED_PARTS["diffusion-4k-flux"]).values()),
    "diffusion-4k-flux-v2": sum((_FLUX | PUBLISHED_PARTS["diffusion-4k-flux-v2"]).values()),
}
"""Bytes of all weights at two bytes a number, from the sizes of the published files; of the fine-tuned models the
transformer's file is known, and the other parts are FLUX.1's."""


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.id)
def test_every_model_weighs_what_was_published(entry: ModelEntry) -> None:
    """What forecasts count with, to 1 %: bytes, and numbers, which are half as many."""
    if entry.folder is not None:
        published = sum(2 * numbers_in(path) for path in entry.folder.rglob("*.safetensors"))
    else:
        published = PUBLISHED_TOTALS[entry.id]
        assert card_of(entry.id).weight_bytes == pytest.approx(published, rel=0.01)
    assert sum(footprint(entry.id).weights.values()) == pytest.approx(published, rel=0.01)
    numbers = sum(size.num_parameters + size.num_fixed for size in component_sizes(entry.id).values())
    assert numbers == pytest.approx(published / 2, rel=0.01)


def numbers_in(path: Path) -> int:
    """By the file's length and the dtype that its header names."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    (dtype,) = {one["dtype"] for name, one in json.loads(content[8 : 8 + length]).items() if name[:2] != "__"}
    return (len(content) - 8 - length) // {"F32": 4, "F16": 2, "BF16": 2}[dtype]


@pytest.mark.parametrize("model", ["micro-4k", "sd3-medium"])
def test_the_file_is_what_is_measured(model: str) -> None:
    assert catalogue_footprint(find_model(model)) == footprint(model)


def test_flux_offloaded_at_4096_is_the_published_memory() -> None:
    """Diffusion-4K, table 5: 26.9 GB on an A100, most of it the transformer and its activations."""
    found = render_memory(
        footprint("diffusion-4k-flux"), "model_offload", width_px=4096, height_px=4096, guided=False
    )
    assert found.peak / GB == pytest.approx(26.9, rel=0.06)
