"""Measurements as named endpoints of the app, for scripts (gradio_client).

Their docstrings are what callers read. Hidden widgets give each argument its type. Not here: the measuring
(`studio.comparison.measuring`), the same for agents (`studio.ui.agents`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from studio.comparison import measuring
from studio.inspection.opened import tidy
from studio.ui.components import SentFile
from studio.ui.events import NOWHERE
from studio.ui.messages import shows_errors

MAPS_LIMIT_MIB = 256.0


def build_tools(maps: Path, *, described: bool = True) -> None:
    """Endpoints /subbands, /glcm_map, /compression_ratio, /artefacts, /effective_resolution and /score.

    `maps` is the folder that maps are written to; equal calls give the same file. Where they are not `described`, they
    answer all the same.
    """
    with gr.Group(visible=False):
        picture = SentFile(type="filepath", label="picture")
        measuring_endpoints(picture, measures(maps), visibility="public" if described else "undocumented")


def measuring_endpoints(
    picture: gr.components.Component,
    functions: Mapping[str, Callable[..., Any]],
    *,
    prefix: str = "",
    visibility: Literal["public", "undocumented"],
) -> None:
    """An endpoint for each of `measures`, named `prefix` and its key, whose first argument is that of `picture`."""
    wavelet, mode = gr.Textbox("haar", label="wavelet"), gr.Textbox("symmetric", label="mode")
    levels = gr.Number(3, precision=0, label="levels")
    measure = gr.Textbox("entropy", label="property")
    window_px = gr.Number(64, precision=0, label="window_px")
    stride_px = gr.Number(16, precision=0, label="stride_px")
    distances = gr.Textbox("1", label="distances")
    angles = gr.Textbox("0, 45, 90, 135", label="angles")
    subsampling = gr.Textbox("4:2:0", label="subsampling")
    names = gr.Textbox("", label="metrics")
    numbers, file = gr.JSON(label="numbers"), gr.File(label="map (.npy)")
    settings: dict[str, list[Any]] = {
        "subbands": [wavelet, mode, levels],
        "glcm_map": [measure, window_px, stride_px, distances, angles],
        "compression_ratio": [subsampling],
        "artefacts": [],
        "effective_resolution": [],
        "score": [names],
    }
    for name, function in functions.items():
        outputs = [numbers, file] if name == "glcm_map" else [numbers]
        endpoint(function, [picture, *settings[name]], outputs, f"{prefix}{name}", visibility=visibility)


def endpoint(
    function: Callable[..., Any],
    inputs: list[Any],
    outputs: list[Any],
    name: str,
    *,
    visibility: Literal["public", "undocumented"] = "public",
) -> None:
    """One that no widget of the page calls; at most two measure at once."""
    gr.Button(visible=False).click(
        shows_errors(function),
        inputs,
        outputs,
        api_name=name,
        api_visibility=visibility,
        show_progress_on=NOWHERE,
        concurrency_id="measuring",
        concurrency_limit=2,
    )


def measures(maps: Path) -> dict[str, Callable[..., Any]]:
    """By the name of the endpoint."""
    return {
        "subbands": subbands,
        "glcm_map": glcm_map_endpoint(maps),
        "compression_ratio": compression_ratio,
        "artefacts": artefacts,
        "effective_resolution": effective_resolution,
        "score": score,
    }


def subbands(picture: str, wavelet: str = "haar", mode: str = "symmetric", levels: int = 3) -> dict[str, Any]:
    """Wavelet detail energies of a picture, per band (LH, HL, HH) and level, in squared grey levels.

    Args:
        picture: A PNG, JPEG, WebP or TIFF file.
        wavelet: A wavelet of PyWavelets, such as haar or db4.
        mode: A boundary mode of PyWavelets, such as symmetric.
        levels: How many levels, 1 to 8; each halves the side.
    """
    return measuring.subbands(_path(picture), wavelet=wavelet, mode=mode, levels=int(levels))


def glcm_map_endpoint(maps: Path) -> Callable[..., tuple[dict[str, Any], str]]:
    def glcm_map(
        picture: str,
        property: str = "entropy",
        window_px: int = 64,
        stride_px: int = 16,
        distances: str = "1",
        angles: str = "0, 45, 90, 135",
    ) -> tuple[dict[str, Any], str]:
        """A dense map of a grey-level co-occurrence property: its range, and the map as a .npy file (float32).

        Args:
            picture: A PNG, JPEG, WebP or TIFF file.
            property: entropy, contrast, dissimilarity, homogeneity, energy, correlation or asm.
            window_px: Side of the square window, in pixels.
            stride_px: Step between windows, in pixels.
            distances: From the first pixel of a pair to the second, in pixels, with commas between.
            angles: Of 0, 45, 90 and 135 degrees, with commas between; the map is the mean over all.
        """
        named = _list(angles)
        far = tuple(_whole(part) for part in _list(distances))
        call = repr((str(_path(picture)), property, int(window_px), int(stride_px), far, named))
        maps.mkdir(parents=True, exist_ok=True)
        tidy(maps, MAPS_LIMIT_MIB)
        target = maps / f"{hashlib.sha256(call.encode()).hexdigest()[:24]}.npy"
        numbers = measuring.glcm_map(
            _path(picture),
            target,
            measure=property,
            window_px=int(window_px),
            stride_px=int(stride_px),
            distances=far,
            angles=named,
        )
        return numbers, str(target)

    return glcm_map


def compression_ratio(picture: str, subsampling: str = "4:2:0") -> dict[str, Any]:
    """Compression Ratio as published: raw bytes over JPEG bytes at quality 95. Lower means more detail.

    Args:
        picture: A PNG, JPEG, WebP or TIFF file.
        subsampling: 4:2:0 as published, or 4:4:4.
    """
    return measuring.compression_ratio(_path(picture), subsampling=subsampling)


def artefacts(picture: str) -> dict[str, Any]:
    """Find stripes, 16 / 32 px model grids and tile seams: a score of 0 to 1, a verdict and a place for each.

    Args:
        picture: A PNG, JPEG, WebP or TIFF file.
    """
    return measuring.artefacts(_path(picture))


def effective_resolution(picture: str) -> dict[str, Any]:
    """The size beyond which a picture holds no real detail; tells native 4K from an enlarged 1K or 2K.

    Args:
        picture: A PNG, JPEG, WebP or TIFF file.
    """
    return measuring.resolution(_path(picture))


def score(picture: str, metrics: str = "") -> dict[str, Any]:
    """Score a picture by every metric that needs no weights, or by the named ones.

    Args:
        picture: A PNG, JPEG, WebP or TIFF file.
        metrics: Names with commas between; empty for all.
    """
    return measuring.scores(_path(picture), names=_list(metrics) or None)


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"a distance is a whole number of pixels, got {text!r}") from error


def _path(picture: str | None) -> Path:
    if not picture:
        raise ValueError("no picture came; pass a PNG, JPEG, WebP or TIFF file")
    return Path(picture)
