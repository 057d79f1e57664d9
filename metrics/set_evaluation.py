"""Two folders of pictures compared: each metric's mean with its interval, and how far the sets lie apart.

Means of the generated set stand beside the reference's; a set's Compression Ratio is a ratio of sums, as published.
Not here: distances that need weights (`metrics.learned_sets`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from metrics.catalogue import card
from metrics.evaluate import WEIGHT_FREE, score_picture
from metrics.frechet import Features, GaussianStatistics, bootstrap_interval, too_few
from metrics.intervals import difference_interval, mean_interval, set_mean
from metrics.pictures import read_picture
from metrics.reference_set import KeptFeatures, MeasuredSet, NotKept, ReferenceSet
from metrics.score_table import Row, ScoreTable
from metrics.texture_frechet import FEATURES, texture_features, texture_frechet

SET_METRICS: tuple[str, ...] = (*WEIGHT_FREE, "texture_frechet")
"""What needs no weights; `metrics.learned_sets` has the others."""

LEARNED_SET_METRICS = ("fid", "kid", "fid_crops", "kid_crops", "cmmd")


def evaluate_sets(
    generated: Sequence[Path],
    reference: Sequence[Path] | ReferenceSet,
    *,
    metrics: Sequence[str],
    progress: bool = False,
    cache: Path | None = None,
    device: str = "cpu",
) -> tuple[ScoreTable, list[str]]:
    """A table of two rows, "generated" and "reference", and notes: intervals, real differences, warnings.

    Sets whose pictures have the same file names are compared in pairs. `cache` keeps the features of networks.
    A metric whose weights are missing, or that the reference set was measured without, is left out, and the table
    says why.

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
    if isinstance(reference, ReferenceSet):
        theirs = reference.plain
        for metric in plain:
            try:
                reference.require(metric)
            except NotKept as error:
                left_out[metric] = f"{metric}: {error}"
        plain = [metric for metric in plain if metric not in left_out]
        ours = _measured("generated", generated, plain, skipped, progress)
    else:
        ours = _measured("generated", generated, plain, skipped, progress)
        theirs = _measured("reference", reference, plain, skipped, progress)
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


def measure_reference(
    pictures: Sequence[Path],
    *,
    metrics: Sequence[str],
    short_side_px: int | None = None,
    progress: bool = False,
    cache: Path | None = None,
    device: str = "cpu",
) -> tuple[ReferenceSet, dict[str, str], dict[str, str]]:
    """(what sets are compared with, unreadable files, metrics left out; with reasons).

    Args:
        short_side_px: What whole pictures are brought to for FID and KID; the smallest one's short side if None.
            Pictures that are compared with the set later must not be smaller.

    Raises:
        ValueError: fewer than two readable pictures, or one that is smaller than `short_side_px`.
    """
    skipped: dict[str, str] = {}
    left_out: dict[str, str] = {}
    features: dict[str, KeptFeatures] = {}
    learned = [metric for metric in metrics if metric in LEARNED_SET_METRICS]
    side = 0
    if learned:
        from metrics.set_features import kept_features

        features, side, left_out = kept_features(
            pictures, learned, short_side_px, skipped, cache=cache, progress=progress, device=device
        )
    plain = [metric for metric in metrics if metric not in LEARNED_SET_METRICS]
    found = _measured("reference", pictures, plain, skipped, progress) if plain else MeasuredSet()
    versions = {metric: card(metric).version for metric in plain}
    return ReferenceSet(found, features, side, versions), skipped, left_out


def _measured(
    name: str, paths: Sequence[Path], metrics: Sequence[str], skipped: dict[str, str], progress: bool
) -> MeasuredSet:
    with tqdm(
        total=len(paths), desc=name, unit="picture", disable=None if progress else True, file=sys.stderr
    ) as bar:
        found = _measure(paths, metrics, skipped, bar)
    if len(found.names) < 2:
        raise ValueError(
            f"the {name} set has {len(found.names)} readable pictures; two are the least that can be compared"
            + "".join(f"\n  {reason}" for reason in skipped.values())
        )
    return found


def _measure(
    paths: Sequence[Path], metrics: Sequence[str], skipped: dict[str, str], bar: tqdm[None]
) -> MeasuredSet:
    alone = [metric for metric in metrics if metric != "texture_frechet"]
    found = MeasuredSet(scores={metric: [] for metric in alone})
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


def _comparison(metric: str, ours: MeasuredSet, theirs: MeasuredSet, *, paired: bool) -> str:
    raw = ours.raw_for(metric), theirs.raw_for(metric)
    low, high = mean_interval(ours.scores[metric], raw[0])
    below, above = difference_interval(ours.scores[metric], theirs.scores[metric], paired=paired, raw=raw)
    verdict = "a real difference" if below > 0 or above < 0 else "no real difference"
    return (
        f"{metric}: generated 95 % interval of the mean {low:.4g} to {high:.4g}; generated minus reference "
        f"{below:.4g} to {above:.4g}, {verdict}{' (in pairs)' if paired else ''}"
    )


def _texture(ours: MeasuredSet, theirs: MeasuredSet, notes: list[str]) -> float:
    first, second = (np.concatenate(found.texture) for found in (ours, theirs))
    rows = [len(one) for one in ours.texture], [len(one) for one in theirs.texture]

    def distance(one: Features, other: Features) -> float:
        return texture_frechet(GaussianStatistics.of(one), GaussianStatistics.of(other))

    low, high = bootstrap_interval(distance, first, second, rows=rows)
    notes.append(f"texture_frechet: redrawn sets give {low:.4g} to {high:.4g} (95 %)")
    if (warning := too_few(min(len(first), len(second)), len(FEATURES))) is not None:
        notes.append(f"texture_frechet: {warning.replace('pictures', 'patches', 1)}")
    return distance(first, second)
