"""Coarse first: which passes a request is drawn in, and what they cost beside drawing it at full size alone.

No torch. Not here: sizes and noise levels of the passes (`finetune.drawing.passes`), their steps
(`studio.pipeline.denoising`).
"""

from __future__ import annotations

import itertools

from finetune.drawing.passes import Pass, composed_size, passes_of
from studio.models.catalogue import ModelEntry
from studio.render_request import MIN_SIDE_PX, RenderRequest


def plan_passes(
    request: RenderRequest, entry: ModelEntry, size: tuple[int, int], *, multiple_px: int
) -> tuple[Pass, ...]:
    """One pass, or more where the request asks for a coarse one and the picture is large enough.

    The first begins from noise alone, or from the request's picture under noise of its strength.

    Args:
        size: (width_px, height_px) that is drawn.
        multiple_px: What sides are multiples of.
    """
    return passes_of(
        size,
        num_steps=request.num_inference_steps,
        composed=coarse_size(entry, size, multiple_px=multiple_px),
        coarse_first=request.coarse_first,
        strength=None if request.init is None else request.init.strength,
        multiple_px=multiple_px,
    )


def coarse_size(entry: ModelEntry, size: tuple[int, int], *, multiple_px: int) -> tuple[int, int] | None:
    """(width_px, height_px) that the model composes a picture of `size` at; None where `size` is hardly larger."""
    return composed_size(
        size,
        entry.composed_at_px,
        by_short_side=entry.composes_by_short_side,
        multiple_px=multiple_px,
        min_side_px=MIN_SIDE_PX,
    )


def full_size_steps(request: RenderRequest, entry: ModelEntry, *, growth: float = 1.5) -> float:
    """How many steps at full size a picture's steps are worth: for forecasts of time.

    `growth`: a step takes as long as the pixels to this power. 1.5 lies between attention and all the rest.
    """
    passes, pixels = _forecast(request, entry)
    return sum(len(one.sigmas) * (_pixels(one) / pixels) ** growth for one in passes)


def full_size_decodes(request: RenderRequest, entry: ModelEntry) -> float:
    """How many decodings at full size a picture is worth: for forecasts of time.

    To enlarge, the small picture is decoded and the large one encoded, which is counted as decoding it.
    """
    passes, pixels = _forecast(request, entry)
    enlarged = sum(_pixels(small) + _pixels(large) for small, large in itertools.pairwise(passes))
    return 1 + enlarged / pixels


def _forecast(request: RenderRequest, entry: ModelEntry) -> tuple[tuple[Pass, ...], int]:
    """(its passes, the pixels asked for)"""
    size = (request.width_px, request.height_px)
    return plan_passes(request, entry, size, multiple_px=1), size[0] * size[1]


def _pixels(one: Pass) -> int:
    return one.size[0] * one.size[1]
