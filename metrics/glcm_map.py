"""Co-occurrence properties as dense maps over a picture. Not here: colours, pictures of maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metrics.cooccurrence import PROPERTIES, Offset, window_properties
from metrics.glcm import PATCH_PX, grey_levels
from metrics.sliding import sliding_properties

# One pixel right, down-right, down, down-left: Haralick's four directions.
HARALICK_OFFSETS: tuple[Offset, ...] = ((0, 1), (1, 1), (1, 0), (1, -1))


def glcm_map(
    image: NDArray[np.uint8],
    *,
    properties: Sequence[str] = PROPERTIES,
    window_px: int = PATCH_PX,
    stride_px: int = 16,
    offsets: Sequence[Offset] = HARALICK_OFFSETS,
) -> dict[str, NDArray[np.float32]]:
    """Properties of windows that slide over a picture, averaged over offsets.

    Args:
        image: (H, W, 3) RGB or (H, W) grey, uint8.
        properties: Some of `metrics.glcm_properties.PROPERTIES`, where units and ranges are told.
        window_px: Side of a window, 2 to 4096.
        stride_px: Steps between windows, right and down.
        offsets: (dy, dx) in pixels from the first pixel of a pair to the second; y grows downward.

    Returns:
        (rows, columns) float32 for each property; entry (r, c) is of the window with its top left pixel at
        (r * stride_px, c * stride_px). Windows never reach beyond the picture.

    Raises:
        ValueError: not uint8, not one or three channels, a window larger than the picture, a stride below 1,
            an offset that leaves the window, an unknown property.
    """
    chosen = [_index(name) for name in properties]
    grey = grey_levels(image)
    if 2 * stride_px < window_px:
        windows = sliding_properties(
            grey, offsets=offsets, window_px=window_px, stride_px=stride_px, chosen=chosen
        )
    else:  # with little overlap it is cheaper to count every window anew
        windows = window_properties(grey, offsets=offsets, window_px=window_px, stride_px=stride_px)[
            ..., chosen
        ].astype(np.float32)
    return {name: np.ascontiguousarray(windows[..., index]) for index, name in enumerate(properties)}


def _index(name: str) -> int:
    if name not in PROPERTIES:
        raise ValueError(f"there is no co-occurrence property {name!r}; choose from {', '.join(PROPERTIES)}")
    return PROPERTIES.index(name)
