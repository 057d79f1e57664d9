"""What a run wrote, made small enough for a page: curves of at most a few hundred points, samples, the log's end.

No torch, no gradio. Not here: drawing (`studio.ui.finetune.plots`, `studio.ui.finetune.run_samples`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finetune.run_folder import RunFolder
from finetune.run_rows import read_rows
from metrics.pictures import FORMATS
from studio.home.disk import whole_file
from studio.home.workspace import Workspace

Values = NDArray[np.float64]

MAX_POINTS = 400
EMA_SHARE = 0.04
"""Span of the running mean, as a share of the steps there are; at least 5 steps."""

LOG_BYTES = 12_000
THUMBNAIL_PX, VIEW_PX = 192, 1600
STEPS, VALIDATION, SAMPLES = "steps.jsonl", "validation.jsonl", "samples.jsonl"


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart."""

    steps: Values
    values: Values


@dataclass(frozen=True, slots=True)
class RunCurves:
    """Everything that a run's charts show."""

    name: str
    loss: Curve
    """Thinned by the mean of neighbours; not smoothed."""

    smooth: Curve
    bands: dict[str, Curve]
    """"ll", "lh", "hl", "hh" -> running mean of its velocity MSE."""

    gradient: Curve
    restarts: tuple[int, ...]
    """Steps after which it went on."""

    validation: Curve
    validation_bands: dict[str, Curve]
    sigmas: dict[float, Curve]
    """Noise level -> validation loss at it."""

    peak_bytes: int | None
    learning_rate: float | None
    damaged: int = 0
    """Lines of its steps and its validation that were left out."""


@dataclass(frozen=True, slots=True)
class SamplePicture:
    """One cell of the prompt x step grid."""

    step: int
    index: int
    seed: int
    prompt: str
    file: Path | None
    error: str | None


@dataclass(frozen=True, slots=True)
class SampleSheet:
    """Samples of a run: each step that drew, in order, and each prompt."""

    prompts: tuple[str, ...]
    steps: tuple[int, ...]
    pictures: tuple[SamplePicture, ...]


def written(run: RunFolder) -> str:
    """Another text whenever the curves or samples would be others; costs three looks at the disk."""
    found = []
    for name in (STEPS, VALIDATION, SAMPLES):
        try:
            stat = (run.path / name).stat()
            found.append(f"{stat.st_size}.{stat.st_mtime_ns}")
        except OSError:
            found.append("-")
    return f"{run.name} {' '.join(found)}"


def read_curves(run: RunFolder) -> RunCurves:
    """All curves of a run, a run without steps has empty ones."""
    rows, damaged = read_rows(run.path / STEPS)
    restarts = tuple(row["restart"] for row in rows if "restart" in row)
    rows = [row for row in rows if "loss" in row and "step" in row]
    span = max(5.0, EMA_SHARE * len(rows))
    bands = {name: None for row in rows for name in row.get("bands", {})}
    checks, more_damaged = read_rows(run.path / VALIDATION)
    checks = [row for row in checks if "loss" in row and "step" in row]
    levels = {float(each["sigma"]): None for row in checks for each in row.get("sigmas", [])}
    return RunCurves(
        name=run.name,
        loss=thinned(_curve(rows, "loss")),
        smooth=thinned(smoothed(_curve(rows, "loss"), span)),
        bands={name: thinned(smoothed(_of_band(rows, name), span)) for name in bands},
        gradient=thinned(smoothed(_curve(rows, "grad_norm"), span)),
        restarts=restarts,
        validation=thinned(_curve(checks, "loss")),
        validation_bands={name: thinned(_of_band(checks, name)) for name in bands},
        sigmas={level: thinned(_at(checks, level)) for level in sorted(levels)},
        peak_bytes=max((row["peak_bytes"] for row in rows if row.get("peak_bytes")), default=None),
        learning_rate=rows[-1].get("learning_rate") if rows else None,
        damaged=damaged + more_damaged,
    )


def thinned(curve: Curve, max_points: int = MAX_POINTS) -> Curve:
    """At most `max_points`: means of equally many neighbours, and the last point apart, so that the end is true."""
    count = len(curve.steps)
    if count <= max_points:
        return curve
    edges = np.linspace(0, count - 1, max_points).astype(int)
    sizes = np.diff(edges)
    steps = np.append(np.add.reduceat(curve.steps, edges[:-1])[: len(sizes)], 0.0)
    values = np.append(np.add.reduceat(curve.values, edges[:-1])[: len(sizes)], 0.0)
    # reduceat's last part runs to the end of the array: take the last point out of it again.
    steps[-2] -= curve.steps[-1]
    values[-2] -= curve.values[-1]
    steps[:-1] /= sizes
    values[:-1] /= sizes
    steps[-1], values[-1] = curve.steps[-1], curve.values[-1]
    return Curve(steps, values)


def smoothed(curve: Curve, span: float) -> Curve:
    """Exponential running mean over about `span` points, free of the bias of its start (Adam's, eq. 1 of section 3)."""
    keep = 1 - 1 / span
    mean, weight, found = 0.0, 0.0, np.empty_like(curve.values)
    for i, value in enumerate(curve.values):
        if math.isfinite(value):
            mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        found[i] = mean / weight if weight else math.nan
    return Curve(curve.steps, found)


def read_samples(run: RunFolder) -> SampleSheet:
    """The newest picture for each step and prompt."""
    found: dict[tuple[int, int], SamplePicture] = {}
    prompts: dict[int, str] = {}
    for row in run.rows(SAMPLES):
        if not all(key in row for key in ("step", "index", "seed", "prompt")):
            continue
        step, index = row["step"], row["index"]
        path = None if row.get("file") is None else run.path / row["file"]
        # os.path.isfile, not Path.is_file: that one raises for a name that is too long.
        inside = path is not None and path.parent == run.samples and os.path.isfile(path)
        error = row.get("error")
        if path is not None and not inside:
            error = "the picture is gone"
        prompts[index] = row["prompt"]
        file = path if inside else None
        found[step, index] = SamplePicture(step, index, row["seed"], row["prompt"], file, error)
    return SampleSheet(
        prompts=tuple(prompts[index] for index in sorted(prompts)),
        steps=tuple(sorted({step for step, _ in found})),
        pictures=tuple(found[key] for key in sorted(found)),
    )


def sample_view(workspace: Workspace, run: RunFolder, picture: Path, side_px: int) -> Path:
    """A JPEG of a sample of at most `side_px` a side, made once, where the page may fetch it."""
    folder = workspace.looking / "runs" / run.name
    stamp = picture.stat().st_mtime_ns
    target = folder / f"{picture.stem}-{side_px}-{stamp}.jpg"
    if not target.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(picture, formats=FORMATS) as image:
            image.draft("RGB", (side_px, side_px))
            small = image.convert("RGB")
            small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS, reducing_gap=2.0)
        with whole_file(target) as part:
            small.save(part, format="JPEG", quality=92, subsampling=0)
    return target


def log_tail(run: RunFolder) -> str:
    """The last lines of log.txt, whole ones; of console.txt where the run never spoke."""
    for path in (run.log, run.path / "console.txt"):
        try:
            with path.open("rb") as file:
                end = file.seek(0, 2)
                file.seek(max(0, end - LOG_BYTES))
                text = file.read().decode("utf-8", errors="replace")
        except OSError:
            continue
        if text:
            return text if end <= LOG_BYTES else text.partition("\n")[2]
    return ""


def _curve(rows: Sequence[dict[str, Any]], key: str) -> Curve:
    pairs = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
    return _made(pairs)


def _of_band(rows: Sequence[dict[str, Any]], band: str) -> Curve:
    return _made([(row["step"], row["bands"][band]) for row in rows if band in row.get("bands", {})])


def _at(rows: Sequence[dict[str, Any]], sigma: float) -> Curve:
    return _made(
        [
            (row["step"], each["loss"])
            for row in rows
            for each in row.get("sigmas", [])
            if float(each["sigma"]) == sigma
        ]
    )


def _made(pairs: Sequence[tuple[Any, Any]]) -> Curve:
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return Curve(table[:, 0], table[:, 1])
