"""From a request to a picture, step by step, through the stock pipeline of diffusers.

Two renders of one request give the same pixels, also when the second was interrupted and resumed: the noise
comes from a CPU generator, and the sigmas are always passed in, so that the rest of a schedule is the same
schedule's rest. Not here: opening models (`studio.pipelines`), keeping pictures (`studio.gallery`).
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray
from torch import Tensor

from studio.jobs import Progress
from studio.pace import Pace
from studio.pipelines import OpenedModel
from studio.requests import RenderRequest
from studio.saved_latents import read_latents, save_latents

SAVE_EVERY_STEPS, SAVE_EVERY_S = 4, 5.0
PREVIEW_EVERY_S = 0.7

Preview = NDArray[np.uint8]
"""(h, w, 3), one pixel a latent."""

OnProgress = Callable[[Progress, Preview | None], bool]
"""Told of each step, now and then with a preview; False asks to stop."""


class RenderCancelled(Exception):
    """The render stopped because `on_progress` asked for it; carries the last preview."""

    def __init__(self, preview: Preview | None) -> None:
        super().__init__("the render was cancelled")
        self.preview = preview


@dataclass(frozen=True, slots=True)
class RenderResult:
    """A picture, and what it cost."""

    image: NDArray[np.uint8]  # (height_px, width_px, 3)
    latents: Tensor  # (1, C, h, w) normalised, on the CPU
    timings_s: dict[str, float]
    """encode_prompt, denoise, decode; of this run alone if it was resumed."""

    peak_memory_mib: float
    """CPU: the process's greatest resident size so far. CUDA: what this render allocated at most."""

    decode_path: str
    resumed_from_step: int
    notes: tuple[str, ...]
    """What was asked for and could not be honoured, in sentences."""


def render(
    opened: OpenedModel,
    request: RenderRequest,
    *,
    latents_path: Path | None = None,
    on_progress: OnProgress | None = None,
) -> RenderResult:
    """Draw one picture.

    `latents_path` is where the latents are saved every few steps, and read from if they are there already.
    Raises RenderCancelled within one step of `on_progress` answering False.
    """
    if opened.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(opened.device)
    size = _drawn_size(opened, request)
    drawing = _Drawing(opened, request, size, latents_path, on_progress)
    latents = drawing.denoise()
    started = time.perf_counter()
    drawing.report(Progress("decoding", 0, 1, None, drawing.pace.decode_s(size)))
    image, decode_path = opened.family.decode(opened.pipeline, latents, *size)
    decode_s = time.perf_counter() - started
    opened.decode_s_per_megapixel = decode_s / (size[0] * size[1] / 1e6)
    latent_shape = opened.family.geometry(opened.pipeline).latent_shape(*size)
    return RenderResult(
        image=_centre(image, request.width_px, request.height_px),
        latents=opened.family.unpack(latents, latent_shape).cpu(),
        timings_s={**drawing.timings_s, "decode": decode_s},
        peak_memory_mib=peak_memory_mib(opened.device),
        decode_path=decode_path,
        resumed_from_step=drawing.first_step,
        notes=_notes(opened, request, size),
    )


def peak_memory_mib(device: torch.device) -> float:
    """See `RenderResult.peak_memory_mib`."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


class _Drawing:
    """The denoising of one picture: the pipeline's callbacks need to remember things from step to step."""

    def __init__(
        self,
        opened: OpenedModel,
        request: RenderRequest,
        size: tuple[int, int],
        latents_path: Path | None,
        on_progress: OnProgress | None,
    ) -> None:
        self.opened, self.request, self.size = opened, request, size
        self.path, self.on_progress = latents_path, on_progress
        self.pace = Pace(request.num_inference_steps, opened.decode_s_per_megapixel)
        self.first_step = 0
        self.timings_s = {"encode_prompt": 0.0, "denoise": 0.0}
        self.preview: Preview | None = None
        self.previewed_at = -math.inf
        self.saved_at, self.saved_step = time.monotonic(), 0
        self.latents_before: Tensor | None = None
        self.started = self.encoded = time.perf_counter()

    def denoise(self) -> Tensor:
        """All remaining steps; returns the packed latents of the finished picture."""
        opened, request = self.opened, self.request
        latents = self._starting_latents()
        steps = request.num_inference_steps
        if self.first_step == steps:
            return latents.to(opened.device)
        self.report(Progress("encoding prompt", 0, 1, None, None))
        sigmas = np.linspace(1.0, 1.0 / steps, steps)[self.first_step :]
        self.latents_before = latents
        self.at_first_call = opened.pipeline.transformer.register_forward_pre_hook(self._prompt_is_encoded)
        try:
            done = opened.pipeline(
                **self._prompt_arguments(),
                width=self.size[0],
                height=self.size[1],
                num_inference_steps=len(sigmas),
                sigmas=sigmas.tolist(),
                latents=latents.to(opened.device),
                output_type="latent",
                callback_on_step_end=self._step_done,
                callback_on_step_end_tensor_inputs=["latents"],
            )
        except BaseException:
            opened.pipeline.maybe_free_model_hooks()
            raise
        finally:
            self.at_first_call.remove()
        self.timings_s["denoise"] = time.perf_counter() - self.encoded
        finished: Tensor = done.images
        return finished

    def _prompt_arguments(self) -> dict[str, Any]:
        opened, request = self.opened, self.request
        longest = opened.entry.max_sequence_length
        return {
            **({} if longest is None else {"max_sequence_length": longest}),
            **opened.family.prompt_arguments(
                opened.pipeline,
                prompt=request.prompt,
                negative_prompt=request.negative_prompt if opened.family.takes_negative_prompt else "",
                guidance_scale=request.guidance_scale,
            ),
        }

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """Tell how far it is; raises RenderCancelled if the answer is to stop."""
        if self.on_progress is not None and not self.on_progress(progress, preview):
            raise RenderCancelled(self.preview)

    def _starting_latents(self) -> Tensor:
        saved = None
        if self.path is not None and _is_resumable(self.opened.pipeline):
            saved = read_latents(self.path)
        if saved is None:
            return self.opened.family.initial_latents(
                self.opened.pipeline, *self.size, seed=self.request.seed
            )
        self.first_step = self.saved_step = saved.step
        return saved.latents

    def _prompt_is_encoded(self, *_: Any) -> None:
        """The first call of the transformer: from here on it is denoising."""
        self.at_first_call.remove()
        self.encoded = time.perf_counter()
        self.timings_s["encode_prompt"] = self.encoded - self.started
        self.pace.begin()
        self.report(Progress("denoising", self.first_step, self.request.num_inference_steps, None, None))

    def _step_done(
        self, pipeline: DiffusionPipeline, index: int, timestep: Tensor, tensors: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """The pipeline's callback after each of its steps."""
        latents, step = tensors["latents"], self.first_step + index + 1
        self.pace.step_done()
        preview = None
        if self.on_progress is not None and time.monotonic() - self.previewed_at >= PREVIEW_EVERY_S:
            preview = self.preview = self._preview(latents, index)
            self.previewed_at = time.monotonic()
        self.latents_before = latents
        try:
            self.report(self._progress(step), preview)
        except RenderCancelled:
            self._save(latents, step)
            raise
        due = step - self.saved_step >= SAVE_EVERY_STEPS or time.monotonic() - self.saved_at >= SAVE_EVERY_S
        if due or step == self.request.num_inference_steps:
            self._save(latents, step)
        return {}

    def _progress(self, step: int) -> Progress:
        steps = self.request.num_inference_steps
        left_s = self.pace.seconds_left(steps - step, self.size)
        return Progress("denoising", step, steps, self.pace.seconds_per_step, left_s)

    def _preview(self, latents: Tensor, index: int) -> Preview:
        """The finished picture as this step foresees it, without the decoder.

        The step moved the latents by (sigma_next - sigma) v, which gives the velocity v back; following it
        to sigma 0 leaves the noise behind that the latents themselves still hold.
        """
        sigmas = self.opened.pipeline.scheduler.sigmas
        sigma, sigma_next = float(sigmas[index]), float(sigmas[index + 1])
        assert self.latents_before is not None
        before = self.latents_before.to(latents.device, torch.float32)
        velocity = (latents.float() - before) / (sigma_next - sigma)
        foreseen = latents.float() - sigma_next * velocity
        return self.opened.family.preview(self.opened.pipeline, foreseen, self.opened.latent_rgb, *self.size)

    def _save(self, latents: Tensor, step: int) -> None:
        if self.path is not None:
            save_latents(self.path, latents, step)
        self.saved_at, self.saved_step = time.monotonic(), step


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


def _is_resumable(pipeline: DiffusionPipeline) -> bool:
    """Schedules that look at all sigmas at once change when they are handed only the rest."""
    config = pipeline.scheduler.config
    names = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_flow_sigmas")
    return not any(config.get(name) for name in names)


def _notes(opened: OpenedModel, request: RenderRequest, size: tuple[int, int]) -> tuple[str, ...]:
    notes = []
    title = opened.entry.title
    if request.negative_prompt.strip() and not opened.family.takes_negative_prompt:
        notes.append(f"{title} takes no negative prompt; it was not used.")
    elif request.negative_prompt.strip() and request.guidance_scale <= 1:
        notes.append("With a guidance of 1 or less the negative prompt has no say.")
    if opened.entry.family == "flux" and not opened.pipeline.transformer.config.guidance_embeds:
        notes.append(f"{title} takes no guidance; {request.guidance_scale:g} was not used.")
    tokens = len(opened.pipeline.tokenizer(request.prompt, truncation=False).input_ids)
    longest = opened.pipeline.tokenizer.model_max_length
    if tokens > longest:
        notes.append(f"The prompt has {tokens} CLIP tokens; CLIP read the first {longest}.")
    if size != (request.width_px, request.height_px):
        notes.append(f"Drawn at {size[0]} x {size[1]} and cut to size at the borders.")
    return tuple(notes)
