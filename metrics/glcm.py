"""Texture from grey-level co-occurrence matrices (GLCM): the published GLCM Score, and the true entropy.

`glcm_score` follows Diffusion-4K's evaluation so that numbers compare with the papers: 64 levels, 64 px patches from
the top left, distances 1 to 4, four angles, and the entropy of the *histogram of matrix values*, which is not the
entropy of the co-occurrence distribution. That one is `glcm_entropy`. Haralick, Shanmugam & Dinstein, 1973.
Not here: reading files, dense maps.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

PATCH_PX = 64
LEVELS = 64

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
    return _over_patches(image, published=True)


def glcm_entropy(image: NDArray[np.uint8]) -> float:
    """Joint entropy of neighbouring grey levels: mean over 64 px patches and the 16 published offsets.

    Bits per pixel pair, 0 (flat) to 12 = 2 log2(64); in practice at most 11.2, since a patch has only some 4,000 pairs.
    Arguments and errors as for `glcm_score`.
    """
    return float(_over_patches(image, published=False).mean())


def grey_levels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """OpenCV's 8-bit grey, quartered to 64 levels: (H, W, 3) or (H, W) uint8 -> (H, W) uint8 in 0..63."""
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ValueError(f"image must be (H, W, 3) RGB or (H, W) uint8, got {image.shape} {image.dtype}")
    if image.ndim == 3:
        # OpenCV's integer weights for RGB2GRAY: 0.299, 0.587, 0.114 in 15-bit fixed point, rounded to nearest.
        red, green, blue = (image[..., channel].astype(np.uint32) for channel in range(3))
        image = ((red * 9798 + green * 19235 + blue * 3735 + (1 << 14)) >> 15).astype(np.uint8)
    return image // 4


def _over_patches(image: NDArray[np.uint8], *, published: bool) -> NDArray[np.float64]:
    grey = grey_levels(image)
    if min(grey.shape) < PATCH_PX:
        raise ValueError(
            f"the picture is {grey.shape[1]} x {grey.shape[0]} px; a GLCM patch needs {PATCH_PX} x {PATCH_PX}"
        )
    scores: NDArray[np.float64] = _score_patches(grey, np.array(PUBLISHED_OFFSETS), published)
    return scores


_jit: Any = numba.njit(nogil=True)
_jit_parallel: Any = numba.njit(parallel=True)


@_jit_parallel
def _score_patches(
    grey: NDArray[np.uint8], offsets: NDArray[np.int64], published: bool
) -> NDArray[np.float64]:
    rows, columns = grey.shape[0] // PATCH_PX, grey.shape[1] // PATCH_PX
    scores = np.empty((rows, columns))
    for index in numba.prange(rows * columns):
        row, column = index // columns, index % columns
        patch = grey[row * PATCH_PX : (row + 1) * PATCH_PX, column * PATCH_PX : (column + 1) * PATCH_PX]
        scores[row, column] = _value_entropy(patch, offsets) if published else _joint_entropy(patch, offsets)
    return scores


@_jit
def _count_pairs(patch: NDArray[np.uint8], dy: int, dx: int, counts: NDArray[np.int32]) -> int:
    """Fill counts[first level, second level] for one offset; returns the number of pairs."""
    counts[:] = 0
    height, width = patch.shape
    pairs = 0
    for y in range(max(0, -dy), height - max(0, dy)):
        for x in range(max(0, -dx), width - max(0, dx)):
            counts[patch[y, x], patch[y + dy, x + dx]] += 1
            pairs += 1
    return pairs


@_jit
def _joint_entropy(patch: NDArray[np.uint8], offsets: NDArray[np.int64]) -> float:
    counts = np.empty((LEVELS, LEVELS), np.int32)
    total = 0.0
    for k in range(len(offsets)):
        pairs = _count_pairs(patch, offsets[k, 0], offsets[k, 1], counts)
        for cell in counts.flat:
            if cell > 0:
                p = cell / pairs
                total -= p * np.log2(p)
    return total / len(offsets)


@_jit
def _value_entropy(patch: NDArray[np.uint8], offsets: NDArray[np.int64]) -> float:
    """Entropy of the histogram of distinct values over all normalised matrices together."""
    counts = np.empty((LEVELS, LEVELS), np.int32)
    repeats = np.empty(patch.size + 1, np.int64)  # repeats[n]: matrix cells that hold n pairs
    values, times = (
        np.empty(LEVELS * LEVELS * len(offsets)),
        np.empty(LEVELS * LEVELS * len(offsets), np.int64),
    )
    found, zeros = 0, 0
    for k in range(len(offsets)):
        pairs = _count_pairs(patch, offsets[k, 0], offsets[k, 1], counts)
        repeats[:] = 0
        largest = 0
        for cell in counts.flat:
            number = int(cell)
            repeats[number] += 1
            largest = max(largest, number)
        zeros += repeats[0]
        for count in range(1, largest + 1):
            if repeats[count] > 0:
                values[found], times[found] = count / pairs, repeats[count]
                found += 1
    order = np.argsort(values[:found])
    cells = LEVELS * LEVELS * len(offsets)
    entropy = _term(zeros, cells)
    same, previous = 0, -1.0
    for index in order:
        if values[index] != previous:
            entropy += _term(same, cells)
            same, previous = 0, values[index]
        same += times[index]
    return entropy + _term(same, cells)


@_jit
def _term(count: int, total: int) -> float:
    return 0.0 if count == 0 else -(count / total) * np.log2(count / total)
