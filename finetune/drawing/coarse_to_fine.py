"""A picture's latents under as much noise as drawing goes on from (SDEdit, arXiv 2108.01073).

The picture is a small one that is enlarged, whose low frequencies are held from then on, or one that was handed in.

Not here: from which noise levels and at which sizes (`finetune.drawing.passes`); how frequencies are held
(`finetune.drawing.held_frequencies`); passes that are told of, saved and gone on with (`studio.pipeline.denoising`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from finetune.backbones import Family
from finetune.drawing.held_frequencies import HeldFrequencies
from finetune.drawing.passes import Pass


class Begun(NamedTuple):
    """Latents to go on from, and the way their picture was encoded."""

    latents: Tensor
    """Packed float32 on the CPU: (1 - sigma) picture + sigma noise."""

    picture: Tensor
    """The picture's own latents: packed float32 on the CPU."""

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
        callback: Callable[..., dict[str, Tensor]] | None = None
        if before is not None:
            latents, picture, _ = enlarged(
                family, pipeline, latents, before.size, one.size, sigma=one.sigmas[0], seed=seed
            )
            held = held_frequencies(family, pipeline, picture, before.size, one.size, seed=seed)
            callback = partial(_held_after_step, family, held, one)
        with sigmas_as_they_stand(pipeline, one.is_literal):
            done: Any = pipeline(
                **prompt,
                width=one.size[0],
                height=one.size[1],
                num_inference_steps=len(one.sigmas),
                sigmas=list(one.sigmas),
                latents=latents.to(pipeline.device),
                output_type="latent",
                callback_on_step_end=callback,
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
    clean = clean.float().cpu()
    return Begun((1 - sigma) * clean + sigma * noise, clean, path)


def held_frequencies(
    family: Family,
    pipeline: DiffusionPipeline,
    picture: Tensor,
    small: tuple[int, int],
    large: tuple[int, int],
    *,
    seed: int,
) -> HeldFrequencies:
    """What a pass at size `large` holds of a picture that was enlarged from `small`; sizes are (width_px, height_px).

    `picture`: as `Begun.picture`; `seed`: of the noise that it was put under.
    """
    shape = family.geometry(pipeline).latent_shape(*large)
    noise = family.initial_latents(pipeline, *large, seed=seed)
    growth = max(whole / side for side, whole in zip(small, large, strict=True))
    return HeldFrequencies.of(family.unpack(picture, shape), family.unpack(noise, shape), growth=growth)


def hold(family: Family, held: HeldFrequencies, latents: Tensor, one: Pass, steps_taken: int) -> Tensor:
    """Packed latents after so many steps of this pass, with the held low frequencies."""
    sigma = one.sigmas[steps_taken] if steps_taken < len(one.sigmas) else 0.0
    shape = (held.picture.shape[1], held.picture.shape[2], held.picture.shape[3])
    return family.pack(held.hold(family.unpack(latents, shape), sigma))


def filling(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture in RGB at (width_px, height_px): scaled to cover it, and cut alike at both ends of what is too long."""
    return np.array(ImageOps.fit(image.convert("RGB"), size, Image.Resampling.LANCZOS))


def _held_after_step(
    family: Family,
    held: HeldFrequencies,
    one: Pass,
    _: DiffusionPipeline,
    index: int,
    __: Tensor,
    tensors: dict[str, Tensor],
) -> dict[str, Tensor]:
    """The pipeline's callback after each of its steps."""
    return {"latents": hold(family, held, tensors["latents"], one, index + 1)}


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
