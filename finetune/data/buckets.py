"""Which part of each picture is trained on, and at which size: aspect buckets and crop boxes. No torch.

A picture is cut to the shape of its bucket around its centre and scaled down; it is never scaled up. The published
code trains on squares alone, cut at random and scaled up where need be; here a crop is decided once, so that its
latents can be kept and what a preview shows is what training sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DEFAULT_MULTIPLE_PX = 32
ASPECTS = ((1, 1), (5, 4), (4, 3), (3, 2), (16, 9), (2, 1))
"""Long side to short side; each is used lying and standing. Others fill batches badly."""


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """A size that crops are trained at."""

    width_px: int
    height_px: int

    @property
    def aspect(self) -> float:
        return self.width_px / self.height_px


@dataclass(frozen=True, slots=True)
class Crop:
    """What is seen of one picture."""

    file_name: str
    box: tuple[int, int, int, int]
    """left, top, right, bottom in pixels of the picture as shown (EXIF rotation applied); right and bottom outside."""

    size_px: tuple[int, int]
    """(width, height) that the box is scaled down to: its bucket."""

    @property
    def scale(self) -> float:
        """Picture pixels per trained pixel, 1 or more."""
        return (self.box[2] - self.box[0]) / self.size_px[0]


def make_buckets(
    resolution_px: int,
    *,
    multiple_px: int = DEFAULT_MULTIPLE_PX,
    square_only: bool = False,
    max_side_px: int | None = None,
) -> tuple[Bucket, ...]:
    """Sizes of about `resolution_px`² pixels and not more, sides in multiples of `multiple_px`, the square first.

    `max_side_px` is where the model's positions end: longer buckets shrink to it, keeping their aspect.
    """
    if multiple_px < 1 or resolution_px < multiple_px or resolution_px % multiple_px:
        near = max(multiple_px, round(resolution_px / max(1, multiple_px)) * multiple_px)
        raise ValueError(
            f"the resolution must be a multiple of {multiple_px} px, got {resolution_px}; try {near}"
        )
    if max_side_px is not None and resolution_px > max_side_px:
        raise ValueError(f"this model reaches {max_side_px} px a side, got a resolution of {resolution_px}")
    if square_only:
        return (Bucket(resolution_px, resolution_px),)
    longest = resolution_px * 2 if max_side_px is None else max_side_px
    found = []
    for long, short in ASPECTS:
        width = min(resolution_px * math.sqrt(long / short), longest)
        wide = round(width / multiple_px) * multiple_px
        wide = min(wide, longest // multiple_px * multiple_px)
        high = round(wide * short / long / multiple_px) * multiple_px
        while wide * high > resolution_px**2:
            high -= multiple_px
        found += [Bucket(wide, high), Bucket(high, wide)]
    return tuple(dict.fromkeys(bucket for bucket in found if min(bucket.width_px, bucket.height_px) > 0))


def crop_of(file_name: str, width_px: int, height_px: int, buckets: tuple[Bucket, ...]) -> Crop | None:
    """The crop of a picture of this size, in the bucket that keeps most of it; None where it fills no bucket."""
    fitting = [b for b in buckets if b.width_px <= width_px and b.height_px <= height_px]
    if not fitting:
        return None
    # The share of the picture that is kept; of equals the larger bucket.
    best = max(fitting, key=lambda b: (round(_kept(width_px, height_px, b), 6), b.width_px * b.height_px))
    scale = min(width_px / best.width_px, height_px / best.height_px)
    box_width = min(width_px, round(best.width_px * scale))
    box_height = min(height_px, round(best.height_px * scale))
    left, top = (width_px - box_width) // 2, (height_px - box_height) // 2
    return Crop(file_name, (left, top, left + box_width, top + box_height), (best.width_px, best.height_px))


def cut(pixels: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 -> the crop, (h, w, 3) uint8: copied where it is as large as its bucket, else Lanczos.

    Raises ValueError where the picture does not hold the box: it is not the one that was scanned.
    """
    left, top, right, bottom = crop.box
    if right > pixels.shape[1] or bottom > pixels.shape[0]:
        size = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise ValueError(f"{crop.file_name} is {size} px now, smaller than when it was scanned; scan again")
    part = np.ascontiguousarray(pixels[top:bottom, left:right])
    if (right - left, bottom - top) == crop.size_px:
        return part
    return np.array(Image.fromarray(part).resize(crop.size_px, Image.Resampling.LANCZOS))


def _kept(width_px: int, height_px: int, bucket: Bucket) -> float:
    ratio = bucket.aspect / (width_px / height_px)
    return min(ratio, 1 / ratio)
