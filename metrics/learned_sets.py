"""FID, KID, their 1:1 crops, and CMMD between two folders; features of unchanged files are read back, not made again.

Imports torch through the extractors. Not here: the distances (`metrics.frechet`), the networks (`metrics.features`).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from metrics.compression import PUBLISHED, through_jpeg
from metrics.features import ClipExtractor, Extractor, InceptionExtractor, aligned_crops, shrunken
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
from metrics.pictures import FORMATS, read_picture

FROM_CROPS = ("fid_crops", "kid_crops")
FROM_CLIP = ("cmmd",)
# Each draw of a Frechet distance solves two eigenproblems of 2,048: seconds, not milliseconds.
NUM_DRAWS, NUM_FRECHET_DRAWS = 200, 20


class Views(NamedTuple):
    """What an extractor is shown of a picture."""

    name: str
    of: Callable[[NDArray[np.uint8]], list[NDArray[np.uint8]]]


_Rows = list[Features]
"""Features of a set, (views, D) a picture."""


def learned_distances(
    generated: Sequence[Path],
    reference: Sequence[Path],
    *,
    metrics: Sequence[str],
    extractors: Mapping[str, Extractor] | None = None,
    cache: Path | None = None,
    progress: bool = False,
    device: str = "cpu",
    as_published: bool = False,
) -> tuple[dict[str, float], list[str], dict[str, str], dict[str, str]]:
    """(value by metric, notes with intervals and warnings, unreadable files, metrics left out; with reasons).

    A metric whose weights are missing is left out; the others are computed.

    Args:
        metrics: Of `set_evaluation.LEARNED_SET_METRICS`.
        extractors: "inception" and "clip", to use in place of the published ones.
        cache: Where features are kept, by the content of each file, extractor and view; None keeps none.
        as_published: The generated pictures as JPEG files of quality 95, 4:2:0, as the published evaluation reads them.

    Raises:
        ValueError: a set has fewer than two readable pictures.
    """
    short_side_px = min(_short_side(path) for path in (*generated, *reference))
    given = dict(extractors) if extractors is not None else {}
    skipped: dict[str, str] = {}
    values: dict[str, float] = {}
    notes: list[str] = []
    lacking: dict[str, str] = {}
    left_out: dict[str, str] = {}
    gathered: dict[str, tuple[_Rows, _Rows]] = {}
    for metric in metrics:
        kind = "clip" if metric in FROM_CLIP else "crops" if metric in FROM_CROPS else "whole"
        network = "clip" if kind == "clip" else "inception"
        if network not in given and network not in lacking:
            try:
                given[network] = _opened(network, device)
            except ValueError as error:
                lacking[network] = str(error)
        if network in lacking:
            left_out[metric] = lacking[network]
            continue
        if kind not in gathered:
            views = _views(kind, short_side_px)
            gathered[kind] = _both(
                (generated, _through_jpeg(views) if as_published else views),
                (reference, views),
                *(given[network], cache, skipped, progress),
            )
        values[metric], told = _distance(metric, *gathered[kind])
        notes += told
    if "fid" in values or "kid" in values:
        notes.append(f"fid and kid: every picture's short side was brought to {short_side_px} px first")
    return values, notes, skipped, left_out


def _opened(network: str, device: str) -> Extractor:
    return ClipExtractor(device=device) if network == "clip" else InceptionExtractor(device=device)


def _views(kind: str, short_side_px: int) -> Views:
    if kind == "crops":
        return Views("crops", aligned_crops)
    if kind == "clip":
        return Views("clip", lambda image: [image])
    return Views(f"short side {short_side_px}", lambda image: [shrunken(image, short_side_px)])


def _through_jpeg(views: Views) -> Views:
    return Views(f"{views.name}, {PUBLISHED.description}", lambda image: views.of(through_jpeg(image)))


def _both(
    generated: tuple[Sequence[Path], Views],
    reference: tuple[Sequence[Path], Views],
    extractor: Extractor,
    cache: Path | None,
    skipped: dict[str, str],
    progress: bool,
) -> tuple[_Rows, _Rows]:
    found = []
    total = len(generated[0]) + len(reference[0])
    with tqdm(
        total=total,
        desc=reference[1].name,
        unit="picture",
        disable=None if progress else True,
        file=sys.stderr,
    ) as bar:
        for name, (paths, views) in (("generated", generated), ("reference", reference)):
            rows = []
            for path in paths:
                bar.update()
                try:
                    rows.append(_features(path, extractor, views, cache))
                except ValueError as error:
                    skipped[str(path)] = str(error)
            if len(rows) < 2:
                raise ValueError(
                    f"the {name} set has {len(rows)} pictures that can be measured; two are the least"
                    + "".join(f"\n  {reason}" for reason in skipped.values())
                )
            found.append(rows)
    return found[0], found[1]


def _features(path: Path, extractor: Extractor, views: Views, cache: Path | None) -> Features:
    """(views, D) float64 of one file."""
    if cache is None:
        return extractor.features(views.of(read_picture(path).pixels))
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    key = hashlib.sha256(f"{content} {extractor.name} {views.name}".encode()).hexdigest()[:32]
    kept = cache / f"{key}.npy"
    try:
        return np.asarray(np.load(kept, allow_pickle=False), np.float64)
    except (OSError, ValueError, EOFError):  # not there, or cut off: made again
        found = extractor.features(views.of(read_picture(path).pixels))
    cache.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f".{kept.stem}.{os.getpid()}-{secrets.token_hex(4)}.part")
    with part.open("wb") as file:
        np.save(file, found)
    os.replace(part, kept)
    return found


def _distance(metric: str, our_rows: _Rows, their_rows: _Rows) -> tuple[float, list[str]]:
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


def _short_side(path: Path) -> int:
    try:
        with Image.open(path, formats=FORMATS) as image:
            return min(image.size)
    except (OSError, ValueError, Image.DecompressionBombError):
        return sys.maxsize  # its reader will say why
