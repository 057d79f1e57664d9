"""Speed options measured: the figures by hand, and a tiny Flux model drawn with each."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from studio.cli.main import app
from studio.memory.speeds import last_speed
from studio.models.lookup import find_model
from studio.pipeline.draw import render
from studio.pipeline.opening import OpenedModel, load_pipeline
from studio.render_request import RenderRequest
from studio.rendering.speed_report import band_ratios, psnr, reports
from studio.ui.generate.speed_note import speed_note

NewRequest = Callable[..., RenderRequest]


@pytest.fixture(scope="module")
def flux(flux_folder: Path) -> OpenedModel:
    return load_pipeline(find_model(str(flux_folder)), device=torch.device("cpu"))


def test_figures_by_hand() -> None:
    grey = np.full((16, 16, 3), 100, np.uint8)
    assert psnr(grey, grey) == math.inf
    assert psnr(grey + np.uint8(1), grey) == pytest.approx(20 * math.log10(255))
    stripes = grey.copy()
    stripes[:, ::2] += 20
    twice = grey.copy()
    twice[:, ::2] += 40
    ratios = band_ratios(twice, stripes)
    assert ratios["HL1"] == pytest.approx(4, rel=1e-5) or ratios["LH1"] == pytest.approx(4, rel=1e-5)
    assert ratios["HH1"] == 1


def test_each_option_against_the_exact_picture(flux: OpenedModel, new_request: NewRequest) -> None:
    request = new_request(num_inference_steps=8)
    exact, never, rough = reports(flux, request, ["first_block_cache:0.00001", "first_block_cache:0.5"])
    assert (exact.option, exact.speed_up, exact.psnr_db) == ("", 1.0, math.inf)
    assert never.psnr_db > 60
    assert 5 < rough.psnr_db < never.psnr_db
    assert set(rough.band_ratios) == {f"{band}{level}" for band in ("LH", "HL", "HH") for level in (1, 2, 3)}
    assert rough.speed_up == pytest.approx(exact.denoise_s / rough.denoise_s)


def test_an_option_is_told_in_the_picture(flux: OpenedModel, new_request: NewRequest, tmp_path: Path) -> None:
    asked = new_request(speed="first_block_cache:0.2", rope="dynamic")
    assert (
        "Drawn with first_block_cache:0.2; `d4k speed` measures what that changes."
        in render(flux, asked).notes
    )


def test_a_cache_is_not_gone_on_with(flux: OpenedModel, new_request: NewRequest, tmp_path: Path) -> None:
    """What it keeps from step to step is not on the disk, so an interrupted picture begins anew."""
    asked, path = new_request(speed="first_block_cache:0.2"), tmp_path / "1-a.safetensors"
    whole = render(flux, asked, latents_path=path)
    again = render(flux, asked, latents_path=path)
    assert again.resumed_from_step == 0
    np.testing.assert_array_equal(again.image, whole.image)


def test_the_command(flux_folder: Path, tmp_path: Path) -> None:
    arguments = ["speed", "sea", "--model", str(flux_folder), "--size", "256x256", "--steps", "2", "--json"]
    arguments += ["--home", str(tmp_path / "home")]
    done = CliRunner().invoke(app, [*arguments, "--option", "first_block_cache"])
    assert done.exit_code == 0, done.output
    exact, cached = [json.loads(line) for line in done.stdout.strip().splitlines()]
    assert exact["psnr_db"] is None
    assert cached["option"] == "first_block_cache:0.08"
    kept = last_speed(tmp_path / "home", model=find_model(str(flux_folder)).id, option=cached["option"])
    assert kept is not None
    assert (kept.speed_up, kept.psnr_db, kept.width_px) == (cached["speed_up"], cached["psnr_db"], 256)
    shares = cached["band_ratios"].values()
    assert kept.detail == (min(shares), max(shares))
    note = speed_note(tmp_path / "home", str(flux_folder), ["first_block_cache:0.08"])
    assert note.replace("\\", "").startswith(f"Measured at 256 × 256 on {kept.device}: ")


@pytest.mark.parametrize(
    ("option", "words"),
    [("quick", "no speed option 'quick'"), ("attention:sage", "are for FLUX models, Micro-4K")],
)
def test_bad_options_are_told_before_anything_is_opened(option: str, words: str) -> None:
    done = CliRunner().invoke(app, ["speed", "sea", "--option", option])
    assert done.exit_code != 0
    assert words in " ".join(done.output.split())
