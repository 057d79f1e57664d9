"""How far JPEG shrinks a picture: the published Compression Ratio. Lower means more detail, noise included.

Diffusion-4K writes JPEG files with Pillow at quality 95 and its default chroma subsampling, 4:2:0, and divides raw
bytes by file bytes, headers included; over a set it divides the sums. Here nothing is written, and the raw bytes
are those of the picture as it is, where the released code takes every picture for a square of a given side.
Not here: reading files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Literal, get_args

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, features

Subsampling = Literal["4:2:0", "4:4:4"]

_MAX_SIDE_PX = 65_500  # libjpeg's own limit, a little below the format's


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegSettings:
    """How a picture is encoded."""

    quality: int = 95
    """Pillow's scale, 1 to 100."""

    subsampling: Subsampling = "4:2:0"
    """4:4:4 keeps colour at full resolution; its ratios do not compare with published ones."""

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ValueError(f"JPEG quality must lie between 1 and 100, got {self.quality}; published is 95")
        if self.subsampling not in get_args(Subsampling):
            raise ValueError(f"subsampling must be 4:2:0 or 4:4:4, got {self.subsampling!r}")

    @property
    def description(self) -> str:
        """Everything that a ratio depends on, with the codec's version."""
        turbo = "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"
        version = features.version_feature("libjpeg_turbo") or features.version_codec("jpg")
        return f"JPEG quality {self.quality}, {self.subsampling}, Pillow {PIL.__version__}, {turbo} {version}"


PUBLISHED = JpegSettings()


def compression_ratio(image: NDArray[np.uint8], settings: JpegSettings = PUBLISHED) -> float:
    """Raw bytes over JPEG bytes of one picture: photographs at quality 95 lie near 3 to 10, flat pictures near 100.

    Args:
        image: (H, W, 3) RGB, uint8.
        settings: How it is encoded.

    Raises:
        ValueError: another shape or dtype, an empty picture, or one too long for JPEG.
    """
    return image.nbytes / len(as_jpeg(image, settings))


def set_compression_ratio(images: Iterable[NDArray[np.uint8]], settings: JpegSettings = PUBLISHED) -> float:
    """Raw bytes of all pictures over JPEG bytes of all: large and busy pictures weigh more than in a mean of ratios.

    Images are taken one at a time, so a generator keeps one in memory. Errors as for `compression_ratio`; also for no
    images at all.
    """
    raw = encoded = 0
    for image in images:
        encoded += len(as_jpeg(image, settings))
        raw += image.nbytes
    if not encoded:
        raise ValueError("no pictures given; a set's compression ratio needs at least one")
    return raw / encoded


def as_jpeg(image: NDArray[np.uint8], settings: JpegSettings = PUBLISHED) -> bytes:
    """The file's bytes. Errors as for `compression_ratio`."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be (H, W, 3) RGB uint8, got {image.shape} {image.dtype}")
    if not 1 <= min(image.shape[:2]) <= max(image.shape[:2]) <= _MAX_SIDE_PX:
        raise ValueError(
            f"the picture is {image.shape[1]} x {image.shape[0]} px and JPEG holds sides of 1 to {_MAX_SIDE_PX} px; "
            "measure a part of it"
        )
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=settings.quality, subsampling=settings.subsampling)
    return file.getvalue()


def through_jpeg(image: NDArray[np.uint8], settings: JpegSettings = PUBLISHED) -> NDArray[np.uint8]:
    """What is read back: (H, W, 3) RGB uint8, of any size that JPEG holds."""
    with Image.open(BytesIO(as_jpeg(image, settings))) as file:
        return np.asarray(file.convert("RGB"))
