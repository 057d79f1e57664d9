"""A reference set measured once and kept in one file, to compare with where its pictures are not at hand.

What a distance needs of real pictures are their features: some megabytes where the pictures are gigabytes, or nobody's
to hand on. Features compare with those of the same extractor and the same views alone, which the file names.
NumPy alone. Not here: measuring (`metrics.set_evaluation`), distances (`metrics.learned_sets`, `metrics.frechet`).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.catalogue import RATIOS, card
from metrics.frechet import Features

SUFFIX = ".npz"
FORMAT = 1
_LIMIT_BYTES = 4 * 2**30
"""Of all arrays, unpacked: a file of others may be made to fill a memory."""


class NotKept(ValueError):
    """The file does not hold what a metric needs."""


@dataclass(slots=True)
class MeasuredSet:
    """What is kept of a set while its pictures pass, one at a time."""

    scores: dict[str, list[float]] = field(default_factory=dict)
    """A number for each picture, by metric."""

    raw_bytes: list[int] = field(default_factory=list)
    texture: list[NDArray[np.float64]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def raw_for(self, metric: str) -> list[int] | None:
        """As `metrics.intervals` wants it."""
        return self.raw_bytes if metric in RATIOS else None


class KeptFeatures(NamedTuple):
    """Features of each picture, (views, D), with what made them."""

    extractor: str
    views: str
    rows: list[Features]


@dataclass(frozen=True, slots=True)
class ReferenceSet:
    """What sets are compared with."""

    plain: MeasuredSet
    """Of metrics that need no weights."""

    features: Mapping[str, KeptFeatures] = field(default_factory=dict)
    """By the kind of views: "whole", "crops" or "clip"."""

    short_side_px: int = 0
    """What the short side of every picture is brought to before the whole of it is looked at."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """Of the metrics in `plain`, when they were measured."""

    def rows(self, kind: str, extractor: str, views: str) -> list[Features]:
        """Features that compare with those of this extractor and these views.

        Raises:
            NotKept: there are none, or others.
        """
        kept = self.features.get(kind)
        if kept is None:
            raise NotKept(f"the reference set was measured without it{_again()}")
        if (kept.extractor, kept.views) != (extractor, views):
            raise NotKept(
                f"the reference set holds features of {kept.extractor} ({kept.views}), which do not compare with "
                f"{extractor} ({views}){_again()}"
            )
        return kept.rows

    def require(self, metric: str) -> None:
        """A metric without weights, as it is measured today.

        Raises:
            NotKept: it is not there, or of another version.
        """
        is_there = bool(self.plain.texture) if metric == "texture_frechet" else metric in self.plain.scores
        if not is_there:
            raise NotKept(f"the reference set was measured without it{_again(metric)}")
        if self.versions.get(metric) != card(metric).version:
            raise NotKept(
                f"the reference set was measured by version {self.versions.get(metric)} of it, here is version "
                f"{card(metric).version}{_again(metric)}"
            )

    def save(self, path: Path) -> None:
        """Write it whole to a file that ends in .npz. Raises OSError where the disk refuses."""
        arrays: dict[str, Any] = {}
        header: dict[str, Any] = {
            "format": FORMAT,
            "names": self.plain.names,
            "raw_bytes": self.plain.raw_bytes,
            "short_side_px": self.short_side_px,
            "versions": dict(self.versions),
            "features": {},
        }
        for metric, values in self.plain.scores.items():
            arrays[f"score {metric}"] = np.array(values, np.float64)
        groups = {kind: kept.rows for kind, kept in self.features.items()}
        if self.plain.texture:
            groups["texture"] = self.plain.texture
        for kind, rows in groups.items():
            arrays[f"features {kind}"] = _smallest(np.concatenate(rows))
            arrays[f"rows {kind}"] = np.array([len(one) for one in rows], np.int64)
        for kind, kept in self.features.items():
            header["features"][kind] = {"extractor": kept.extractor, "views": kept.views}
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> ReferenceSet:
        """Raises ValueError for a file that is no reference set, or one of a newer version."""
        try:
            arrays = _arrays(path)
            header = json.loads(arrays["header"].tobytes())
            if header["format"] != FORMAT:
                raise ValueError(f"its format is {header['format']}, this version reads {FORMAT}")
            names = [str(name) for name in header["names"]]
            scores = {
                key.removeprefix("score "): _numbers(values, len(names))
                for key, values in arrays.items()
                if key.startswith("score ")
            }
            raw = [int(size) for size in header["raw_bytes"]]
            if scores and len(raw) != len(names):
                raise ValueError("its pictures are not counted alike")
            texture = _split(arrays, "texture") if "features texture" in arrays else []
            features = {
                str(kind): KeptFeatures(str(told["extractor"]), str(told["views"]), _split(arrays, kind))
                for kind, told in header["features"].items()
            }
            side, versions = int(header["short_side_px"]), dict(header["versions"])
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            EOFError,
            zipfile.BadZipFile,
        ) as error:
            raise ValueError(
                f"{path.name} is no reference set ({error}); make one of a folder of pictures: d4k reference DIR "
                f"--out FILE{SUFFIX}"
            ) from error
        return cls(MeasuredSet(scores, raw, texture, names), features, side, versions)


def _again(metric: str = "NAME") -> str:
    return f"; measure its pictures again: d4k reference DIR --out FILE{SUFFIX} --metric {metric}"


def _smallest(values: Features) -> NDArray[np.floating]:
    """As float32 where that loses nothing, as what networks put out."""
    single = values.astype(np.float32)
    return single if np.array_equal(single.astype(np.float64), values) else values


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(one.file_size for one in archive.infolist())
    if unpacked > _LIMIT_BYTES:
        raise ValueError(
            f"it unpacks to {unpacked / 2**30:.0f} GiB, at most {_LIMIT_BYTES / 2**30:.0f} are read"
        )
    with np.load(path, allow_pickle=False) as kept:
        return {key: kept[key] for key in kept.files}


def _numbers(values: NDArray[Any], count: int) -> list[float]:
    if values.shape != (count,):
        raise ValueError(f"it holds {values.shape} scores of {count} pictures")
    return [float(value) for value in values]


def _split(arrays: Mapping[str, NDArray[Any]], kind: str) -> list[Features]:
    """(views, D) float64 for each picture."""
    values, rows = np.asarray(arrays[f"features {kind}"], np.float64), arrays[f"rows {kind}"]
    if (
        values.ndim != 2
        or not np.isfinite(values).all()
        or rows.min(initial=1) < 1
        or rows.sum() != len(values)
    ):
        raise ValueError(f"its features of kind {kind!r} are damaged")
    return np.split(values, np.cumsum(rows)[:-1])
