"""FID, KID, their 1:1 crops, and CMMD between two folders, or a folder and a kept reference set.

Imports torch. Not here: the features (`metrics.set_features`), the distances themselves (`metrics.frechet`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from metrics.features import Extractor
from metrics.frechet import (
    Features,
    GaussianStatistics,
    bootstrap_interval,
    cmmd,
    cubic_kernel_distance,
    frechet_distance,
    halves_interval,
    kernel_inception_distance,
    too_few,
)
from metrics.reference_set import NotKept, ReferenceSet
from metrics.set_features import (
    FROM_CROPS,
    Networks,
    Rows,
    gathered,
    looks,
    short_side,
    through_published_jpeg,
    views_of,
)

# Each draw of a Frechet distance solves two eigenproblems of 2,048: seconds, not milliseconds.
NUM_DRAWS, NUM_FRECHET_DRAWS = 200, 20


def learned_distances(
    generated: Sequence[Path],
    reference: Sequence[Path] | ReferenceSet,
    *,
    metrics: Sequence[str],
    extractors: Mapping[str, Extractor] | None = None,
    cache: Path | None = None,
    progress: bool = False,
    device: str = "cpu",
    as_published: bool = False,
) -> tuple[dict[str, float], list[str], dict[str, str], dict[str, str]]:
    """(value by metric, notes with intervals and warnings, unreadable files, metrics left out; with reasons).

    A metric whose weights are missing, or that the reference set was measured without, is left out; the others are
    computed.

    Args:
        metrics: Of `set_evaluation.LEARNED_SET_METRICS`.
        extractors: "inception" and "clip", to use in place of the published ones.
        cache: Where features are kept, by the content of each file, extractor and view; None keeps none.
        as_published: The generated pictures as JPEG files of quality 95, 4:2:0, as the published evaluation reads them.

    Raises:
        ValueError: a set has fewer than two readable pictures, or pictures smaller than the reference set's.
    """
    short_side_px = _shared_side(generated, reference, metrics)
    skipped: dict[str, str] = {}
    values: dict[str, float] = {}
    notes: list[str] = []
    left_out: dict[str, str] = {}
    found: dict[str, tuple[Rows, Rows]] = {}
    for metric, kind, extractor in Networks(extractors, device=device).of(metrics, left_out):
        if kind not in found:
            views = views_of(kind, short_side_px)
            sets = [("generated", generated, through_published_jpeg(views) if as_published else views)]
            kept: list[Rows] = []
            if isinstance(reference, ReferenceSet):
                try:
                    kept.append(reference.rows(kind, extractor.name, views.name))
                except NotKept as error:
                    left_out[metric] = f"{metric}: {error}"
                    continue
            else:
                sets.append(("reference", reference, views))
            ours, theirs = [*gathered(sets, extractor, cache, skipped, progress), *kept]
            found[kind] = ours, theirs
        values[metric], told = _distance(metric, *found[kind])
        notes += told
    if "fid" in values or "kid" in values:
        notes.append(f"fid and kid: every picture's short side was brought to {short_side_px} px first")
    return values, notes, skipped, left_out


def _shared_side(
    generated: Sequence[Path], reference: Sequence[Path] | ReferenceSet, metrics: Sequence[str]
) -> int:
    """What whole pictures of both sets are brought to."""
    ours = min(short_side(path) for path in generated)
    if not isinstance(reference, ReferenceSet):
        return min(ours, *(short_side(path) for path in reference))
    side = reference.short_side_px
    if ours < side and any(looks(metric)[0] == "whole" for metric in metrics):
        raise ValueError(
            f"a generated picture is {ours} px at its short side, the reference set was measured at {side} px, and "
            f"none is enlarged; measure the reference again with --short-side {ours}, or leave the picture out"
        )
    return side


def _distance(metric: str, our_rows: Rows, their_rows: Rows) -> tuple[float, list[str]]:
    ours, theirs = np.concatenate(our_rows), np.concatenate(their_rows)
    rows = [len(one) for one in our_rows], [len(one) for one in their_rows]
    if metric.startswith("kid"):
        mean, _ = kernel_inception_distance(ours, theirs)
        low, high = halves_interval(cubic_kernel_distance, ours, theirs, rows=rows)
        return mean, [f"{metric}: sets of other pictures would give {low:.4g} to {high:.4g} (95 %)"]
    if metric == "cmmd":
        low, high = bootstrap_interval(cmmd, ours, theirs, rows=rows, num_draws=NUM_DRAWS)
        return cmmd(ours, theirs), [f"cmmd: redrawn sets give {low:.4g} to {high:.4g} (95 %)"]

    def distance(first: Features, second: Features) -> float:
        return frechet_distance(GaussianStatistics.of(first), GaussianStatistics.of(second))

    large = ours.shape[1] > 256
    low, high = bootstrap_interval(
        distance, ours, theirs, rows=rows, num_draws=NUM_FRECHET_DRAWS if large else NUM_DRAWS
    )
    notes = [f"{metric}: redrawn sets give {low:.4g} to {high:.4g} (95 %)"]
    if (warning := too_few(min(len(ours), len(theirs)), ours.shape[1])) is not None:
        notes.append(
            f"{metric}: {warning.replace('pictures', 'crops', 1) if metric in FROM_CROPS else warning}"
        )
    return distance(ours, theirs), notes
