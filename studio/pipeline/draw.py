"""From a request to a picture, and what it cost.

Not here: the steps (`studio.pipeline.denoising`), opening models (`studio.pipeline.opening`), keeping pictures
(`studio.pictures.gallery`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from finetune.memory.peak import forget_peak, peak_bytes
from studio.home.init_images import require_init_image
from studio.memory_rungs import Rung
from studio.models.lookup import check_options
from studio.pipeline.coarse_first import plan_passes
from studio.pipeline.denoising import Denoising, OnProgress
from studio.pipeline.interruption import asked_in_between
from studio.pipeline.opening import OpenedModel
from studio.pipeline.render_notes import render_notes
from studio.queue.job import Progress
from studio.render_request import RenderRequest


@dataclass(frozen=True, slots=True)
class RenderResult:
    """A picture, and what it cost."""

    image: NDArray[np.uint8]  # (height_px, width_px, 3)
    latents: Tensor  # (1, C, h, w) normalised, on the CPU
    timings_s: dict[str, float]
    """encode_prompt, denoise, decode, enlarge between passes, and encode_picture of one to begin from; of this run
    alone if it was resumed."""

    peak_memory_mib: float
    """CPU: the process's greatest resident size, of this render on Linux, else so far. CUDA: what was allocated."""

    decode_path: str
    resumed_from_step: int
    seconds_per_step: float | None
    """The median of the last steps; None where none was taken."""

    gave_up: tuple[Rung, ...]
    """Rungs of the memory ladder that were tried before and ran out of memory."""

    notes: tuple[str, ...]
    """What was asked for and could not be honoured, in sentences."""


def render(
    opened: OpenedModel,
    request: RenderRequest,
    *,
    latents_path: Path | None = None,
    home: Path | None = None,
    on_progress: OnProgress | None = None,
    gave_up: tuple[Rung, ...] = (),
) -> RenderResult:
    """Draw one picture.

    `home` is where relative paths of the request's adapters begin and where its picture to begin from is kept.
    `latents_path` is where the latents are saved every few steps, and read from if they are there already.
    Raises RenderCancelled within one step, or one block of the autoencoder, of `on_progress` answering False.
    """
    forget_peak(opened.device)
    _refuse_too_few_steps(opened, request)
    check_options(opened.entry, rope=request.rope, speed=request.speed)
    size = _drawn_size(opened, request)
    begins_from = None if request.init is None else require_init_image(home, request.init)
    opened.adapters.wear(opened.pipeline, opened.family.name, request.adapters, home)
    multiple_px = opened.family.geometry(opened.pipeline).multiple_px
    passes = plan_passes(request, opened.entry, size, multiple_px=multiple_px)
    drawing = Denoising(opened, request, passes, latents_path, on_progress, begins_from=begins_from)
    latents = drawing.run()
    started = time.perf_counter()
    decoding = Progress("decoding", 0, 1, None, drawing.pace.decode_s(size))
    drawing.report(decoding)
    with asked_in_between(opened.pipeline.vae.decoder, lambda: drawing.report(decoding)):
        image, decode_path = opened.family.decode(opened.pipeline, latents, *size)
    decode_s = time.perf_counter() - started
    opened.decode_s_per_megapixel = decode_s / (size[0] * size[1] / 1e6)
    latent_shape = opened.family.geometry(opened.pipeline).latent_shape(*size)
    return RenderResult(
        image=_centre(image, request.width_px, request.height_px),
        latents=opened.family.unpack(latents, latent_shape).cpu(),
        timings_s={**drawing.timings_s, "decode": decode_s},
        peak_memory_mib=peak_bytes(opened.device) / 2**20,
        decode_path=decode_path,
        resumed_from_step=drawing.first_step,
        seconds_per_step=drawing.pace.seconds_per_step,
        gave_up=gave_up,
        notes=render_notes(opened, request, passes, encode_paths=drawing.encode_paths),
    )


def _refuse_too_few_steps(opened: OpenedModel, request: RenderRequest) -> None:
    """A schedule that is stretched to end at a given noise level has nothing to stretch between one level."""
    if request.num_inference_steps == 1 and opened.pipeline.scheduler.config.get("shift_terminal"):
        raise ValueError(
            f"{opened.entry.title} cannot draw in 1 step, it needs 2 or more; "
            f"{opened.entry.default_steps} is usual"
        )


def _drawn_size(opened: OpenedModel, request: RenderRequest) -> tuple[int, int]:
    """(width_px, height_px) that the model draws: what is asked for, or the next larger it can do."""
    multiple_px = opened.family.geometry(opened.pipeline).multiple_px
    return (
        -(-request.width_px // multiple_px) * multiple_px,
        -(-request.height_px // multiple_px) * multiple_px,
    )


def _centre(image: NDArray[np.uint8], width_px: int, height_px: int) -> NDArray[np.uint8]:
    top, left = (image.shape[0] - height_px) // 2, (image.shape[1] - width_px) // 2
    return np.ascontiguousarray(image[top : top + height_px, left : left + width_px])
