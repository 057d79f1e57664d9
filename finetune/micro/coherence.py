"""Does a picture hang together? Steps across the transformer's patches, suns and moons, horizons: counted in pixels.

Shares nothing with the model or its captions. Not here: what the counts must be (`promises`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from metrics.subbands import luma

Pixels = NDArray[np.uint8]
CELL_PX = 16
_SIDE_PX = 256  # discs and horizons are counted at this size: what a reader sees at a glance

_DISC_RISE = 22.0  # 8-bit levels over its surroundings
_DISC_AREA = (40, 700)  # px: the sun's is about 140, the moon's 330
_DISC_FILL = 0.62  # of its bounding box; a circle fills 0.785
_STRIPS = 8  # of the width
_HORIZON_RISE = 5.0  # 8-bit levels between the rows above and below, in each strip
_HORIZON_APART_PX = 20


def border_steps(picture: Pixels, patch_px: int) -> tuple[float, float]:
    """Mean absolute step of luma, in 8-bit levels, across the borders of patches and everywhere else.

    picture: (H, W, 3) uint8, sides multiples of `patch_px`, which is one of 16 px, and larger: steps are between
    neighbouring means of 16 x 16 px. In a picture without blocks both are alike.
    """
    height, width = picture.shape[:2]
    if height % patch_px or width % patch_px:
        raise ValueError(f"sides must be multiples of {patch_px} px, got {width} x {height}")
    cells = luma(picture).reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX).mean((1, 3))
    across, elsewhere = [], []
    for axis in (0, 1):
        steps = np.moveaxis(np.abs(np.diff(cells, axis=axis)), axis, 0)
        at_border = np.arange(1, len(steps) + 1) % (patch_px // CELL_PX) == 0
        across.append(steps[at_border].ravel())
        elsewhere.append(steps[~at_border].ravel())
    return float(np.concatenate(across).mean()), float(np.concatenate(elsewhere).mean())


def count_discs(picture: Pixels) -> int:
    """Bright round spots of a sun's or moon's size; picture: (H, W, 3) uint8, square."""
    light = _glance(picture)
    above = light - ndimage.gaussian_filter(light, _SIDE_PX / 16)
    spots, _ = ndimage.label(above > max(_DISC_RISE, 0.55 * float(above.max())))
    return sum(_is_round(spots[box] == index + 1) for index, box in enumerate(ndimage.find_objects(spots)))


def count_horizons(picture: Pixels) -> int:
    """Rows where the picture changes along its whole width; picture: (H, W, 3) uint8, square."""
    strips = _glance(picture).reshape(_SIDE_PX, _STRIPS, -1).mean(2)
    step = ndimage.uniform_filter1d(strips, 3, axis=0)
    step = step[4:] - step[:-4]
    # Every strip must step the same way at that row: a ridge or a wave does not, a horizon does.
    everywhere = np.maximum(step.min(1), -step.max(1))
    count = 0
    while everywhere.max() >= _HORIZON_RISE:
        row = int(everywhere.argmax())
        everywhere[max(0, row - _HORIZON_APART_PX) : row + _HORIZON_APART_PX + 1] = 0
        count += 1
    return count


def _glance(picture: Pixels) -> NDArray[np.float32]:
    """Luma at `_SIDE_PX`, by area."""
    small = Image.fromarray(picture).resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX)
    return luma(np.asarray(small))


def _is_round(spot: NDArray[np.bool_]) -> bool:
    height, width = spot.shape
    area = int(spot.sum())
    return bool(
        _DISC_AREA[0] <= area <= _DISC_AREA[1]
        and 0.6 <= height / width <= 1 / 0.6
        and area >= _DISC_FILL * height * width
    )
