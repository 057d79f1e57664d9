"""Features of sets of pictures: made once for each file, extractor and view, and read back after that.

Imports torch through the extractors. Not here: distances (`metrics.learned_sets`), the networks (`metrics.features`).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from metrics.compression import PUBLISHED, through_jpeg
from metrics.features import ClipExtractor, Extractor, InceptionExtractor, aligned_crops, shrunken
from metrics.frechet import Features
from metrics.pictures import FORMATS, read_picture
from metrics.reference_set import KeptFeatures

FROM_CROPS = ("fid_crops", "kid_crops")
FROM_CLIP = ("cmmd",)


class Views(NamedTuple):
    """What an extractor is shown of a picture."""

    name: str
    of: Callable[[NDArray[np.uint8]], list[NDArray[np.uint8]]]


Rows = list[Features]
"""Features of a set, (views, D) a picture."""


class Networks:
    """Extractors by name, each opened once; one that cannot be had is asked for once."""

    def __init__(self, given: Mapping[str, Extractor] | None = None, *, device: str = "cpu") -> None:
        """`given` are used in place of the published ones."""
        self._open, self._device = dict(given or {}), device
        self._lacking: dict[str, str] = {}

    def get(self, name: str) -> Extractor:
        """ "inception" or "clip". Raises ValueError where its weights are missing."""
        if name in self._lacking:
            raise ValueError(self._lacking[name])
        if name not in self._open:
            try:
                self._open[name] = (ClipExtractor if name == "clip" else InceptionExtractor)(
                    device=self._device
                )
            except ValueError as error:
                self._lacking[name] = str(error)
                raise
        return self._open[name]

    def of(self, metrics: Sequence[str], left_out: dict[str, str]) -> Iterator[tuple[str, str, Extractor]]:
        """(metric, kind of views, its extractor) of each metric; of those without weights, why into `left_out`."""
        for metric in metrics:
            kind, network = looks(metric)
            try:
                extractor = self.get(network)
            except ValueError as error:
                left_out[metric] = str(error)
            else:
                yield metric, kind, extractor


def looks(metric: str) -> tuple[str, str]:
    """(kind of views, network) of a metric: "whole", "crops" or "clip"; "inception" or "clip"."""
    kind = "clip" if metric in FROM_CLIP else "crops" if metric in FROM_CROPS else "whole"
    return kind, "clip" if kind == "clip" else "inception"


def views_of(kind: str, short_side_px: int) -> Views:
    if kind == "crops":
        return Views("crops", aligned_crops)
    if kind == "clip":
        return Views("clip", lambda image: [image])
    return Views(f"short side {short_side_px}", lambda image: [shrunken(image, short_side_px)])


def through_published_jpeg(views: Views) -> Views:
    return Views(f"{views.name}, {PUBLISHED.description}", lambda image: views.of(through_jpeg(image)))


def kept_features(
    pictures: Sequence[Path],
    metrics: Sequence[str],
    short_side_px: int | None,
    skipped: dict[str, str],
    *,
    extractors: Mapping[str, Extractor] | None = None,
    cache: Path | None = None,
    progress: bool = False,
    device: str = "cpu",
) -> tuple[dict[str, KeptFeatures], int, dict[str, str]]:
    """(features by kind of views, the short side they were brought to, metrics left out with reasons) of a reference.

    Raises:
        ValueError: fewer than two readable pictures, or one that is smaller than `short_side_px`.
    """
    least = min(short_side(path) for path in pictures)
    side = least if short_side_px is None else short_side_px
    if side > least:
        raise ValueError(
            f"a picture is {least} px at its short side, and none is enlarged; take --short-side {least} or less"
        )
    found: dict[str, KeptFeatures] = {}
    left_out: dict[str, str] = {}
    for _, kind, extractor in Networks(extractors, device=device).of(metrics, left_out):
        if kind not in found:
            views = views_of(kind, side)
            (rows,) = gathered([("reference", pictures, views)], extractor, cache, skipped, progress)
            found[kind] = KeptFeatures(extractor.name, views.name, rows)
    return found, side, left_out


def gathered(
    sets: Sequence[tuple[str, Sequence[Path], Views]],
    extractor: Extractor,
    cache: Path | None,
    skipped: dict[str, str],
    progress: bool,
) -> list[Rows]:
    """Features of each set of (name, pictures, what is looked at of them)."""
    found = []
    total = sum(len(paths) for _, paths, _ in sets)
    with tqdm(
        total=total,
        desc=sets[-1][2].name,
        unit="picture",
        disable=None if progress else True,
        file=sys.stderr,
    ) as bar:
        for name, paths, views in sets:
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
    return found


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


def short_side(path: Path) -> int:
    try:
        with Image.open(path, formats=FORMATS) as image:
            return min(image.size)
    except (OSError, ValueError, Image.DecompressionBombError):
        return sys.maxsize  # its reader will say why
