"""The folder in assets/, as people get it: opened by stock code, drawn with by the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from diffusers import StableDiffusion3Pipeline
from PIL import Image
from typer.testing import CliRunner

from finetune.backbones.autoencoder import use_f16
from finetune.micro.architecture import COMPOSED_PX
from finetune.micro.promises import Sampling, draw
from studio.cli.main import app
from studio.models.lookup import find_model

ROOT = Path(__file__).parents[1]
SMALL = ("--size", "256x256", "--steps", "3")
FOLDER = ROOT / "assets" / "micro-4k"


def test_it_is_small() -> None:
    files = [*FOLDER.rglob("*"), *FOLDER.with_name("micro-4k-clip").rglob("*")]
    assert sum(file.stat().st_size for file in files) <= 64 * 2**20
    assert not [file for file in files if file.suffix in (".bin", ".pt", ".ckpt", ".pth")]


def test_the_stock_call_opens_it_and_one_more_makes_it_f16() -> None:
    pipeline = StableDiffusion3Pipeline.from_pretrained(FOLDER)
    assert pipeline.vae.config.stride == 2
    use_f16(pipeline)
    pipeline.set_progress_bar_config(disable=True)
    noon, night = (
        draw(pipeline, words, size_px=512, seed=7, sampling=Sampling(8, 2.5, coarse_first=0.0))
        for words in ("the sea at noon, clear sky", "the sea at night, clear sky")
    )
    assert noon.shape == (512, 512, 3)
    assert night[:128].mean() < 0.6 * noon[:128].mean(), "a night sky is darker than a noon sky"


def test_the_studio_composes_where_it_was_taught_to() -> None:
    assert find_model("micro-4k").composed_at_px == COMPOSED_PX


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, object], np.ndarray]]:
    """Small renders by the command line, with the network off: two by a process each, two by this one."""
    folder = tmp_path_factory.mktemp("out")
    environment = {"HF_HUB_OFFLINE": "1", "STUDIO_HOME": str(folder / "home")}
    asked = {
        "first": ["mountains at dusk, cloudy sky", "--seed", "7"],
        "again": ["mountains at dusk, cloudy sky", "--seed", "7"],
        "other seed": ["mountains at dusk, cloudy sky", "--seed", "8"],
        "other words": ["a forest at noon, fog", "--seed", "7"],
    }
    made = {}
    for name, words in asked.items():
        path = folder / f"{name.replace(' ', '-')}.png"
        command = ["render", *words, *SMALL, "--out", str(path), "--json"]
        if name in ("first", "again"):
            done = subprocess.run(
                [sys.executable, "-m", "studio.cli.main", *command],
                cwd=ROOT,
                env={**os.environ, **environment},
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert done.returncode == 0, done.stderr
            told = done.stdout
        else:
            result = CliRunner().invoke(app, command, env=environment)
            assert result.exit_code == 0, result.output
            told = result.stdout
        made[name] = (json.loads(told), np.asarray(Image.open(path)))
    return made


def test_the_command_says_what_it_did(rendered: dict[str, tuple[dict[str, object], np.ndarray]]) -> None:
    report = rendered["first"][0]
    report = report[0] if isinstance(report, list) else report
    assert {"path", "seed", "seconds", "peak_memory_mib", "settings"} <= set(report)
    assert report["seed"] == 7


def test_the_same_command_gives_the_same_pixels(
    rendered: dict[str, tuple[dict[str, object], np.ndarray]],
) -> None:
    first = rendered["first"][1]
    np.testing.assert_array_equal(first, rendered["again"][1])
    assert np.abs(first.astype(int) - rendered["other seed"][1]).mean() > 2
    assert np.abs(first.astype(int) - rendered["other words"][1]).mean() > 2
