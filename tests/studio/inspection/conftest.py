"""Small pictures as files, opened in a cache of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.inspection.layers import Layers
from studio.inspection.opened import Opened, Subject


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return Opened(tmp_path / "cache")


@pytest.fixture
def layers(opened: Opened) -> Layers:
    return Layers(opened)


@pytest.fixture
def pixels() -> np.ndarray:
    """(192, 256, 3) uint8: colour ramps with noise."""
    y, x = np.mgrid[:192, :256]
    ramps = np.stack([x, y, (x + y) // 2], axis=-1)
    noise = np.random.default_rng(0).integers(-20, 21, ramps.shape)
    return np.clip(ramps + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def subject(opened: Opened, pixels: np.ndarray, tmp_path: Path) -> Subject:
    return opened.open(save(tmp_path / "ramps.png", pixels))


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def codes(path: Path) -> np.ndarray:
    """(H, W) uint8 of a grey file."""
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.asarray(image)
