"""Draw a scene: march each pixel column over the ground, shade what it sees, then the water.

One scene is one world: a larger picture holds the same composition with finer detail, since every noise is cut
at the pixel's own Nyquist frequency. Not here: what a scene is (`description`), the ground (`terrain`).
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numpy.typing import NDArray

from finetune.micro.scenes.description import Scene, SceneNumbers, numbers
from finetune.micro.scenes.noise import jit
from finetune.micro.scenes.shading import ground_colour, water_colour
from finetune.micro.scenes.sky import FOCAL, Colour, mix, sky_colour
from finetune.micro.scenes.terrain import FAR, NEAR, ground_height, surface_height
from metrics.kernels import jit as kept_jit

_SKY_DEPTH = 1e9


def render(
    scene: Scene,
    width_px: int,
    height_px: int,
    *,
    columns: tuple[int, int] | None = None,
    oversample: int = 1,
) -> NDArray[np.uint8]:
    """Draw `scene` as (H, W, 3) uint8 sRGB.

    Args:
        width_px, height_px: Size of the whole picture.
        columns: First and one-past-last pixel column to draw, for a strip of a picture too large to be wanted whole.
        oversample: Draw this many times larger and average down: smooth edges for small pictures.
    """
    first, last = columns if columns is not None else (0, width_px)
    if not 0 <= first < last <= width_px:
        raise ValueError(f"columns must lie within 0 and {width_px}, got {(first, last)}")
    k = oversample
    strip = _draw(numbers(scene), width_px * k, height_px * k, first * k, last * k)  # (W, H, 3) linear
    if k > 1:
        strip = strip.reshape((last - first), k, height_px, k, 3).mean(axis=(1, 3), dtype=np.float32)
    return np.ascontiguousarray(_encode(strip).transpose(1, 0, 2))


def _draw(s: SceneNumbers, width: int, height: int, first: int, last: int) -> NDArray[np.float32]:
    """Linear light of columns [first, last), (W, H, 3): compiled code without the GIL, a thread per band of columns."""
    picture = np.empty((last - first, height, 3), np.float32)
    depth = np.empty((last - first, height), np.float32)
    bands = [(a, min(a + 64, last - first)) for a in range(0, last - first, 64)]
    with ThreadPoolExecutor(numba.get_num_threads()) as threads:
        list(threads.map(lambda band: _draw_band(s, width, first, *band, picture, depth), bands))
        if s.water < -9.0:
            return picture
        wet = picture.copy()
        list(threads.map(lambda band: _flood_band(s, width, first, *band, depth, picture, wet), bands))
    return wet


@jit
def _draw_band(
    s: SceneNumbers,
    width: int,
    first: int,
    begin: int,
    end: int,
    picture: NDArray[np.float32],
    depth: NDArray[np.float32],
) -> None:
    height = depth.shape[1]
    unit = 1.0 / min(width, height)
    cover = np.empty(height, np.float32)
    for column in range(begin, end):
        cover[:] = 1.0
        x = (column + first + 0.5 - 0.5 * width) * unit
        _march(s, x, unit, height, depth[column], cover)
        _shade(s, x, unit, height, depth[column], cover, picture[column])


@jit
def _flood_band(
    s: SceneNumbers,
    width: int,
    first: int,
    begin: int,
    end: int,
    depth: NDArray[np.float32],
    dry: NDArray[np.float32],
    wet: NDArray[np.float32],
) -> None:
    unit = 1.0 / min(width, depth.shape[1])
    for column in range(begin, end):
        _flood(s, column, (column + first + 0.5 - 0.5 * width) * unit, unit, depth, dry, wet)


@jit
def _march(
    s: SceneNumbers,
    x: float,
    unit: float,
    height: int,
    depth: NDArray[np.float32],
    cover: NDArray[np.float32],
) -> None:
    """Fill one column's depth from near to far; `cover` is how much of a silhouette's top pixel it hides."""
    depth[:] = _SKY_DEPTH
    eye = max(ground_height(s, 0.0, NEAR, 0.01), s.water) + s.camera
    ratio = 1.0 + min(0.004, 2.2 * unit)
    z, top = NEAR, float(height)
    previous_z = z
    previous_row = float(height)
    while z < FAR:
        world_x = x / FOCAL * z
        h = surface_height(s, world_x, z, 1.6 * unit * z / FOCAL)
        row = (s.horizon + FOCAL * (eye - h) / z) / unit + 0.5 * height
        if row < top:
            stop = max(0, math.floor(row))
            begin = min(height, math.floor(top) + (top < height))
            if begin > height:
                begin = height
            span = max(previous_row - row, 1e-6)
            for y in range(stop, begin):
                t = min(1.0, max(0.0, (previous_row - (y + 0.5)) / span))
                if depth[y] == _SKY_DEPTH or cover[y] < 0.5:
                    depth[y] = previous_z + (z - previous_z) * t
                cover[y] = 1.0
            if row >= 0.0:
                cover[stop] = min(1.0, max(0.0, stop + 1.0 - row))
            top = row
            if top <= 0.0:
                break
        previous_row, previous_z = row, z
        z *= ratio


@jit
def _shade(
    s: SceneNumbers,
    x: float,
    unit: float,
    height: int,
    depth: NDArray[np.float32],
    cover: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    eye = max(ground_height(s, 0.0, NEAR, 0.01), s.water) + s.camera
    for row in range(height):
        y = (row + 0.5 - 0.5 * height) * unit
        if depth[row] == _SKY_DEPTH:
            colour = sky_colour(s, x, min(y, s.horizon), unit)
        else:
            colour = ground_colour(s, x, y, depth[row], unit, eye)
            if cover[row] < 1.0 and row > 0:
                behind = (float(out[row - 1, 0]), float(out[row - 1, 1]), float(out[row - 1, 2]))
                colour = mix(behind, colour, cover[row])
        out[row, 0], out[row, 1], out[row, 2] = colour


@jit
def _flood(
    s: SceneNumbers,
    column: int,
    x: float,
    unit: float,
    depth: NDArray[np.float32],
    dry: NDArray[np.float32],
    wet: NDArray[np.float32],
) -> None:
    """Replace the water's pixels of a column by what they reflect and hold."""
    columns, height = depth.shape
    eye = max(ground_height(s, 0.0, NEAR, 0.01), s.water) + s.camera
    for row in range(height):
        z = depth[column, row]
        if z == _SKY_DEPTH:
            continue
        y = (row + 0.5 - 0.5 * height) * unit
        world_x = x / FOCAL * z
        if ground_height(s, world_x, z, unit * z / FOCAL) > s.water or y <= s.horizon:
            continue
        (dx, dy), colour, fresnel = water_colour(s, x, y, z, unit, eye)
        mirror_y = 2 * s.horizon - y + dy
        mirror_row = int(mirror_y / unit + 0.5 * height)
        mirror_column = min(columns - 1, max(0, int(column + dx / unit)))
        reflected: Colour = sky_colour(s, x + dx, mirror_y, unit)
        if 0 <= mirror_row < height:
            behind = depth[mirror_column, mirror_row]
            if behind != _SKY_DEPTH and behind > z:
                p = dry[mirror_column, mirror_row]
                reflected = (float(p[0]), float(p[1]), float(p[2]))
        colour = mix(colour, reflected, fresnel)
        wet[column, row, 0], wet[column, row, 1], wet[column, row, 2] = colour


@kept_jit(fastmath=True, parallel=True)
def _encode(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Filmic shoulder, then sRGB's curve: linear light to 8 bits."""
    columns, height, _ = linear.shape
    out = np.empty(linear.shape, np.uint8)
    for i in numba.prange(columns):
        for j in range(height):
            for c in range(3):
                v = max(0.0, linear[i, j, c])
                v = (v * (2.51 * v + 0.03)) / (v * (2.43 * v + 0.59) + 0.14)
                v = 12.92 * v if v < 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055
                out[i, j, c] = np.uint8(min(255.0, max(0.0, v * 255.0 + 0.5)))
    return out
