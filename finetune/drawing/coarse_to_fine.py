"""A small picture's latents at a larger size, under as much noise as drawing goes on from (SDEdit, arXiv 2108.01073).

Not here: from which noise levels (`finetune.drawing.redraw_sigmas`), when and at which sizes
(`studio.pipeline.coarse_first`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from PIL import Image
from torch import Tensor

from finetune.backbones import Family


def enlarged(
    family: Family,
    pipeline: DiffusionPipeline,
    latents: Tensor,
    small: tuple[int, int],
    large: tuple[int, int],
    *,
    sigma: float,
    seed: int,
) -> Tensor:
    """Packed float32 latents of size `large` on the CPU: (1 - sigma) enlarged picture + sigma noise.

    Args:
        latents: Packed, of a finished picture of size `small`; sizes are (width_px, height_px).
        seed: Of the noise.
    """
    image = family.decode(pipeline, latents, *small).image
    image = np.array(Image.fromarray(image).resize(large, Image.Resampling.BICUBIC))
    clean = family.encode(pipeline, image).float().cpu()
    return (1 - sigma) * clean + sigma * family.initial_latents(pipeline, *large, seed=seed)


@contextmanager
def sigmas_as_they_stand(pipeline: DiffusionPipeline, wanted: bool = True) -> Iterator[None]:
    """While inside, the pipeline's schedule shifts and stretches no noise level, if that is `wanted`."""
    own = pipeline.scheduler
    if wanted:
        pipeline.scheduler = FlowMatchEulerDiscreteScheduler(shift=1.0)
    try:
        yield
    finally:
        pipeline.scheduler = own
