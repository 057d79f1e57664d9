"""A home with a job table and a gallery that are filled by hand: no worker, no model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.pictures.record import PictureRecord
from studio.queue.table import JobTable
from studio.render_request import RenderRequest
from studio.ui.generate.handlers import GenerateHandlers
from studio.work.worker_state import WorkerState


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "home")


@pytest.fixture
def settings(workspace: Workspace) -> Settings:
    return Settings.from_environment({"STUDIO_HOME": str(workspace.root)})


@pytest.fixture
def jobs(workspace: Workspace) -> JobTable:
    return JobTable(workspace.database)


@pytest.fixture
def gallery(workspace: Workspace) -> Gallery:
    return Gallery(workspace)


@pytest.fixture
def handlers(jobs: JobTable, gallery: Gallery, settings: Settings) -> GenerateHandlers:
    return GenerateHandlers(jobs, gallery, settings, worker_state)


def worker_state() -> WorkerState:
    return WorkerState("ready", "well")


def a_request(prompt: str = "mountains at dusk", *, seed: int = 7, side_px: int = 256) -> RenderRequest:
    return RenderRequest(
        prompt=prompt,
        width_px=side_px,
        height_px=side_px,
        num_inference_steps=12,
        guidance_scale=3.0,
        seed=seed,
    )


def add_picture(
    gallery: Gallery, prompt: str = "mountains at dusk", *, seed: int = 7, image: np.ndarray | None = None
) -> Picture:
    """A picture as the worker adds it; noise unless an image, HWC uint8, is given."""
    if image is None:
        image = np.random.default_rng(seed).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    return gallery.add(image, PictureRecord(settings=a_request(prompt, seed=seed)))


def submit(jobs: JobTable, prompt: str = "mountains at dusk", *, seed: int = 7) -> int:
    return jobs.submit("render", a_request(prompt, seed=seed).to_dict(), label=prompt)


def finish(jobs: JobTable, picture: Picture) -> int:
    """Claim the first waiting job and end it with this picture; its id."""
    job = jobs.claim(1)
    assert job is not None
    jobs.finish(job.id, {"picture": picture.id})
    return job.id
