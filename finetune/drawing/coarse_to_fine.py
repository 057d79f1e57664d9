"""A picture's latents under as much noise as drawing goes on from (SDEdit, arXiv 2108.01073).

The picture is a small one that is enlarged, or one that was handed in.

Not here: from which noise levels and at which sizes (`finetune.drawing.passes`); passes that are told of, saved and
gone on with (`studio.pipeline.denoising`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from finetune.backbones import Family
from finetune.drawing.passes import Pass


class Begun(NamedTuple):
    """Latents to go on from, and the way their picture was encoded."""

    latents: Tensor
    """Packed float32 on the CPU: (1 - sigma) picture + sigma noise."""

    encode_path: str
    """As of `finetune.backbones.decoding.Encoded`."""


def draw_passes(
    family: Family, pipeline: DiffusionPipeline, passes: Sequence[Pass], *, seed: int, **prompt: Any
) -> Tensor:
    """All passes of a picture through the stock pipeline, from noise alone; packed latents of the finished picture.

    `prompt`: of the pipeline's call, what is drawn and how closely it is followed.
    """
    latents = family.initial_latents(pipeline, *passes[0].size, seed=seed)
    before: Pass | None = None
    for one in passes:
        if before is not None:
            latents = enlarged(
                family, pipeline, latents, before.size, one.size, sigma=one.sigmas[0], seed=seed
            ).latents
        with sigmas_as_they_stand(pipeline, one.is_literal):
            done: Any = pipeline(
                **prompt,
                width=one.size[0],
                height=one.size[1],
                num_inference_steps=len(one.sigmas),
                sigmas=list(one.sigmas),
                latents=latents.to(pipeline.device),
                output_type="latent",
            )
        latents, before = done.images, one
    return latents


def enlarged(
    family: Family,
    pipeline: DiffusionPipeline,
    latents: Tensor,
    small: tuple[int, int],
    large: tuple[int, int],
    *,
    sigma: float,
    seed: int,
) -> Begun:
    """From a finished picture of size `small`, at size `large`.

    Args:
        latents: Packed, of a finished picture of size `small`; sizes are (width_px, height_px).
        seed: Of the noise.
    """
    image = family.decode(pipeline, latents, *small).image
    image = np.array(Image.fromarray(image).resize(large, Image.Resampling.BICUBIC))
    return under_noise(family, pipeline, image, sigma=sigma, seed=seed)


def under_noise(
    family: Family, pipeline: DiffusionPipeline, image: NDArray[np.uint8], *, sigma: float, seed: int
) -> Begun:
    """From an (H, W, 3) picture, at its size."""
    clean, path = family.encode(pipeline, image)
    noise = family.initial_latents(pipeline, image.shape[1], image.shape[0], seed=seed)
    return Begun((1 - sigma) * clean.float().cpu() + sigma * noise, path)


def filling(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture in RGB at (width_px, height_px): scaled to cover it, and cut alike at both ends of what is too long."""
    return np.array(ImageOps.fit(image.convert("RGB"), size, Image.Resampling.LANCZOS))


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
