"""Haralick's texture properties of a picture, and the matrices they come from.

Haralick, Shanmugam & Dinstein, "Textural Features for Image Classification", 1973, in scikit-image's conventions:
matrices are not made symmetric, energy is the root of the angular second moment (ASM), and a flat window has
correlation 1. With p(i, j) the share of pixel pairs with levels i and j, of 64:

    entropy        -sum p log2 p                   bits, 0 to 12
    contrast       sum p (i - j)^2                 squared levels, 0 to 3969
    dissimilarity  sum p |i - j|                   levels, 0 to 63
    homogeneity    sum p / (1 + (i - j)^2)         0 to 1
    asm            sum p^2                         0 to 1; 1 is flat
    energy         sqrt(asm)                       0 to 1
    correlation    covariance / (std_i * std_j)    -1 to 1

They describe; none is better high or low.
Not here: dense maps (`metrics.glcm_map`), the published score (`metrics.glcm`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metrics.cooccurrence import LEVELS, Offset, count_matrix, window_properties
from metrics.cooccurrence import PROPERTIES as PROPERTIES
from metrics.glcm import PATCH_PX, PUBLISHED_OFFSETS, grey_levels


def glcm_properties(
    image: NDArray[np.uint8], *, offsets: Sequence[Offset] = PUBLISHED_OFFSETS, window_px: int = PATCH_PX
) -> dict[str, float]:
    """Every property, averaged over offsets and over windows that lie side by side from the top left.

    Args:
        image: (H, W, 3) RGB or (H, W) grey, uint8. Rows and columns beyond the last whole window are left out.
        offsets: (dy, dx) in pixels from the first pixel of a pair to the second; y grows downward.
        window_px: Side of a window.

    Returns:
        Keys are `PROPERTIES`; units and ranges are above.

    Raises:
        ValueError: not uint8, not one or three channels, no whole window, an offset that leaves the window.
    """
    windows = window_properties(grey_levels(image), offsets=offsets, window_px=window_px, stride_px=window_px)
    return dict(zip(PROPERTIES, (float(mean) for mean in windows.mean(axis=(0, 1))), strict=True))


def patch_matrices(
    image: NDArray[np.uint8], *, offsets: Sequence[Offset] = PUBLISHED_OFFSETS
) -> NDArray[np.float64]:
    """Co-occurrence matrices of a picture, or a part of one, of any size.

    Args:
        image: (H, W, 3) RGB or (H, W) grey, uint8.
        offsets: As for `glcm_properties`.

    Returns:
        (len(offsets), 64, 64): [k, i, j] is the share of pairs at offset k whose first pixel has level i and whose
        second has level j. Each matrix sums to 1.

    Raises:
        ValueError: not uint8, not one or three channels, an offset that leaves no pair.
    """
    grey = grey_levels(image)
    for dy, dx in offsets:
        if abs(dy) >= grey.shape[0] or abs(dx) >= grey.shape[1]:
            raise ValueError(
                f"offset {(dy, dx)} leaves no pixel pair in {grey.shape[1]} x {grey.shape[0]} px; choose a larger part"
            )
    matrices = np.empty((len(offsets), LEVELS, LEVELS))
    for matrix, offset in zip(matrices, offsets, strict=True):
        counts = count_matrix(grey, offset)
        matrix[:] = counts / counts.sum()
    return matrices
