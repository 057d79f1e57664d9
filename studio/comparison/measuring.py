"""Measurements of one picture file as plain values: what the endpoints, the tools of agents and scripts call.

Each function takes a file, says what is wrong with it in one sentence (ValueError), and returns JSON values with their
units. Not here: the numbers themselves (`metrics`), who may call (`studio.ui.tools`).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.pictures import read_picture

MAX_LEVELS = 8
MAX_WINDOWS = 1_200_000
"""Of a map: a stride of 4 px over 4096 x 4096. More take minutes and gigabytes."""

DIRECTIONS = {"0": (0, 1), "45": (1, 1), "90": (1, 0), "135": (1, -1)}
"""(dy, dx) of one pixel, y downward, by angle in degrees."""


def subbands(
    path: Path, *, wavelet: str = "haar", mode: str = "symmetric", levels: int = 3
) -> dict[str, Any]:
    """Energy of each detail band of the picture's luma, finest level first, in squared grey levels."""
    from metrics.subbands import MODES, WAVELETS, detail_energies, luma

    _one_of("wavelet", wavelet, WAVELETS)
    _one_of("boundary mode", mode, MODES)
    if not 1 <= levels <= MAX_LEVELS:
        raise ValueError(f"levels must lie between 1 and {MAX_LEVELS}, got {levels}; 3 is usual")
    pixels = _pixels(path)
    energies = detail_energies(luma(pixels), levels=levels, wavelet=wavelet, mode=mode)
    return {
        **_size(pixels),
        "wavelet": wavelet,
        "mode": mode,
        "unit": "squared grey levels",
        "levels": [{"level": i + 1, **bands._asdict()} for i, bands in enumerate(energies)],
    }


def glcm_map(
    path: Path,
    target: Path,
    *,
    measure: str = "entropy",
    window_px: int = 64,
    stride_px: int = 16,
    distances: tuple[int, ...] = (1,),
    angles: tuple[str, ...] = tuple(DIRECTIONS),
) -> dict[str, Any]:
    """A dense map of one co-occurrence property, written to `target` as .npy, (rows, columns) float32.

    The window of cell (r, c) has its top left corner at (r * stride_px, c * stride_px). It is averaged over every
    distance in pixels at every angle in degrees.
    """
    from metrics.glcm_map import glcm_map as dense_map
    from metrics.glcm_properties import PROPERTIES

    _one_of("property", measure, PROPERTIES)
    for angle in angles:
        _one_of("angle", angle, tuple(DIRECTIONS))
    offsets = tuple((dy * far, dx * far) for far in distances for dy, dx in (DIRECTIONS[a] for a in angles))
    pixels = _pixels(path)
    rows, columns = ((side - window_px) // max(1, stride_px) + 1 for side in pixels.shape[:2])
    if min(rows, columns) > 0 and rows * columns > MAX_WINDOWS:
        raise ValueError(
            f"a stride of {stride_px} px makes {rows * columns} windows, and {MAX_WINDOWS} are the most; "
            "choose a longer stride or cut out a part"
        )
    values = dense_map(
        pixels, properties=(measure,), window_px=window_px, stride_px=stride_px, offsets=offsets
    )[measure]
    np.save(target, values)
    return {
        **_size(pixels),
        "property": measure,
        "window_px": window_px,
        "stride_px": stride_px,
        "distances_px": list(distances),
        "angles_deg": list(angles),
        "rows": values.shape[0],
        "columns": values.shape[1],
        "lowest": float(values.min()),
        "mean": float(values.mean()),
        "highest": float(values.max()),
    }


def compression_ratio(path: Path, *, subsampling: str = "4:2:0") -> dict[str, Any]:
    """Raw bytes over JPEG bytes at quality 95: lower means more detail."""
    from metrics.compression import JpegSettings
    from metrics.compression import compression_ratio as ratio

    _one_of("subsampling", subsampling, ("4:2:0", "4:4:4"))
    pixels = _pixels(path)
    settings = JpegSettings(quality=95, subsampling="4:4:4" if subsampling == "4:4:4" else "4:2:0")
    return {
        **_size(pixels),
        "subsampling": subsampling,
        "codec": settings.description,
        "compression_ratio": ratio(pixels, settings),
    }


def artefacts(path: Path) -> dict[str, Any]:
    """Stripes, model grids and tile seams: score (0 to 1), verdict, place and a sentence for each."""
    from metrics.artefacts import find_artefacts

    pixels = _pixels(path)
    return {**_size(pixels), "artefacts": [asdict(found) for found in find_artefacts(pixels)]}


def resolution(path: Path) -> dict[str, Any]:
    """The size beyond which the picture holds no real detail: tells native from enlarged."""
    from metrics.effective_resolution import effective_resolution

    pixels = _pixels(path)
    return {**_size(pixels), **asdict(effective_resolution(pixels))}


def scores(path: Path, *, names: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Every metric that needs no weights, or the named ones: value and unit, and why one is missing."""
    from metrics.evaluate import WEIGHT_FREE, score_what_fits

    for name in names or ():
        _one_of("metric", name, WEIGHT_FREE)
    pixels = _pixels(path)
    found, missing = score_what_fits(pixels, metrics=WEIGHT_FREE if names is None else names)
    return {
        **_size(pixels),
        "scores": {name: {"value": score.value, "unit": score.unit} for name, score in found.items()},
        "missing": missing,
    }


def _pixels(path: Path) -> NDArray[np.uint8]:
    return read_picture(path).pixels


def _size(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    return {"width_px": pixels.shape[1], "height_px": pixels.shape[0]}


def _one_of(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ValueError(f"there is no {what} {given!r}; choose one of {', '.join(known)}")
