"""Coarse first: a picture is composed at the model's own size, enlarged, and drawn anew at full size from low noise.

A model composes best at the size that it saw most, and knows fine detail at any size. So the small picture decides
what is where, and what is drawn at full size, from the chosen noise level on, decides the detail (SDEdit, arXiv
2108.01073, over an enlarged picture; other tools call it "hires fix"). No torch: the steps are
`studio.pipeline.denoising`'s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from finetune.drawing.redraw_sigmas import redraw_sigmas
from studio.models.catalogue import ModelEntry
from studio.render_request import MIN_SIDE_PX, RenderRequest

WORTH_IT = 1.5
"""Times as many pixels as the model's own size; below that, composing small first would change little."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One run through the transformer's steps."""

    size: tuple[int, int]
    """(width_px, height_px)"""

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


def plan_passes(
    request: RenderRequest, entry: ModelEntry, size: tuple[int, int], *, multiple_px: int
) -> tuple[Pass, ...]:
    """One pass, or two where the request asks for a coarse one and the picture is large enough.

    The first begins from noise alone, or from the request's picture under noise of its strength.

    Args:
        size: (width_px, height_px) that is drawn.
        multiple_px: What sides are multiples of.
    """
    steps = request.num_inference_steps
    if request.init is None:
        first_sigmas, is_literal = tuple(np.linspace(1.0, 1.0 / steps, steps).tolist()), False
    else:
        first_sigmas, is_literal = redraw_sigmas(steps, request.init.strength), True
    coarse = coarse_size(entry, size, multiple_px=multiple_px)
    # A picture that is changed less than the second pass would change it gains nothing from a first one.
    if not request.coarse_first or coarse is None or first_sigmas[0] <= request.coarse_first:
        return (Pass(size, first_sigmas, is_literal, 0),)
    second = Pass(size, redraw_sigmas(steps, request.coarse_first), True, len(first_sigmas))
    return Pass(coarse, first_sigmas, is_literal, 0), second


def coarse_size(entry: ModelEntry, size: tuple[int, int], *, multiple_px: int) -> tuple[int, int] | None:
    """(width_px, height_px) of the model's own area in the shape of `size`; None where `size` is hardly larger."""
    width, height = size
    shrink = math.sqrt(entry.composed_at_px**2 / (width * height))
    if shrink**-2 < WORTH_IT:
        return None
    least = -(-MIN_SIDE_PX // multiple_px) * multiple_px
    small = (max(least, round(side * shrink / multiple_px) * multiple_px) for side in size)
    return next(small), next(small)


def full_size_steps(request: RenderRequest, entry: ModelEntry, *, growth: float = 1.5) -> float:
    """How many steps at full size a picture's steps are worth: for forecasts of time.

    `growth`: a step takes as long as the pixels to this power. 1.5 lies between attention and all the rest.
    """
    size = (request.width_px, request.height_px)
    passes = plan_passes(request, entry, size, multiple_px=1)
    pixels = size[0] * size[1]
    return sum(len(one.sigmas) * (one.size[0] * one.size[1] / pixels) ** growth for one in passes)
