"""Which passes a picture is drawn in, worked by hand; and two passes drawn with tiny models of both families."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from finetune.drawing.coarse_to_fine import draw_passes
from finetune.drawing.held_frequencies import HeldFrequencies, low_frequencies
from finetune.drawing.passes import Pass
from studio.models.lookup import find_model
from studio.pipeline.coarse_first import coarse_size, full_size_decodes, full_size_steps, plan_passes
from studio.pipeline.denoising import Preview, RenderCancelled
from studio.pipeline.draw import render
from studio.pipeline.opening import OpenedModel, load_pipeline
from studio.queue.job import Progress
from studio.render_request import RenderRequest

NewRequest = Callable[..., RenderRequest]

OF_1024 = replace(find_model("micro-4k"), own_side_px=1024, composes_by_short_side=False)
LARGE = {"width_px": 544, "height_px": 512, "num_inference_steps": 6, "coarse_first": 0.5}
SMALL = (256, 256)


@pytest.fixture(scope="module", params=["sd3", "flux"])
def opened(request: pytest.FixtureRequest) -> OpenedModel:
    """That composes at 256 x 256."""
    folder: Path = request.getfixturevalue(f"{request.param}_folder")
    entry = replace(find_model(str(folder)), own_side_px=256)
    return load_pipeline(entry, device=torch.device("cpu"))


def test_passes_by_hand(new_request: NewRequest) -> None:
    asked = new_request(width_px=4096, height_px=4096, num_inference_steps=14, coarse_first=0.3)
    small, larger, large = plan_passes(asked, OF_1024, (4096, 4096), multiple_px=64)
    assert (small.size, small.first, small.end, small.is_literal) == ((1024, 1024), 0, 14, False)
    np.testing.assert_allclose(small.sigmas, np.linspace(1, 1 / 14, 14))
    assert (larger.size, larger.first, larger.end, larger.is_literal) == ((2048, 2048), 14, 19, True)
    assert (large.size, large.first, large.end, large.is_literal) == ((4096, 4096), 19, 24, True)
    for one in (larger, large):
        np.testing.assert_allclose(one.sigmas, [0.3, 0.24, 0.18, 0.12, 0.06])
    # 14 steps at a sixteenth of the pixels, 1/64 of the time each, 5 at a quarter, and 5 whole ones.
    assert full_size_steps(asked, OF_1024) == pytest.approx(14 / 64 + 5 / 8 + 5)
    # Decoded at 1024, encoded and decoded at 2048, encoded and decoded at 4096.
    assert full_size_decodes(asked, OF_1024) == pytest.approx(1 / 16 + 1 / 4 + 1 / 4 + 1 + 1)


def test_four_steps_at_least(new_request: NewRequest) -> None:
    asked = new_request(width_px=4096, height_px=4096, num_inference_steps=4, coarse_first=0.1)
    assert plan_passes(asked, OF_1024, (4096, 4096), multiple_px=64)[1].sigmas == pytest.approx(
        (0.1, 0.075, 0.05, 0.025)
    )


@pytest.mark.parametrize(
    ("size", "coarse_first"), [((4096, 4096), 0.0), ((1024, 1024), 0.3), ((1088, 1088), 0.3)]
)
def test_one_pass(new_request: NewRequest, size: tuple[int, int], coarse_first: float) -> None:
    asked = new_request(width_px=size[0], height_px=size[1], coarse_first=coarse_first)
    sigmas = tuple(np.linspace(1, 1 / 9, 9).tolist())
    assert plan_passes(asked, OF_1024, size, multiple_px=64) == (Pass(size, sigmas, False, 0),)
    assert full_size_steps(asked, OF_1024) == 9
    assert full_size_decodes(asked, OF_1024) == 1


@pytest.mark.parametrize(
    ("size", "small"), [((3072, 4096), (896, 1152)), ((4096, 2048), (1472, 704)), ((8192, 512), (4096, 256))]
)
def test_the_small_picture_has_the_shape_of_the_large_one(
    size: tuple[int, int], small: tuple[int, int]
) -> None:
    assert coarse_size(OF_1024, size, multiple_px=64) == small


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((4096, 4096), (512, 512)),
        ((2048, 1024), (1024, 512)),
        ((4096, 1024), (1024, 256)),
        ((768, 1024), (512, 672)),
        ((544, 544), None),
    ],
)
def test_some_compose_at_their_short_side(size: tuple[int, int], small: tuple[int, int] | None) -> None:
    entry = replace(OF_1024, own_side_px=512, composes_by_short_side=True)
    assert coarse_size(entry, size, multiple_px=32) == small


def test_real_models_compose_at_the_tokens_they_know(new_request: NewRequest) -> None:
    assert find_model("flux.1-dev").composed_at_px == 2048
    assert coarse_size(find_model("sd3-medium"), (4096, 4096), multiple_px=32) == (2048, 2048)
    assert all(
        entry.default_coarse_first == 0 for entry in (find_model("flux.1-dev"), find_model("sd3-medium"))
    )


@pytest.mark.parametrize("level", [0.01, 0.99, 1.0, -0.3, float("nan")])
def test_a_level_out_of_range_is_refused(new_request: NewRequest, level: float) -> None:
    with pytest.raises(ValueError, match=r"coarse first takes a noise level from 0.05 to 0.95, or 0"):
        new_request(coarse_first=level)


class Watcher:
    """Remembers (phase, step, of) and stops at a step."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at, self.told = stop_at, list[tuple[str, int, int]]()

    def __call__(self, progress: Progress, preview: Preview | None) -> bool:
        self.told.append((progress.stage, progress.step, progress.num_steps))
        return progress.stage in ("enlarging", "decoding") or progress.step != self.stop_at


def test_it_is_told_as_it_goes(opened: OpenedModel, new_request: NewRequest) -> None:
    watcher, own = Watcher(), opened.pipeline.scheduler
    result = render(opened, new_request(**LARGE), on_progress=watcher)
    assert result.image.shape == (512, 544, 3)
    stages = list(dict.fromkeys(stage for stage, _, _ in watcher.told))
    assert stages == ["encoding prompt", "composing", "enlarging", "denoising", "decoding"]
    assert ("composing", 6, 10) in watcher.told
    assert ("denoising", 10, 10) in watcher.told
    assert result.notes[0] == "Composed at 256 x 256, then drawn anew from a noise level of 0.5."
    assert set(result.timings_s) == {"encode_prompt", "denoise", "enlarge", "decode"}
    assert opened.pipeline.scheduler is own
    assert (render(opened, new_request(**LARGE)).image == result.image).all()
    assert (render(opened, new_request(**(LARGE | {"coarse_first": 0.0}))).image != result.image).any()


def test_a_much_larger_one_grows_in_between(opened: OpenedModel, new_request: NewRequest) -> None:
    watcher = Watcher()
    result = render(opened, new_request(**(LARGE | {"width_px": 800, "height_px": 768})), on_progress=watcher)
    assert result.image.shape == (768, 800, 3)
    assert {step for stage, step, _ in watcher.told if stage == "enlarging"} == {6, 10}
    assert ("denoising", 10, 14) in watcher.told
    assert ("denoising", 14, 14) in watcher.told
    assert result.notes[0] == (
        "Composed at 256 x 256, then drawn anew from a noise level of 0.5, at 448 x 448 and at full size."
    )


def test_the_plain_way_through_the_passes_draws_the_same(
    opened: OpenedModel, new_request: NewRequest
) -> None:
    asked = new_request(**LARGE)
    multiple_px = opened.family.geometry(opened.pipeline).multiple_px
    latents = draw_passes(
        opened.family,
        opened.pipeline,
        plan_passes(asked, opened.entry, (544, 512), multiple_px=multiple_px),
        seed=asked.seed,
        **opened.family.prompt_arguments(
            opened.pipeline,
            prompt=asked.prompt,
            negative_prompt=asked.negative_prompt,
            guidance_scale=asked.guidance_scale,
        ),
    )
    image = opened.family.decode(opened.pipeline, latents, 544, 512).image
    assert np.abs(image.astype(int) - render(opened, asked).image).max() <= 1


def test_it_stops_between_two_blocks_of_the_autoencoder_while_it_enlarges(
    opened: OpenedModel, new_request: NewRequest
) -> None:
    told: list[str] = []

    def stops_at_the_third(progress: Progress, preview: Preview | None) -> bool:
        told.append(progress.stage)
        return told.count("enlarging") < 3

    with pytest.raises(RenderCancelled):
        render(opened, new_request(**LARGE), on_progress=stops_at_the_third)
    assert told[-3:] == ["enlarging"] * 3
    assert (render(opened, new_request(**LARGE)).image.shape) == (512, 544, 3)


@pytest.mark.parametrize(
    ("width_px", "step"), [(544, 1), (544, 6), (544, 7), (544, 10), (768, 6), (768, 8), (768, 10), (768, 12)]
)
def test_resumed_in_any_pass(
    opened: OpenedModel, new_request: NewRequest, tmp_path: Path, width_px: int, step: int
) -> None:
    asked = new_request(**(LARGE | {"width_px": width_px}))
    path = tmp_path / "1-a.safetensors"
    whole = render(opened, asked)
    with pytest.raises(RenderCancelled):
        render(opened, asked, latents_path=path, on_progress=Watcher(stop_at=step))
    watcher = Watcher()
    resumed = render(opened, asked, latents_path=path, on_progress=watcher)
    assert resumed.resumed_from_step == step
    assert (
        min((at for stage, at, _ in watcher.told if stage in ("composing", "denoising")), default=step)
        == step
    )
    np.testing.assert_array_equal(resumed.image, whole.image)


def enlarged_latents(opened: OpenedModel, new_request: NewRequest) -> torch.Tensor:
    """Packed, of the small picture at the large size."""
    composed = render(opened, new_request(**(LARGE | {"width_px": SMALL[0], "height_px": SMALL[1]})))
    enlarged = np.array(Image.fromarray(composed.image).resize((544, 512), Image.Resampling.BICUBIC))
    return opened.family.encode(opened.pipeline, enlarged).latents.float()


def test_the_large_pass_holds_the_low_frequencies_of_the_small_picture(
    opened: OpenedModel, new_request: NewRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the two differ by has hardly any, and much without."""
    shape = opened.family.geometry(opened.pipeline).latent_shape(544, 512)
    clean = opened.family.unpack(enlarged_latents(opened, new_request), shape)

    def departure() -> float:
        result = render(opened, new_request(**LARGE))
        return float(low_frequencies(result.latents.float() - clean, 3.0).abs().mean())

    held = departure()
    monkeypatch.setattr(HeldFrequencies, "hold", lambda self, latents, sigma: latents)
    assert held < 0.1 * departure()


def test_previews_foresee_the_picture_that_the_model_has_in_mind(
    opened: OpenedModel, new_request: NewRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the large pass too, where latents move by more than the step: a model that always wants zero latents."""

    def to_zero(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> tuple[torch.Tensor]:
        sigma = kwargs["timestep"][0] / (1000 if opened.family.name == "sd3" else 1)
        return (kwargs["hidden_states"] / sigma,)

    previews: list[tuple[int, Preview]] = []

    def keep(progress: Progress, preview: Preview | None) -> bool:
        if preview is not None:
            previews.append((progress.step, preview))
        return True

    monkeypatch.setattr("studio.pipeline.denoising.PREVIEW_EVERY_S", 0.0)
    hook = opened.pipeline.transformer.register_forward_hook(to_zero, with_kwargs=True)
    try:
        render(opened, new_request(**LARGE), on_progress=keep)
    finally:
        hook.remove()
    assert [step for step, _ in previews] == list(range(1, 11))
    family, pipeline = opened.family, opened.pipeline
    nothing = torch.zeros_like(family.initial_latents(pipeline, 64, 64, seed=0))
    (wanted,) = np.unique(family.preview(pipeline, nothing, opened.latent_rgb, 64, 64).reshape(-1, 3), axis=0)
    for _, preview in previews:
        assert np.abs(preview.astype(int) - wanted).max() <= 3


def test_the_large_pass_begins_with_the_enlarged_picture_under_its_noise(
    opened: OpenedModel, new_request: NewRequest
) -> None:
    seen: list[tuple[float, torch.Tensor]] = []

    def look(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.append((float(kwargs["timestep"][0]), kwargs["hidden_states"][:1].clone()))

    hook = opened.pipeline.transformer.register_forward_pre_hook(look, with_kwargs=True)
    try:
        render(opened, new_request(**LARGE))
    finally:
        hook.remove()
    family, pipeline = opened.family, opened.pipeline
    clean = enlarged_latents(opened, new_request)
    noise = family.initial_latents(pipeline, 544, 512, seed=7)
    at, begun = seen[6]
    clock = 1000 if family.name == "sd3" else 1
    assert at == pytest.approx(0.5 * clock)
    torch.testing.assert_close(begun.float(), 0.5 * clean + 0.5 * noise, rtol=0, atol=2e-2)
    assert [round(time / clock, 4) for time, _ in seen[6:]] == [0.5, 0.375, 0.25, 0.125]
