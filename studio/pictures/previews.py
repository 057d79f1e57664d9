"""What the browser is shown of a picture: JPEGs made once, handed out by path.

Quality 95 without colour subsampling: at 4:2:0 or less a JPEG falsifies the very detail that is judged here.
The viewer loads the lossless master for true pixels. Not here: which pictures there are (`studio.pictures.gallery`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from studio.home.disk import whole_file
from studio.home.settings import LOCAL_MAX_MEGAPIXELS
from studio.pictures.png import opened_picture

PREVIEW_QUALITY, THUMBNAIL_QUALITY, LIVE_QUALITY = 95, 88, 85
THUMBNAIL_PX = 512
LIVE_MIN_PX = 512


def write_preview(path: Path, picture: NDArray[np.uint8] | Path) -> None:
    """A JPEG of the full size, from (H, W, 3) uint8 or from a master's path."""
    _write_jpeg(path, _image(picture), PREVIEW_QUALITY)


def write_thumbnail(path: Path, picture: NDArray[np.uint8] | Path) -> None:
    """A JPEG of THUMBNAIL_PX on its longer side; a smaller picture keeps its size."""
    image = _image(picture)
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS, reducing_gap=3.0)
    _write_jpeg(path, image, THUMBNAIL_QUALITY)


def write_stand_in(path: Path) -> None:
    """What is shown for a picture that cannot be: a grey field, crossed out."""
    side, middle = THUMBNAIL_PX, (118, 118, 118)
    image = Image.new("RGB", (side, side), (52, 52, 52))
    draw = ImageDraw.Draw(image)
    for line in (
        (0, 0, side, side),
        (0, side, side, 0),
        (0, 0, side - 1, 0, side - 1, side - 1, 0, side - 1, 0, 0),
    ):
        draw.line(line, fill=middle, width=4)
    _write_jpeg(path, image, THUMBNAIL_QUALITY)


def write_live_preview(path: Path, preview: NDArray[np.uint8]) -> None:
    """A JPEG of (h, w, 3) uint8, one pixel a latent, enlarged smoothly to LIVE_MIN_PX at least."""
    height, width = preview.shape[:2]
    factor = max(1, -(-LIVE_MIN_PX // max(height, width)))
    image = Image.fromarray(preview).resize((width * factor, height * factor), Image.Resampling.BICUBIC)
    _write_jpeg(path, image, LIVE_QUALITY)


def _image(picture: NDArray[np.uint8] | Path) -> Image.Image:
    if isinstance(picture, Path):
        with opened_picture(picture, max_megapixels=4 * LOCAL_MAX_MEGAPIXELS) as image:
            return image.convert("RGB")
    return Image.fromarray(picture)


def _write_jpeg(path: Path, image: Image.Image, quality: int) -> None:
    with whole_file(path) as part:
        image.save(part, format="JPEG", quality=quality, subsampling="4:4:4")
