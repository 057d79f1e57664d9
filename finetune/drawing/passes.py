"""The passes that a picture is drawn in: composed small, then enlarged and drawn anew from low noise. No torch.

A model composes best at the size that it saw most, and knows fine detail at any size. So the small picture decides
what is where, and each larger one, drawn from the chosen noise level on, adds detail (SDEdit, arXiv 2108.01073, over an
enlarged picture; other tools call it "hires fix"). Drawn anew from little noise, an enlarged picture gains the detail
of about one octave, and what lay further below its pixels stays a blur: so a picture about doubles with each pass.

Not here: the enlarged picture under noise (`finetune.drawing.coarse_to_fine`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

MIN_REDRAW_STEPS = 4
WORTH_IT = 1.2
"""Times as many pixels as the model's own size; below that, composing small first would change little."""

SLACK = 0.1
"""Octaves: so little more than a doubling is still one pass."""

LONGEST = 2.0
"""Times its short side: models see hardly longer pictures, so longer ones are composed smaller than others."""

Size = tuple[int, int]
"""(width_px, height_px)"""


@dataclass(frozen=True, slots=True)
class Pass:
    """One run through the transformer's steps."""

    size: Size
    sigmas: tuple[float, ...]
    """Noise level before each step."""

    is_literal: bool
    """Whether the levels are meant as they stand; else the model's schedule shifts them for this size."""

    first: int
    """Steps of the picture that were taken before this pass."""

    @property
    def end(self) -> int:
        """Steps of the picture that are taken after this pass."""
        return self.first + len(self.sigmas)


def passes_of(
    size: Size,
    *,
    num_steps: int,
    composed: Size | None,
    coarse_first: float,
    strength: float | None = None,
    multiple_px: int,
) -> tuple[Pass, ...]:
    """One pass, or more where a smaller picture is to be composed first.

    Args:
        composed: Size of that picture; None for one pass.
        coarse_first: Noise level that later passes begin at; 0 for one pass.
        strength: Noise level of a picture that the first pass begins with; None where it begins with noise alone.
        multiple_px: What sides are multiples of.
    """
    if strength is None:
        sigmas, is_literal = tuple(np.linspace(1.0, 1.0 / num_steps, num_steps).tolist()), False
    else:
        sigmas, is_literal = redraw_sigmas(num_steps, strength), True
    # A picture that is changed less than the later passes would change it gains nothing from a first one.
    if not coarse_first or composed is None or sigmas[0] <= coarse_first:
        return (Pass(size, sigmas, is_literal, 0),)
    passes = [Pass(composed, sigmas, is_literal, 0)]
    for grown in grown_sizes(composed, size, multiple_px=multiple_px):
        passes.append(Pass(grown, redraw_sigmas(num_steps, coarse_first), True, passes[-1].end))
    return tuple(passes)


def composed_size(
    size: Size, side_px: int, *, by_short_side: bool = False, multiple_px: int, min_side_px: int
) -> Size | None:
    """The size in the shape of `size` that a model composes at; None where `size` is hardly larger.

    Args:
        side_px: Of the square that the model composes best.
        by_short_side: Other shapes have its short side, up to `LONGEST`; otherwise its area.
        multiple_px: What sides are multiples of.
        min_side_px: No side is shorter.
    """
    whole = max(min(size), max(size) / LONGEST) if by_short_side else math.sqrt(size[0] * size[1])
    shrink = side_px / whole
    if shrink**-2 < WORTH_IT:
        return None
    least = -(-min_side_px // multiple_px) * multiple_px
    width, height = (max(least, round(side * shrink / multiple_px) * multiple_px) for side in size)
    return width, height


def grown_sizes(small: Size, large: Size, *, multiple_px: int) -> tuple[Size, ...]:
    """Sizes after `small`, the last of them `large`: evenly spaced by ratio, sides multiples of `multiple_px`.

    No side grows to more than 2^(1 + SLACK) times in one step, but for the rounding.
    """
    octaves = math.log2(max(whole / side for side, whole in zip(small, large, strict=True)))
    count = max(1, math.ceil(octaves - SLACK))
    between = (
        tuple(
            round(side * (whole / side) ** (step / count) / multiple_px) * multiple_px
            for side, whole in zip(small, large, strict=True)
        )
        for step in range(1, count)
    )
    return *((width, height) for width, height in between), large


def redraw_sigmas(num_steps: int, sigma: float) -> tuple[float, ...]:
    """Noise levels from `sigma` down, evenly and as densely as `num_steps` from 1; four at least."""
    count = max(MIN_REDRAW_STEPS, math.ceil(num_steps * sigma))
    return tuple(sigma * (count - i) / count for i in range(count))
