"""Marks that generators leave: fine stripes, a grid of 16 or 32 px, tile seams. A score, a verdict, a place each.

Thresholds were set on real pictures with marks of 1 to 8 grey levels planted in them (`tests/bench/artefact_roc.py`).
Not here: how they are measured (`metrics.artefact_stripes`, `metrics.artefact_lines`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metrics.artefact_lines import GridFinding, SeamFinding, grids, line_profiles, strongest_seam
from metrics.artefact_stripes import strongest_stripes
from metrics.subbands import luma

MIN_SIDE_PX = 64

Kind = Literal["stripes", "grid", "seam"]
Direction = Literal["horizontal", "vertical", "both"]


@dataclass(frozen=True, slots=True)
class Artefact:
    """One kind of mark, found or not."""

    kind: Kind
    score: float
    """In [0, 1], higher is worse; 0.5 is the threshold."""

    found: bool
    period_px: float | None
    """Of the stripes or the grid; none for a seam."""

    direction: Direction
    """Of the lines themselves."""

    place: tuple[int, int, int, int]
    """x, y, w, h in pixels: where it is, or where it would most likely be."""

    sentence: str


def find_artefacts(image: NDArray[np.uint8]) -> tuple[Artefact, ...]:
    """Look for all three kinds in (H, W, 3) RGB uint8: stripes, grid, seam, in this order, found or not.

    Raises:
        ValueError: another shape or dtype, or a side below 64 px.
    """
    grey = luma(image)
    if min(grey.shape) < MIN_SIDE_PX:
        raise ValueError(
            f"the picture is {grey.shape[1]} x {grey.shape[0]} px; artefacts need {MIN_SIDE_PX} x {MIN_SIDE_PX}"
        )
    rows, columns = line_profiles(grey)
    height, width = grey.shape
    return (
        _stripes(grey),
        _grid(grids(rows), grids(columns), width, height),
        _seam(strongest_seam(rows), strongest_seam(columns), width, height),
    )


def _stripes(grey: NDArray[np.float32]) -> Artefact:
    vertical, horizontal = strongest_stripes(grey)
    strongest = max(vertical, horizontal, key=lambda finding: finding.strength)
    direction: Direction = "vertical" if strongest is vertical else "horizontal"
    if min(vertical.strength, horizontal.strength) >= 1:
        direction = "both"
    found = strongest.strength >= 1
    what = {"vertical": "Vertical", "horizontal": "Horizontal", "both": "Crossed"}[direction]
    sentence = (
        f"{what} stripes every {strongest.period_px:.3g} px, about {strongest.levels:.2g} grey levels high."
    )
    return Artefact(
        "stripes",
        _score(strongest.strength),
        found,
        strongest.period_px,
        direction,
        strongest.place,
        sentence if found else "No fine stripes.",
    )


def _grid(
    rows: tuple[GridFinding, ...], columns: tuple[GridFinding, ...], width: int, height: int
) -> Artefact:
    """Between rows lie horizontal lines, between columns vertical ones."""
    blocks = max(rows[0].strength, columns[0].strength)  # 8 px: a codec's, not a model's
    index = max((1, 2), key=lambda i: max(rows[i].strength, columns[i].strength))
    row, column = rows[index], columns[index]
    strongest = max(row, column, key=lambda finding: finding.strength)
    direction: Direction = "horizontal" if strongest is row else "vertical"
    if min(row.strength, column.strength) >= 1:
        direction = "both"
    found = strongest.strength >= 1
    period: int | None = strongest.period_px
    if found:
        sentence = f"Lines repeat every {period} px, as a decoder's or a patch's grid does."
    elif blocks >= 1:
        period = 8
        sentence = "Blocks of 8 px, as JPEG leaves them; no grid of 16 or 32 px."
    else:
        period = None
        sentence = "No grid of 16 or 32 px."
    first = strongest.first_line % strongest.period_px
    place = (first, 0, width - first, height) if strongest is column else (0, first, width, height - first)
    return Artefact("grid", _score(strongest.strength), found, period, direction, place, sentence)


def _seam(between_rows: SeamFinding, between_columns: SeamFinding, width: int, height: int) -> Artefact:
    strongest = max(between_rows, between_columns, key=lambda finding: finding.strength)
    horizontal = strongest is between_rows
    line = strongest.line
    found = strongest.strength >= 1
    what = f"row {line}" if horizontal else f"column {line}"
    return Artefact(
        "seam",
        _score(strongest.strength),
        found,
        None,
        "horizontal" if horizontal else "vertical",
        (0, line - 1, width, 2) if horizontal else (line - 1, 0, 2, height),
        f"A seam before {what}, a step of about {strongest.levels:.2g} grey levels."
        if found
        else "No tile seam.",
    )


def _score(strength: float) -> float:
    """1 becomes 0.5; the score nears 1 as a mark stands out more."""
    return strength / (1 + strength)
