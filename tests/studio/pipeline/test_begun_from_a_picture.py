"""Renders that begin from a picture, with tiny models of both families: passes, what they begin with, resuming."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from finetune.drawing.coarse_to_fine import filling
from finetune.drawing.passes import Pass
from studio.home.init_images import init_image_path, keep_init_image
from studio.init_image import InitImage
from studio.models.lookup import find_model
from studio.pipeline.coarse_first import full_size_steps, plan_passes
from studio.pipeline.denoising import Preview, RenderCancelled
from studio.pipeline.draw import render
from studio.pipeline.opening import OpenedModel, load_pipeline
from studio.queue.job import Progress
from studio.render_request import RenderRequest

NewRequest = Callable[..., RenderRequest]

MICRO = replace(find_model("micro-4k"), own_side_px=512)
SOME = "0" * 12 + "-" + "1" * 32
LARGE = {"width_px": 640, "height_px": 512, "num_inference_steps": 6}


@pytest.fixture(scope="module", params=["sd3", "flux"])
def opened(request: pytest.FixtureRequest) -> OpenedModel:
    """That composes at 256 x 256."""
    folder: Path = request.getfixturevalue(f"{request.param}_folder")
    entry = replace(find_model(str(folder)), own_side_px=256)
    return load_pipeline(entry, device=torch.device("cpu"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A slope of light, so that what is kept of it can be told: 300 x 200, dark at the left."""
    path = tmp_path / "slope.png"
    slope = np.broadcast_to(np.linspace(0, 255, 300).astype(np.uint8)[None, :, None], (200, 300, 3))
    Image.fromarray(np.ascontiguousarray(slope)).save(path)
    return path


def planned(new_request: NewRequest, size: int, strength: float, coarse_first: float) -> tuple[Pass, ...]:
    asked = new_request(
        width_px=size,
        height_px=size,
        num_inference_steps=20,
        coarse_first=coarse_first,
        init=InitImage(SOME, strength),
    )
    return plan_passes(asked, MICRO, (size, size), multiple_px=64)


def test_it_begins_at_its_strength(new_request: NewRequest) -> None:
    (only,) = planned(new_request, 1024, 0.5, 0.0)
    assert (only.size, only.first, only.is_literal) == ((1024, 1024), 0, True)
    np.testing.assert_allclose(only.sigmas, np.linspace(0.5, 0.05, 10))


def test_a_large_one_is_composed_small_where_that_is_wished(new_request: NewRequest) -> None:
    small, *between, large = planned(new_request, 4096, 0.5, 0.3)
    assert (small.size, small.end, small.is_literal) == ((512, 512), 10, True)
    assert [one.size for one in between] == [(1024, 1024), (2048, 2048)]
    assert (large.size, large.first, large.end, large.is_literal) == ((4096, 4096), 22, 28, True)
    assert small.sigmas[0] == 0.5
    assert large.sigmas[0] == 0.3


@pytest.mark.parametrize("strength", [0.1, 0.3])
def test_one_that_is_hardly_changed_is_not_composed_first(new_request: NewRequest, strength: float) -> None:
    """Its detail would be lost at the small size, and drawn anew from a higher level than was asked for."""
    (only,) = planned(new_request, 4096, strength, 0.3)
    assert (only.size, only.sigmas[0]) == ((4096, 4096), strength)


def test_forecasts_count_the_steps_that_are_taken(new_request: NewRequest) -> None:
    asked = new_request(width_px=1024, height_px=1024, num_inference_steps=20, init=InitImage(SOME, 0.5))
    assert full_size_steps(asked, MICRO) == 10


def test_it_fills_the_size_and_keeps_its_middle() -> None:
    stripes = np.zeros((100, 300, 3), np.uint8)
    stripes[:, 100:200] = 255
    filled = filling(Image.fromarray(stripes), (64, 64))
    assert filled.shape == (64, 64, 3)
    assert (filled >= 240).all(), "of three squares the middle one is left"
    assert filling(Image.fromarray(stripes).convert("L"), (32, 96)).shape == (96, 32, 3)


def test_what_it_begins_with(
    opened: OpenedModel, new_request: NewRequest, tmp_path: Path, photo: Path
) -> None:
    """(1 - strength) picture + strength noise, at that very level; by hand, from what the transformer is given."""
    seen: list[tuple[float, torch.Tensor]] = []

    def look(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.append((float(kwargs["timestep"][0]), kwargs["hidden_states"][:1].clone()))

    asked = new_request(seed=3, num_inference_steps=10, init=keep_init_image(tmp_path, photo, strength=0.4))
    hook = opened.pipeline.transformer.register_forward_pre_hook(look, with_kwargs=True)
    try:
        result = render(opened, asked, home=tmp_path)
    finally:
        hook.remove()
    assert len(seen) == 4
    family, pipeline = opened.family, opened.pipeline
    pixels = np.array(Image.open(photo).resize((384, 256), Image.Resampling.LANCZOS))[:, 32:352]
    clean = family.encode(pipeline, pixels).latents.float()
    wanted = 0.6 * clean + 0.4 * family.initial_latents(pipeline, 320, 256, seed=3)
    level, given = seen[0]
    assert level == pytest.approx(400 if level > 1 else 0.4)
    difference = (given.flatten() - wanted.flatten().to(given.dtype)).abs().float()
    assert difference.mean() < 0.02, "but for rounding, and for the edge of two ways to scale"
    assert "encode_picture" in result.timings_s
    assert "Begun from a picture, at a noise level of 0.4." in result.notes


def test_a_picture_that_memory_does_not_hold_whole_is_told_of(
    opened: OpenedModel, new_request: NewRequest, tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, failures = opened.pipeline.vae.encode, iter([True])

    def encode(pixels: torch.Tensor) -> Any:
        if next(failures, False):
            raise torch.OutOfMemoryError("full")
        return whole(pixels)

    monkeypatch.setattr(opened.pipeline.vae, "encode", encode)
    asked = new_request(num_inference_steps=4, init=keep_init_image(tmp_path, photo, strength=0.5))
    note = "Memory was too short to encode a picture whole: 1024 px tiles, blended."
    assert note in render(opened, asked, home=tmp_path).notes
    assert note not in render(opened, asked, home=tmp_path).notes


def test_low_keeps_it_and_high_does_not(
    opened: OpenedModel, new_request: NewRequest, tmp_path: Path, photo: Path
) -> None:
    def drawn(strength: float) -> np.ndarray:
        kept = keep_init_image(tmp_path, photo, strength=strength)
        return render(opened, new_request(init=kept), home=tmp_path).latents.float().numpy()

    family, pipeline = opened.family, opened.pipeline
    pixels = filling(Image.open(photo), (320, 256))
    packed = family.encode(pipeline, pixels).latents
    itself = family.unpack(packed, family.geometry(pipeline).latent_shape(320, 256)).float().cpu().numpy()
    apart = [float(np.abs(drawn(strength) - itself).mean()) for strength in (0.05, 0.4, 0.95)]
    assert apart[0] < apart[1] < apart[2]


class Stop:
    """Stops at a step; remembers the steps of either pass."""

    def __init__(self, at: int | None) -> None:
        self.at, self.steps = at, list[int]()

    def __call__(self, progress: Progress, preview: Preview | None) -> bool:
        if progress.stage in ("composing", "denoising"):
            self.steps.append(progress.step)
            return progress.step != self.at
        return True


@pytest.mark.parametrize("step", [1, 4, 5, 7])
def test_resumed_in_either_pass_to_the_same_pixels(
    opened: OpenedModel, new_request: NewRequest, tmp_path: Path, photo: Path, step: int
) -> None:
    asked = new_request(**LARGE, coarse_first=0.5, init=keep_init_image(tmp_path, photo, strength=0.7))
    whole, path = render(opened, asked, home=tmp_path), tmp_path / "1-a.safetensors"
    with pytest.raises(RenderCancelled):
        render(opened, asked, home=tmp_path, latents_path=path, on_progress=Stop(step))
    going_on = Stop(None)
    resumed = render(opened, asked, home=tmp_path, latents_path=path, on_progress=going_on)
    assert (resumed.resumed_from_step, min(going_on.steps)) == (step, step)
    np.testing.assert_array_equal(resumed.image, whole.image)


def test_a_picture_that_is_gone_is_refused(
    opened: OpenedModel, new_request: NewRequest, tmp_path: Path, photo: Path
) -> None:
    asked = new_request(init=keep_init_image(tmp_path, photo))
    assert asked.init is not None
    kept = init_image_path(tmp_path, asked.init.id)
    kept.write_bytes(kept.read_bytes()[:200])
    with pytest.raises(ValueError, match="picture to begin from cannot be read"):
        render(opened, asked, home=tmp_path)
    kept.unlink()
    with pytest.raises(ValueError, match="no longer kept here"):
        render(opened, asked, home=tmp_path)


def test_a_first_pass_that_is_left_out_is_said(
    opened: OpenedModel, new_request: NewRequest, tmp_path: Path, photo: Path
) -> None:
    asked = new_request(**LARGE, coarse_first=0.5, init=keep_init_image(tmp_path, photo, strength=0.3))
    notes = render(opened, asked, home=tmp_path).notes
    assert "Drawn at full size alone: coarse first would change it more than 0.3." in notes
    assert not any(note.startswith("Composed at") for note in notes)
