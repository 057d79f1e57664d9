"""Two folders of pictures compared: each metric's mean with its interval, and how far the sets lie apart.

Means of the generated set stand beside the reference's; a set's Compression Ratio is a ratio of sums, as published.
Not here: distances that need weights (`metrics.learned_sets`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from metrics.catalogue import RATIOS
from metrics.evaluate import WEIGHT_FREE, score_picture
from metrics.frechet import Features, GaussianStatistics, bootstrap_interval, too_few
from metrics.intervals import difference_interval, mean_interval, set_mean
from metrics.pictures import read_picture
from metrics.score_table import Row, ScoreTable
from metrics.texture_frechet import FEATURES, texture_features, texture_frechet

SET_METRICS: tuple[str, ...] = (*WEIGHT_FREE, "texture_frechet")
"""What needs no weights; `metrics.learned_sets` has the others."""

LEARNED_SET_METRICS = ("fid", "kid", "fid_crops", "kid_crops", "cmmd")


@dataclass(slots=True)
class _Set:
    """What is kept of a set while its pictures pass, one at a time."""

    scores: dict[str, list[float]] = field(default_factory=dict)
    raw_bytes: list[int] = field(default_factory=list)
    texture: list[NDArray[np.float64]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def raw_for(self, metric: str) -> list[int] | None:
        """As `metrics.intervals` wants it."""
        return self.raw_bytes if metric in RATIOS else None


def evaluate_sets(
    generated: Sequence[Path],
    reference: Sequence[Path],
    *,
    metrics: Sequence[str],
    progress: bool = False,
    cache: Path | None = None,
    device: str = "cpu",
) -> tuple[ScoreTable, list[str]]:
    """A table of two rows, "generated" and "reference", and notes: intervals, real differences, warnings.

    Sets whose pictures have the same file names are compared in pairs. `cache` keeps the features of networks.
    A metric whose weights are missing is left out, and the table says why.

    Raises:
        ValueError: fewer than two readable pictures in a set, or pictures too small for a metric.
    """
    skipped: dict[str, str] = {}
    learned = [metric for metric in metrics if metric in LEARNED_SET_METRICS]
    distances: dict[str, float] = {}
    told: list[str] = []
    left_out: dict[str, str] = {}
    if learned:
        from metrics.learned_sets import learned_distances

        distances, told, skipped, left_out = learned_distances(
            generated, reference, metrics=learned, cache=cache, progress=progress, device=device
        )
        if len(learned) == len(metrics):
            rows = (Row("generated", distances), Row("reference", {}))
            return ScoreTable(tuple(distances), rows, skipped, left_out), told
    plain = [metric for metric in metrics if metric not in LEARNED_SET_METRICS]
    bar = tqdm(
        total=len(generated) + len(reference),
        unit="picture",
        disable=None if progress else True,
        file=sys.stderr,
    )
    with bar:
        ours, theirs = (_measure(paths, plain, skipped, bar) for paths in (generated, reference))
    for name, found in (("generated", ours), ("reference", theirs)):
        if len(found.names) < 2:
            raise ValueError(
                f"the {name} set has {len(found.names)} readable pictures; two are the least that can be compared"
                + "".join(f"\n  {reason}" for reason in skipped.values())
            )
    values: tuple[dict[str, float], dict[str, float]] = (dict(distances), {})
    notes: list[str] = list(told)
    paired = ours.names == theirs.names
    for metric in plain:
        if metric == "texture_frechet":
            values[0][metric] = _texture(ours, theirs, notes)
            continue
        for found, row in zip((ours, theirs), values, strict=True):
            row[metric] = set_mean(found.scores[metric], found.raw_for(metric))
        notes.append(_comparison(metric, ours, theirs, paired=paired))
    rows = (Row("generated", values[0]), Row("reference", values[1]))
    measured = tuple(metric for metric in metrics if metric not in left_out)
    return ScoreTable(measured, rows, skipped, left_out), notes


def _measure(paths: Sequence[Path], metrics: Sequence[str], skipped: dict[str, str], bar: tqdm[None]) -> _Set:
    alone = [metric for metric in metrics if metric != "texture_frechet"]
    found = _Set(scores={metric: [] for metric in alone})
    for path in paths:
        bar.update()
        try:
            pixels = read_picture(path).pixels
            scores = score_picture(pixels, metrics=alone)
            texture = texture_features(pixels) if "texture_frechet" in metrics else None
        except ValueError as error:
            skipped[str(path)] = str(error)
            continue
        for metric in alone:
            found.scores[metric].append(scores[metric].value)
        if texture is not None:
            found.texture.append(texture)
        found.raw_bytes.append(pixels.nbytes)
        found.names.append(path.stem)
    return found


def _comparison(metric: str, ours: _Set, theirs: _Set, *, paired: bool) -> str:
    raw = ours.raw_for(metric), theirs.raw_for(metric)
    low, high = mean_interval(ours.scores[metric], raw[0])
    below, above = difference_interval(ours.scores[metric], theirs.scores[metric], paired=paired, raw=raw)
    verdict = "a real difference" if below > 0 or above < 0 else "no real difference"
    return (
        f"{metric}: generated 95 % interval of the mean {low:.4g} to {high:.4g}; generated minus reference "
        f"{below:.4g} to {above:.4g}, {verdict}{' (in pairs)' if paired else ''}"
    )


def _texture(ours: _Set, theirs: _Set, notes: list[str]) -> float:
    first, second = (np.concatenate(found.texture) for found in (ours, theirs))
    rows = [len(one) for one in ours.texture], [len(one) for one in theirs.texture]

    def distance(one: Features, other: Features) -> float:
        return texture_frechet(GaussianStatistics.of(one), GaussianStatistics.of(other))

    low, high = bootstrap_interval(distance, first, second, rows=rows)
    notes.append(f"texture_frechet: redrawn sets give {low:.4g} to {high:.4g} (95 %)")
    if (warning := too_few(min(len(first), len(second)), len(FEATURES))) is not None:
        notes.append(f"texture_frechet: {warning.replace('pictures', 'patches', 1)}")
    return distance(first, second)
