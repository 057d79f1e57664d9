"""Thumbnails of a dataset: the very crops that training sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from finetune.data.trained_pixels import trained_pixels
from studio.datasets.crops import CropViews, Wanted
from studio.datasets.watch import DatasetWatch
from tests.studio.datasets.dataset_home import datasets as datasets
from tests.studio.datasets.dataset_home import root as root
from tests.studio.datasets.dataset_home import row
from tests.studio.datasets.dataset_home import watch as watch
from tests.studio.datasets.dataset_home import workspace as workspace

# Thumbnails


def test_a_thumbnail_is_the_very_crop(watch: DatasetWatch, root: Path) -> None:
    wanted = Wanted("0.png", row(watch, "0.png").crop)
    assert watch.views.ready(wanted) is None
    version = watch.version()
    assert watch.views.ask([wanted]) == 1
    watch.views.wait(20)
    path = watch.views.ready(wanted)
    assert path is not None
    assert wanted.crop is not None
    assert watch.version() != version
    exact = trained_pixels(root, wanted.crop).astype(float)
    with Image.open(path) as opened:
        shown = np.asarray(opened, float)
    assert shown.shape == exact.shape  # 256 px: not scaled, only JPEG between them
    assert np.abs(shown - exact).mean() < 4
    assert np.abs(shown[:, 8:] - exact[:, :-8]).mean() > 8  # the measure does tell another place apart
    assert watch.views.ask([wanted]) == 0


def test_thumbnails_that_cannot_be_made_say_why(watch: DatasetWatch, root: Path, tmp_path: Path) -> None:
    views = CropViews(root, tmp_path / "views", lambda: None)
    (root / "bad.png").write_bytes(b"no picture")
    bad, gone = Wanted("bad.png", None), Wanted("gone.png", None)
    assert views.ask([bad, gone]) == 1
    views.wait(20)
    assert "bad.png" in views.error(bad)
    assert "gone.png is missing" in views.error(gone)
    assert views.ask([bad, gone]) == 0
