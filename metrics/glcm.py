"""Texture from grey-level co-occurrence matrices (GLCM): the published GLCM Score, and the true entropy.

`glcm_score` follows Diffusion-4K's evaluation so that numbers compare with the papers: 64 levels, 64 px patches from
the top left, distances 1 to 4, four angles, and the entropy of the *histogram of matrix values*, which is not the
entropy of the co-occurrence distribution. That one is `glcm_entropy`. Haralick, Shanmugam & Dinstein, 1973.
Not here: reading files, dense maps (`metrics.glcm_map`), other properties (`metrics.glcm_properties`).
"""

from __future__ import annotations

import math
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.cooccurrence import LEVELS as LEVELS
from metrics.cooccurrence import (
    PROPERTIES,
    copy_from_lowest,
    count_pairs,
    distinct_offsets,
    window_properties,
)
from metrics.kernels import jit
from metrics.threads import in_threads

PATCH_PX = 64

# (dy, dx) for distances 1-4 at 0, 45, 90, 135 degrees, rounded as scikit-image rounds them: the diagonals of
# distances 1 and 2 are the same step. Row offsets grow downward.
PUBLISHED_OFFSETS: tuple[tuple[int, int], ...] = tuple(
    (round(np.sin(angle) * distance), round(np.cos(angle) * distance))
    for distance in (1, 2, 3, 4)
    for angle in (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
)


def glcm_score(image: NDArray[np.uint8]) -> float:
    """The published GLCM Score of a picture: higher means more texture, and white noise scores highest.

    Args:
        image: (H, W, 3) RGB or (H, W) grey, uint8. Rows and columns beyond the last whole 64 px patch are left out.

    Returns:
        Mean over patches, in bits, about 0 to 3.6. Photographs at 4096 x 4096 lie near 0.7.

    Raises:
        ValueError: not uint8, not one or three channels, or no whole patch.
    """
    return float(patch_scores(image).mean())


def patch_scores(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """`glcm_score` of every whole 64 px patch, (H // 64, W // 64) float64, bits."""
    grey = _with_a_patch(image)
    scores = np.empty((grey.shape[0] // PATCH_PX, grey.shape[1] // PATCH_PX))
    in_threads(partial(_score_patches, grey, PATCH_PX, *_published_values(), scores), scores.size)
    return scores


def glcm_entropy(image: NDArray[np.uint8]) -> float:
    """Joint entropy of neighbouring grey levels: mean over 64 px patches and the 16 published offsets.

    Bits per pixel pair, 0 (flat) to 12 = 2 log2(64); in practice at most 11.2, since a patch has only some 4,000 pairs.
    Arguments and errors as for `glcm_score`.
    """
    windows = window_properties(
        _with_a_patch(image), offsets=PUBLISHED_OFFSETS, window_px=PATCH_PX, stride_px=PATCH_PX
    )
    return float(windows[..., PROPERTIES.index("entropy")].mean())


def grey_levels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """OpenCV's 8-bit grey, quartered to 64 levels: (H, W, 3) or (H, W) uint8 -> (H, W) uint8 in 0..63."""
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ValueError(f"image must be (H, W, 3) RGB or (H, W) uint8, got {image.shape} {image.dtype}")
    if image.ndim == 2:
        return np.floor_divide(image, 4, order="C")
    levels = np.empty(image.shape[:2], np.uint8)
    in_threads(partial(_quartered_grey, np.ascontiguousarray(image), levels), len(image))
    return levels


def _with_a_patch(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = grey_levels(image)
    if min(grey.shape) < PATCH_PX:
        raise ValueError(
            f"the picture is {grey.shape[1]} x {grey.shape[0]} px; a GLCM patch needs {PATCH_PX} x {PATCH_PX}"
        )
    return grey


@cache
def _published_values() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], int]:
    """The published offsets once each, (n, 2); how often each occurs, (n,); numbers of values; how many there are.

    numbers[k, c] says which of all possible matrix values c pairs at offset k make. Offsets with different
    numbers of pairs share a value where their quotients are the same double, as in the published arithmetic.
    """
    offsets, times = distinct_offsets(PUBLISHED_OFFSETS)
    pairs = (PATCH_PX - abs(offsets)).prod(axis=1)
    values = np.arange(PATCH_PX**2 + 1) / pairs[:, None]
    _, numbers = np.unique(values, return_inverse=True)
    return offsets, times, numbers.reshape(values.shape).astype(np.int32), int(numbers.max()) + 1


_jit: Any = jit(nogil=True, error_model="numpy")


@_jit
def _quartered_grey(image: NDArray[np.uint8], levels: NDArray[np.uint8], start: int, stop: int) -> None:
    # OpenCV's integer weights for RGB2GRAY: 0.299, 0.587, 0.114 in 15-bit fixed point, rounded to nearest.
    for y in range(start, stop):
        for x in range(image.shape[1]):
            red, green, blue = np.uint32(image[y, x, 0]), np.uint32(image[y, x, 1]), np.uint32(image[y, x, 2])
            grey = (red * np.uint32(9798) + green * np.uint32(19235) + blue * np.uint32(3735) + 16384) >> 15
            levels[y, x] = grey >> 2


@_jit
def _score_patches(
    grey: NDArray[np.uint8],
    window: int,
    offsets: NDArray[np.int64],
    times: NDArray[np.int64],
    numbers: NDArray[np.int32],
    histogram_length: int,
    scores: NDArray[np.float64],
    start: int,
    stop: int,
) -> None:
    """Entropy, in bits, of the histogram of values in all normalised matrices of a patch together."""
    histogram = np.empty(histogram_length, np.int32)
    seen = np.empty(LEVELS * LEVELS * len(offsets), np.int32)  # entries of `histogram` that are not zero
    counts = np.empty((2, LEVELS * LEVELS), np.int32)
    histogram[:] = 0
    counts[:] = 0
    patch = np.empty(window * window, np.uint8)
    cells = 0
    for k in range(len(offsets)):
        cells += LEVELS * LEVELS * times[k]
    for index in range(start, stop):
        row, column = index // scores.shape[1], index % scores.shape[1]
        span = copy_from_lowest(grey, row * window, column * window, window, patch)
        found, zeros = 0, cells
        for k in range(len(offsets)):
            dy, dx = offsets[k, 0], offsets[k, 1]
            if span == 1:
                counts[0, 0] = (window - abs(dy)) * (window - abs(dx))
            else:
                count_pairs(patch, window, window, dy, dx, span, counts)
            for cell in range(span * span):
                count = counts[0, cell] + counts[1, cell]
                if count > 0:
                    counts[0, cell] = 0
                    counts[1, cell] = 0
                    zeros -= times[k]
                    number = numbers[k, count]
                    if histogram[number] == 0:
                        seen[found] = number
                        found += 1
                    histogram[number] += times[k]
        entropy = -zeros / cells * math.log2(zeros / cells)
        for i in range(found):
            share = histogram[seen[i]] / cells
            entropy -= share * math.log2(share)
            histogram[seen[i]] = 0
        scores[row, column] = entropy
