"""Masters as PNG: written whole with their making inside, opened with every byte checked.

A studio PNG holds the whole record as JSON in the chunk `diffusion4k`, and the widespread `parameters` text.
Not here: reading either again (`studio.pictures.settings_reader`), where pictures lie (`studio.pictures.gallery`).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from metrics.pictures import require_file
from studio.home.disk import whole_file
from studio.pictures.foreign_text.a1111 import format_parameters
from studio.pictures.record import PictureRecord

_OPENED = ("PNG", "JPEG", "WEBP")
"""No other reader of Pillow's sees a stranger's file: some start programs."""

RECORD_CHUNK, PARAMETERS_CHUNK = "diffusion4k", "parameters"


def write_png(path: Path, image: NDArray[np.uint8], record: PictureRecord) -> None:
    """Write (H, W, 3) uint8 RGB losslessly, with its record inside; whole or not at all.

    zlib level 1: on 2048 x 2048 of texture and noise, level 6 took 2.4 times as long for 13 % less.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"a picture is (H, W, 3) uint8, got {image.shape} {image.dtype}")
    chunks = PngImagePlugin.PngInfo()
    # Escaped to ASCII: a plain tEXt chunk, which every reader knows, cannot hold more.
    chunks.add_text(RECORD_CHUNK, json.dumps(record.to_dict()))
    chunks.add_text(PARAMETERS_CHUNK, format_parameters(record))
    with whole_file(path) as part:
        Image.fromarray(image).save(part, format="PNG", compress_level=1, pnginfo=chunks)


@contextmanager
def opened_picture(path: Path, *, max_megapixels: float) -> Iterator[Image.Image]:
    """Open a picture whose every byte was checked, refusing a giant before it is unpacked."""
    with _loaded(path, max_megapixels) as image:
        yield image


def _loaded(path: Path, max_megapixels: float) -> Image.Image:
    require_file(path)
    try:
        with warnings.catch_warnings():
            # We ask the size ourselves, in the next step, by the host's own limit.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=_OPENED)
    except Image.DecompressionBombError as error:
        raise ValueError(_too_large(path, max_megapixels)) from error
    except UnidentifiedImageError as error:
        raise ValueError(f"{path.name} is not a picture; drop a PNG, JPEG or WebP file") from error
    # Pillow tells damage by these four; a ValueError is its refusal to unpack a bomb of text.
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        raise ValueError(_damaged(path, error)) from error
    try:
        check_megapixels(path, image.width, image.height, max_megapixels)
        try:
            image.load()
        except (OSError, SyntaxError, EOFError, ValueError) as error:
            raise ValueError(_damaged(path, error)) from error
    except ValueError:
        image.close()
        raise
    return image


def check_megapixels(path: Path, width_px: int, height_px: int, max_megapixels: float) -> None:
    """ValueError for a picture that is larger than is opened here."""
    if width_px * height_px > max_megapixels * 1e6:
        raise ValueError(f"{_too_large(path, max_megapixels)} (it is {width_px} x {height_px})")


def _damaged(path: Path, error: Exception) -> str:
    return f"{path.name} is damaged or cut off ({error}); copy it again"


def _too_large(path: Path, max_megapixels: float) -> str:
    return f"{path.name} is larger than the {max_megapixels:g} megapixels that are opened here; scale it down"
