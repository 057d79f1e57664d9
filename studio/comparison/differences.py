"""Pictures side by side: where two of them differ most in a metric, and which of their settings differ.

Not here: scoring (`metrics`), the score cache (`studio.comparison.score_cache`), the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PATCH_PX = 64
"""As `metrics.glcm` cuts. Metrics are imported when they measure first, which keeps the start of the page short."""


@dataclass(frozen=True, slots=True)
class Place:
    """A patch of the first picture, in its pixels, and how much the metric differs there."""

    x: int
    y: int
    width: int
    height: int
    first: float
    second: float


def where_they_differ(first: NDArray[np.uint8], second: NDArray[np.uint8], metric: str) -> Place:
    """The 64 px patch in which two pictures, (H, W, 3) uint8, differ most.

    Co-occurrence metrics are compared patch by patch; every other one through the energy of fine detail (its own band
    and level for `energy_*`), on a log scale. Pictures of different sizes are compared at equal relative places.

    Raises:
        ValueError: a side below 64 px.
    """
    ours, theirs = patch_values(first, metric), patch_values(second, metric)
    rows = np.arange(ours.shape[0]) * theirs.shape[0] // ours.shape[0]
    columns = np.arange(ours.shape[1]) * theirs.shape[1] // ours.shape[1]
    matched = theirs[rows[:, None], columns]
    row, column = np.unravel_index(int(np.abs(ours - matched).argmax()), ours.shape)
    return Place(
        x=int(column) * PATCH_PX,
        y=int(row) * PATCH_PX,
        width=PATCH_PX,
        height=PATCH_PX,
        first=float(ours[row, column]),
        second=float(matched[row, column]),
    )


def patch_values(pixels: NDArray[np.uint8], metric: str) -> NDArray[np.float64]:
    """What stands for a metric in each whole 64 px patch: (H // 64, W // 64)."""
    from metrics.glcm import patch_scores
    from metrics.glcm_map import glcm_map
    from metrics.glcm_properties import PROPERTIES

    if min(pixels.shape[:2]) < PATCH_PX:
        raise ValueError(
            f"a picture of {pixels.shape[1]} x {pixels.shape[0]} px has no patch of {PATCH_PX} px to compare; "
            "choose larger pictures"
        )
    if metric == "glcm_score":
        return patch_scores(pixels)
    name = metric.removeprefix("glcm_")
    if metric.startswith("glcm_") and name in PROPERTIES:
        return glcm_map(pixels, properties=(name,), window_px=PATCH_PX, stride_px=PATCH_PX)[name].astype(
            np.float64
        )
    kind, _, rest = metric.partition("_")
    band, _, level = rest.partition("_")
    if kind == "energy":
        return _log_energy(pixels, (band,), int(level))
    return _log_energy(pixels, ("lh", "hl", "hh"), 1)


def _log_energy(pixels: NDArray[np.uint8], bands: Sequence[str], level: int) -> NDArray[np.float64]:
    from metrics.subbands import decompose, luma

    found = decompose(luma(pixels), levels=level).details[level - 1]
    side = PATCH_PX >> level
    rows, columns = pixels.shape[0] // PATCH_PX, pixels.shape[1] // PATCH_PX
    total = np.zeros((rows, columns))
    for band in bands:
        square = np.square(getattr(found, band)[: rows * side, : columns * side], dtype=np.float64)
        total += square.reshape(rows, side, columns, side).mean((1, 3))
    logged: NDArray[np.float64] = np.log(total + 0.01)
    return logged


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting of the compared pictures."""

    name: str
    values: tuple[str, ...]
    """One a picture; empty where a picture does not have it."""

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


def settings_difference(records: Sequence[Mapping[str, Any]]) -> tuple[SettingRow, ...]:
    """Every setting of the pictures' records, those that differ first, each group in the records' order."""
    flat = [_flat(record) for record in records]
    names = list(dict.fromkeys(name for one in flat for name in one))
    rows = [SettingRow(name, tuple(one.get(name, "") for one in flat)) for name in names]
    return tuple(sorted(rows, key=lambda row: not row.differs))


def words_that_differ(first: str, second: str) -> tuple[tuple[str, bool], ...]:
    """The second prompt's words, each with whether the first lacks it (case and punctuation aside)."""
    known = {_bare(word) for word in first.split()}
    return tuple((word, _bare(word) not in known) for word in second.split())


_LEFT_OUT = frozenset({"id", "created_at", "record_version", "notes", "repairs"})


def _flat(record: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in record.items():
        if name in _LEFT_OUT:
            continue
        if isinstance(value, Mapping):
            prefix = "" if name == "settings" else f"{name.removesuffix('_s')} "
            found |= {
                f"{prefix}{inner}".replace("_", " "): _word(entry)
                for inner, entry in _opened(value).items()
                if inner not in _LEFT_OUT
            }
        else:
            found[name.replace("_", " ")] = _word(value)
    return found


def _opened(values: Mapping[str, Any]) -> dict[str, Any]:
    """A setting that holds settings, such as what a picture began from, as a line for each."""
    opened: dict[str, Any] = {}
    for name, value in values.items():
        parts = (
            {f"{name} {inner}": entry for inner, entry in value.items()}
            if isinstance(value, Mapping)
            else None
        )
        opened |= {name: value} if parts is None else parts
    return opened


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bare(word: str) -> str:
    return word.strip(",.;:!?\"'()").casefold()
