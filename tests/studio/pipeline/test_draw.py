"""Drawing with tiny random models of both families: repeatable, resumable, cancellable, honest."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from studio.models.lookup import find_model
from studio.pictures.record import PictureRecord
from studio.pipeline.denoising import Preview, RenderCancelled
from studio.pipeline.draw import RenderResult, render
from studio.pipeline.opening import OpenedModel, PipelineKeeper, load_pipeline
from studio.queue.job import Progress
from studio.render_request import RenderRequest
from studio.rendering.drawn_record import drawn_record

NewRequest = Callable[..., RenderRequest]

STEPS = 9


@pytest.fixture(scope="module")
def sd3(sd3_folder: Path) -> OpenedModel:
    return load_pipeline(find_model(str(sd3_folder)), device=torch.device("cpu"))


@pytest.fixture(scope="module")
def flux(flux_folder: Path) -> OpenedModel:
    return load_pipeline(find_model(str(flux_folder)), device=torch.device("cpu"))


@pytest.fixture(params=["sd3", "flux"])
def opened(request: pytest.FixtureRequest) -> OpenedModel:
    found: OpenedModel = request.getfixturevalue(request.param)
    return found


class Watcher:
    """Remembers every report; asks to stop after some step."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.reports: list[Progress] = []
        self.previews: list[Preview] = []
        self.stop_at = stop_at

    def __call__(self, progress: Progress, preview: Preview | None) -> bool:
        self.reports.append(progress)
        if preview is not None:
            self.previews.append(preview)
        return self.stop_at is None or progress.step < self.stop_at


def stopped(opened: OpenedModel, request: RenderRequest, path: Path, step: int) -> RenderCancelled:
    with pytest.raises(RenderCancelled) as caught:
        render(opened, request, latents_path=path, on_progress=Watcher(stop_at=step))
    return caught.value


def pixels_differ(a: RenderResult, b: RenderResult) -> bool:
    return bool((a.image != b.image).any())


def test_twice_the_same(opened: OpenedModel, new_request: NewRequest) -> None:
    first, second = (render(opened, new_request()) for _ in range(2))
    assert first.image.shape == (256, 320, 3)
    assert first.image.dtype == np.uint8
    np.testing.assert_array_equal(first.image, second.image)


@pytest.mark.parametrize("changes", [{"seed": 8}, {"prompt": "sea"}, {"num_inference_steps": 8}])
def test_other_settings_other_pixels(
    opened: OpenedModel, new_request: NewRequest, changes: dict[str, Any]
) -> None:
    assert pixels_differ(render(opened, new_request()), render(opened, new_request(**changes)))


@pytest.mark.parametrize("step", [1, 5, STEPS])
def test_resumed_at_any_step_gives_identical_pixels(
    opened: OpenedModel, new_request: NewRequest, tmp_path: Path, step: int
) -> None:
    whole = render(opened, new_request())
    stopped(opened, new_request(), tmp_path / "1-a.safetensors", step)
    resumed = render(opened, new_request(), latents_path=tmp_path / "1-a.safetensors")
    assert resumed.resumed_from_step == step
    np.testing.assert_array_equal(resumed.image, whole.image)


def test_the_stock_pipeline_draws_the_same(sd3: OpenedModel, new_request: NewRequest) -> None:
    """The sigmas that we pass are those that the pipeline would choose by itself."""
    request = new_request()
    latents = sd3.family.initial_latents(sd3.pipeline, request.width_px, request.height_px, seed=request.seed)
    sigmas = np.linspace(1, 1 / STEPS, STEPS)
    stock = sd3.pipeline(
        prompt=request.prompt,
        negative_prompt="",
        width=request.width_px,
        height=request.height_px,
        num_inference_steps=STEPS,
        guidance_scale=request.guidance_scale,
        sigmas=sigmas.tolist(),
        latents=latents,
        output_type="np",
    ).images[0]
    ours = render(sd3, request).image.astype(np.float64)
    np.testing.assert_allclose(ours, stock * 255, rtol=0, atol=0.51)  # rounded to whole levels


def saved_step(path: Path) -> int:
    with safe_open(path, framework="pt") as file:
        return int(file.metadata()["step"])


def test_saves_every_four_steps(opened: OpenedModel, new_request: NewRequest, tmp_path: Path) -> None:
    path = tmp_path / "1-a.safetensors"
    steps_on_disk = []

    def look(progress: Progress, preview: Preview | None) -> bool:
        steps_on_disk.append((progress.step, saved_step(path) if path.exists() else 0))
        return True

    render(opened, new_request(), latents_path=path, on_progress=look)
    # One more than four: the report of a step comes before its latents are saved.
    assert all(step - saved <= 4 + 1 for step, saved in steps_on_disk)
    assert saved_step(path) == STEPS


def test_cancel_takes_effect_within_one_step_and_keeps_the_preview(
    opened: OpenedModel, new_request: NewRequest, tmp_path: Path
) -> None:
    path = tmp_path / "1-a.safetensors"
    cancelled = stopped(opened, new_request(), path, 5)
    assert saved_step(path) == 5
    assert cancelled.preview is not None
    assert cancelled.preview.ndim == 3


def test_cancelled_before_the_first_step(
    opened: OpenedModel, new_request: NewRequest, tmp_path: Path
) -> None:
    cancelled = stopped(opened, new_request(), tmp_path / "1-a.safetensors", 0)
    assert cancelled.preview is None
    render(opened, new_request())  # the pipeline is in order afterwards


def test_tells_each_stage_and_step(opened: OpenedModel, new_request: NewRequest) -> None:
    watcher = Watcher()
    render(opened, new_request(), on_progress=watcher)
    stages = list(dict.fromkeys(report.stage for report in watcher.reports))
    assert stages == ["encoding prompt", "denoising", "decoding"]
    denoising = [report for report in watcher.reports if report.stage == "denoising"]
    assert [report.step for report in denoising] == list(range(STEPS + 1))
    assert {report.num_steps for report in denoising} == {STEPS}
    assert all(report.seconds_per_step is not None for report in denoising[1:])
    lefts = [report.seconds_left for report in denoising[2:] if report.seconds_left is not None]
    assert len(lefts) == STEPS - 1
    assert lefts[-1] < lefts[0]


def test_previews_have_one_pixel_a_latent(
    sd3: OpenedModel, flux: OpenedModel, new_request: NewRequest
) -> None:
    for opened, shape in ((sd3, (16, 20, 3)), (flux, (32, 40, 3))):
        watcher = Watcher()
        render(opened, new_request(), on_progress=watcher)
        assert watcher.previews
        assert {preview.shape for preview in watcher.previews} == {shape}


def test_the_last_preview_is_of_the_finished_latents(
    opened: OpenedModel, new_request: NewRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.pipeline.denoising.PREVIEW_EVERY_S", 0.0)
    watcher = Watcher()
    result = render(opened, new_request(), on_progress=watcher)
    packed = opened.family.pack(result.latents)
    expected = opened.family.preview(opened.pipeline, packed, opened.latent_rgb, 320, 256)
    # The step's own rounding in float32 may tip a level over.
    np.testing.assert_allclose(watcher.previews[-1].astype(int), expected.astype(int), atol=1)


def test_a_size_between_the_models_multiples_is_drawn_larger_and_cut(
    sd3: OpenedModel, new_request: NewRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    geometry = type(sd3.family.geometry(sd3.pipeline))
    monkeypatch.setattr(geometry, "multiple_px", property(lambda self: 64))
    result = render(sd3, new_request(width_px=288, height_px=256))
    assert result.image.shape == (256, 288, 3)
    assert result.notes == ("Drawn at 320 x 256 and cut to size at the borders.",)
    drawn = render(sd3, new_request(width_px=320, height_px=256))
    np.testing.assert_array_equal(result.image, drawn.image[:, 16:304])


def test_the_length_of_prompts_reaches_the_pipeline(
    sd3: OpenedModel, flux: OpenedModel, new_request: NewRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for opened in (sd3, flux):
        lengths, encode = [], type(opened.pipeline).encode_prompt

        def spy(*given: Any, encode: Any = encode, lengths: Any = lengths, **named: Any) -> Any:
            lengths.append(named.get("max_sequence_length"))
            return encode(*given, **named)

        monkeypatch.setattr(type(opened.pipeline), "encode_prompt", spy)
        render(opened, new_request(prompt="never read before"))
        monkeypatch.setattr(opened, "entry", replace(opened.entry, max_sequence_length=64))
        render(opened, new_request(prompt="never read before"))
        # Ours, then the pipeline's own, which is handed what was read.
        assert len(lengths) == 4
        assert (lengths[0], lengths[2]) == (None, 64)
    # A family that knows better has the last word.
    monkeypatch.setattr("finetune.backbones.sd3.is_silent", lambda encoder: True)
    render(sd3, new_request(prompt="never read before, in silence"))


@pytest.mark.parametrize("name", ["sd3", "flux"])
def test_a_prompt_is_read_once(
    name: str, request: pytest.FixtureRequest, new_request: NewRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: OpenedModel = request.getfixturevalue(name)
    first = render(opened, new_request(prompt="a lake, read once"))

    def never(*given: Any, **named: Any) -> None:
        raise AssertionError("the prompt was read again")

    for encoder in ("text_encoder", "text_encoder_2"):
        monkeypatch.setattr(getattr(opened.pipeline, encoder), "forward", never)
    again = render(opened, new_request(prompt="a lake, read once"))
    np.testing.assert_array_equal(first.image, again.image)
    with pytest.raises(AssertionError, match="read again"):
        render(opened, new_request(prompt="another lake"))


def test_a_render_is_cancelled_while_it_is_decoded(opened: OpenedModel, new_request: NewRequest) -> None:
    asked = []

    def stop(progress: Progress, preview: Preview | None) -> bool:
        asked.append(progress.stage)
        return asked.count("decoding") < 3

    with pytest.raises(RenderCancelled):
        render(opened, new_request(), on_progress=stop)
    assert asked.count("decoding") == 3
    assert not any(module._forward_pre_hooks for module in opened.pipeline.vae.decoder.modules())
    whole = render(opened, new_request())
    asked.clear()
    np.testing.assert_array_equal(
        render(opened, new_request(), on_progress=lambda *_: True).image, whole.image
    )


def test_costs_are_measured(opened: OpenedModel, new_request: NewRequest) -> None:
    result = render(opened, new_request())
    assert set(result.timings_s) == {"encode_prompt", "denoise", "decode"}
    assert all(seconds > 0 for seconds in result.timings_s.values())
    assert 100 < result.peak_memory_mib < 100_000


def test_the_record_is_plain_and_complete(sd3: OpenedModel, new_request: NewRequest) -> None:
    import json

    record = drawn_record(sd3, new_request(), render(sd3, new_request()))
    assert PictureRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record
    assert record.settings == new_request()
    assert record.model.weights_hash == sd3.weights_hash
    assert (record.decode_path, record.dtype, record.rung) == ("f16-exact", "float32", "resident")
    assert record.versions["torch"] == torch.__version__.partition("+")[0]


def test_one_model_is_kept_open(sd3_folder: Path, flux_folder: Path) -> None:
    loaded, still_open = [], []

    def load(entry: Any, *, rung: Any) -> OpenedModel:
        loaded.append(entry.title)
        still_open.extend(seen for seen in opened_before if seen() is not None)
        opened = load_pipeline(entry, device=torch.device("cpu"), rung=rung)
        opened_before.append(weakref.ref(opened.pipeline))
        return opened

    opened_before: list[weakref.ref[Any]] = []

    keeper = PipelineKeeper(load)
    sd3, flux = find_model(str(sd3_folder)), find_model(str(flux_folder))
    assert keeper.open(sd3) is keeper.open(sd3)
    assert keeper.is_open(sd3)
    assert not keeper.is_open(sd3, "encoders_freed")
    keeper.open(flux)
    assert not keeper.is_open(sd3)
    assert keeper.free() == flux.id
    assert keeper.free() is None
    assert loaded == ["tiny-sd3", "tiny-flux"]
    assert still_open == []  # the first was freed before the second took memory
