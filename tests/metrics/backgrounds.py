"""Real 4096 px pictures for tests, where Debian's gnome-backgrounds lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

FOLDER = Path("/usr/share/backgrounds/gnome")


def background(name: str) -> NDArray[np.uint8]:
    """(4096, 4096, 3) uint8; skips the test where the file is missing."""
    path = FOLDER / f"{name}.webp"
    if not path.is_file():
        pytest.skip(f"needs {path} (Debian: gnome-backgrounds)")
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
