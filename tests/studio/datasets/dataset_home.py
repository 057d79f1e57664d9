"""A home with one dataset of pictures and captions, scanned: fixtures of the tests of datasets."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from finetune.data.dataset import open_dataset
from studio.datasets.limits import Judging
from studio.datasets.open import Datasets
from studio.datasets.rows import PictureRow
from studio.datasets.watch import DatasetWatch
from studio.home.workspace import Workspace
from tests.finetune.data.test_scan import fine

ROOT = Path(__file__).parents[3]
JUDGING = Judging(model="micro-4k", resolution_px=256)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "home")


@pytest.fixture
def datasets(workspace: Workspace) -> Datasets:
    return Datasets(workspace)


@pytest.fixture
def root(workspace: Workspace) -> Path:
    """Three good pictures, one without a caption and one too small."""
    return make(workspace.datasets / "hills")


def make(folder: Path) -> Path:
    folder.mkdir()
    for number, side in enumerate((320, 320, 320, 320, 200)):
        Image.fromarray(fine(number, side)[:, : side - 10 * number]).save(folder / f"{number}.png")
        if number != 3:
            (folder / f"{number}.txt").write_text(f"a hill, number {number}")
    return folder


@pytest.fixture
def watch(datasets: Datasets, root: Path) -> DatasetWatch:
    """Scanned."""
    opened = datasets.open("hills")
    assert opened.scan(JUDGING)
    assert opened.scanning.wait(30).state == "done"
    return opened


def row(watch: DatasetWatch, name: str) -> PictureRow:
    return next(one for one in watch.rows() if one.file_name == name)


def reasons(watch: DatasetWatch) -> dict[str, str]:
    return {r.file_name: r.exclusion.reason for r in watch.rows() if r.exclusion is not None}


def on_disk(root: Path) -> dict[str, tuple[str | None, str | None]]:
    return {item.file_name: (item.caption, item.caption_by) for item in open_dataset(root).items}
