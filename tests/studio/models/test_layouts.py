"""Every layout that people have on their disks, through the Generate tab and the worker, and through `d4k render`.

Tiny random pipelines of both true classes: a whole folder, one file, and the two layouts that the published
Diffusion-4K checkpoints may have. Not here: what is repaired in them (`tests.finetune.backbones.test_checkpoints`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from finetune.backbones import checkpoints
from finetune.backbones.autoencoder import use_f16
from studio.cli.main import app
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.models import lookup as models
from studio.models.catalogue import CATALOGUE
from studio.pictures.gallery import Gallery
from studio.pipeline.opening import load_pipeline
from studio.queue.table import JobTable
from studio.rendering.job import RenderJobs
from studio.ui.generate.controls import CONTROL_NAMES
from studio.ui.generate.handlers import GenerateHandlers
from studio.work.worker import Worker
from studio.work.worker_state import WorkerState
from tests.studio.ui.generate.test_handlers import FORM
from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline

MAKERS: dict[str, Callable[[], Any]] = {
    "sd3": lambda: tiny_sd3_pipeline(with_t5=False),
    "flux": tiny_flux_pipeline,
}
PUBLISHED = "zhang0jhon/flux_wavelet"


@pytest.fixture(scope="module", params=["sd3", "flux"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An F16 pipeline's folder."""
    folder = tmp_path_factory.mktemp("layouts") / f"tiny-{request.param}"
    use_f16(MAKERS[request.param]()).save_pretrained(folder)
    return folder


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def own_class(folder: Path) -> None:
    """As the reference code's own class is saved."""
    edit(folder / "model_index.json", lambda index: index.update(vae=["autoencoder_kl", "AutoencoderKL"]))


def no_stride(folder: Path) -> None:
    """As the reference training scripts save."""
    edit(folder / "vae" / "config.json", lambda config: config.pop("stride"))


def from_the_tab(model: str, workspace: Workspace) -> np.ndarray:
    """Pressed in the form, drawn by the worker, taken from the gallery."""
    jobs, gallery = JobTable(workspace.database), Gallery(workspace)
    handlers = GenerateHandlers(
        jobs, gallery, Settings(home=workspace.root), lambda: WorkerState("ready", "well")
    )
    form = FORM | {"model": model, "width_px": 320, "height_px": 256, "num_inference_steps": 3}
    handlers.submit(*(form[name] for name in CONTROL_NAMES), None)
    assert Worker(workspace, jobs, {"render": RenderJobs(workspace, jobs).do}).run_next()
    (job,) = jobs.jobs()
    assert (job.state, job.error) == ("done", None)
    assert job.result is not None
    return pixels(gallery.get(job.result["picture"]).path)


def from_the_command_line(model: str, folder: Path) -> np.ndarray:
    words = ("--size", "320x256", "--steps", "3", "--seed", "7", "--guidance", "3")
    out = folder / "picture.png"
    done = CliRunner().invoke(
        app,
        [
            "render",
            FORM["prompt"],
            "--model",
            model,
            *words,
            "--out",
            str(out),
            "--home",
            str(folder / "cli"),
        ],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    return pixels(out)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


@pytest.mark.slow
def test_a_folder_one_file_and_the_own_class_draw_the_same(
    whole: Path, workspace: Workspace, tmp_path: Path
) -> None:
    wanted = from_the_tab(str(whole), workspace)
    assert wanted.std() > 1
    broken = Path(shutil.copytree(whole, tmp_path / "broken"))
    own_class(broken)
    file = Path(
        shutil.copy(
            whole / "transformer" / "diffusion_pytorch_model.safetensors", tmp_path / "one.safetensors"
        )
    )
    one_file = f"{file}@{whole}"
    for number, model in enumerate((str(broken), one_file)):
        home = Workspace.open(tmp_path / f"home-{number}")
        np.testing.assert_array_equal(from_the_tab(model, home), wanted)
    np.testing.assert_array_equal(from_the_command_line(one_file, tmp_path), wanted)


@pytest.fixture(scope="module")
def wanted_flux(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Drawn by the whole folder that the broken ones are made of."""
    root = tmp_path_factory.mktemp("wanted")
    use_f16(tiny_flux_pipeline()).save_pretrained(root / "whole")
    return from_the_tab(str(root / "whole"), Workspace.open(root / "home"))


@pytest.mark.slow
@pytest.mark.parametrize("breakage", [own_class, no_stride])
def test_a_published_checkpoint_is_drawn_as_f16_in_every_layout(
    breakage: Callable[[Path], None],
    wanted_flux: np.ndarray,
    tmp_path: Path,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By its catalogue id, from the cache of downloads, without a word to the hub."""
    snapshot = tmp_path / "hub" / f"models--{PUBLISHED.replace('/', '--')}" / "snapshots" / ("a" * 40)
    use_f16(tiny_flux_pipeline()).save_pretrained(snapshot)
    breakage(snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("a" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(checkpoints, "snapshot_download", lambda *_, **__: pytest.fail("the hub was asked"))
    small = tuple(replace(entry, cpu_dtype="float32") for entry in CATALOGUE)
    monkeypatch.setattr(models, "CATALOGUE", small)
    monkeypatch.setattr("studio.memory.footprints._of_catalogue", dict)  # this one is small: it is measured
    np.testing.assert_array_equal(from_the_tab("diffusion-4k-flux", workspace), wanted_flux)
    np.testing.assert_array_equal(from_the_command_line(PUBLISHED, tmp_path), wanted_flux)
    assert len(load_pipeline(models.find_model(PUBLISHED)).repairs) == 1
