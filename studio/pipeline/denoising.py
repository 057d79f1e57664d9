"""The steps of one picture through the stock pipeline: told of, previewed, saved, and gone on with.

Two renders of one request take the same steps, also when the second was interrupted and resumed: the noise comes from
a CPU generator, and the sigmas are always passed in, so that the rest of a schedule is the same schedule's rest.
Not here: which passes there are (`studio.pipeline.coarse_first`), what becomes of the latents (`studio.pipeline.draw`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from finetune.drawing.coarse_to_fine import (
    enlarged,
    filling,
    held_frequencies,
    hold,
    sigmas_as_they_stand,
    under_noise,
)
from finetune.drawing.held_frequencies import HeldFrequencies
from finetune.drawing.passes import Pass
from finetune.drawing.rope_extrapolation import extrapolated
from finetune.drawing.speed_names import RopeMethod, SpeedOptions
from finetune.drawing.speed_options import sped_up
from studio.home.init_images import read_init_image
from studio.pipeline.interruption import asked_in_between
from studio.pipeline.opening import OpenedModel
from studio.pipeline.pace import Pace
from studio.pipeline.prompt_cache import Embeds
from studio.pipeline.saved_latents import SavedLatents, plan_digest, read_latents, save_latents
from studio.pipeline.taking_rungs import text_encoders_at_work
from studio.queue.job import Progress
from studio.render_request import RenderRequest

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


class Denoising:
    """One picture's passes: the pipeline's callbacks need to remember things from step to step."""

    def __init__(
        self,
        opened: OpenedModel,
        request: RenderRequest,
        passes: Sequence[Pass],
        latents_path: Path | None,
        on_progress: OnProgress | None,
        *,
        begins_from: Path | None = None,
    ) -> None:
        """`begins_from`: the file of the request's picture to begin from; `latents_path`: where to save and resume."""
        self.opened, self.request, self.passes = opened, request, passes
        self.begins_from = begins_from
        self.path, self.on_progress = latents_path, on_progress
        self.plan = plan_digest(passes)
        self.first_step = 0
        self.timings_s = {"encode_prompt": 0.0, "denoise": 0.0}
        self.encode_paths = set[str]()
        self.picture: Tensor | None = None
        """That the pass began with, enlarged: `Begun.picture`; None in the first."""

        self.held: HeldFrequencies | None = None
        self.preview: Preview | None = None
        self.previewed_at = -math.inf
        self.saved_at, self.saved_step = time.monotonic(), 0
        self._turn_to(passes[-1])

    def run(self) -> Tensor:
        """All remaining steps; returns the packed latents of the finished picture."""
        saved = self._saved()
        self.first_step = self.saved_step = 0 if saved is None else saved.step
        latents: Tensor | None = None
        before: Pass | None = None
        for one in self.passes:
            taken = 0
            if saved is not None and one.first < saved.step:
                latents, taken, self.picture = saved.latents, saved.step - one.first, saved.picture
            elif latents is None or before is None:
                latents = self._begun(one)
            else:
                latents = self._enlarged(latents, before, one)
            if taken < len(one.sigmas):
                self.held = None if before is None else self._held_frequencies(before, one)
                latents = self._steps_of(one, latents, taken)
            before = one
        assert latents is not None
        return latents.to(self.opened.device)

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """Tell how far it is; raises RenderCancelled if the answer is to stop."""
        if self.on_progress is not None and not self.on_progress(progress, preview):
            raise RenderCancelled(self.preview)

    def _turn_to(self, one: Pass) -> None:
        self.now = one
        self.pace = Pace(len(one.sigmas), self.opened.decode_s_per_megapixel)
        self.started = time.perf_counter()

    def _saved(self) -> SavedLatents | None:
        repeats = SpeedOptions.parse(self.request.speed).is_repeatable
        resumable = repeats and self.path is not None and _is_resumable(self.opened.pipeline)
        return read_latents(self.path, self.plan) if resumable and self.path is not None else None

    def _steps_of(self, one: Pass, latents: Tensor, taken: int) -> Tensor:
        """The steps of one pass that are left after `taken` of them."""
        opened = self.opened
        self._turn_to(one)
        if not self.timings_s["encode_prompt"]:
            self.report(Progress("encoding prompt", 0, 1, None, None))
        self.first_of_call = one.first + taken
        self.latents_before = latents
        self.at_first_call = opened.pipeline.transformer.register_forward_pre_hook(self._prompt_is_encoded)
        transformer, options = opened.pipeline.transformer, SpeedOptions.parse(self.request.speed)
        sigmas = one.sigmas[taken:]
        guidance = {"guidance_scale": self.request.guidance_scale}
        try:
            with (
                sigmas_as_they_stand(opened.pipeline, one.is_literal),
                extrapolated(transformer, cast(RopeMethod, self.request.rope)),
                sped_up(transformer, options),
            ):
                done = opened.pipeline(
                    **{name: embeds.to(opened.device) for name, embeds in self._prompt_embeds().items()},
                    **guidance,
                    width=one.size[0],
                    height=one.size[1],
                    num_inference_steps=len(sigmas),
                    sigmas=list(sigmas),
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
        self.timings_s["denoise"] += time.perf_counter() - self.encoded
        finished: Tensor = done.images
        return finished

    def _begun(self, one: Pass) -> Tensor:
        """What the first pass begins with: noise, or the request's picture under noise; packed, on the CPU."""
        family, pipeline, seed = self.opened.family, self.opened.pipeline, self.request.seed
        if self.begins_from is None:
            return family.initial_latents(pipeline, *one.size, seed=seed)
        started = time.perf_counter()
        self.report(Progress("encoding picture", 0, self.passes[-1].end, None, None))
        image = filling(Image.fromarray(read_init_image(self.begins_from)), one.size)
        found = under_noise(family, pipeline, image, sigma=one.sigmas[0], seed=seed)
        self.timings_s["encode_picture"] = time.perf_counter() - started
        self.encode_paths.add(found.encode_path)
        return found.latents

    def _enlarged(self, latents: Tensor, small: Pass, large: Pass) -> Tensor:
        """The small picture at the large size, under as much noise as that pass begins with; packed, on the CPU."""
        family, pipeline, started = self.opened.family, self.opened.pipeline, time.perf_counter()
        enlarging = Progress("enlarging", small.end, self.passes[-1].end, None, None)
        self.report(enlarging)
        there = latents.to(self.opened.device)
        seed, sigma = self.request.seed, large.sigmas[0]
        with asked_in_between(pipeline.vae, lambda: self.report(enlarging)):
            found = enlarged(family, pipeline, there, small.size, large.size, sigma=sigma, seed=seed)
        self.timings_s["enlarge"] = self.timings_s.get("enlarge", 0.0) + time.perf_counter() - started
        self.encode_paths.add(found.encode_path)
        self.picture = found.picture
        return found.latents

    def _held_frequencies(self, small: Pass, large: Pass) -> HeldFrequencies:
        family, pipeline = self.opened.family, self.opened.pipeline
        assert self.picture is not None, "a later pass was begun or gone on with without its enlarged picture"
        return held_frequencies(
            family, pipeline, self.picture, small.size, large.size, seed=self.request.seed
        )

    def _prompt_embeds(self) -> Embeds:
        opened, request = self.opened, self.request
        negative = request.negative_prompt if opened.family.takes_negative_prompt else ""
        guided = opened.family.takes_negative_prompt and request.guidance_scale > 1
        key = (request.prompt, negative if guided else None, opened.entry.max_sequence_length)

        def encode() -> Embeds:
            with text_encoders_at_work(opened.pipeline, opened.rung, opened.device):
                return opened.family.encode_prompt(
                    opened.pipeline,
                    prompt=request.prompt,
                    negative_prompt=negative,
                    guidance_scale=request.guidance_scale,
                    max_sequence_length=opened.entry.max_sequence_length,
                    device=opened.device if opened.rung == "encoders_freed" else None,
                )

        return opened.prompts.get(key, encode)

    def _prompt_is_encoded(self, *_: Any) -> None:
        """The first call of the transformer: from here on it is denoising."""
        self.at_first_call.remove()
        self.encoded = time.perf_counter()
        self.timings_s["encode_prompt"] += self.encoded - self.started
        self.pace.begin()
        self.report(Progress(self._phase, self.first_of_call, self.passes[-1].end, None, None))

    def _step_done(
        self, pipeline: DiffusionPipeline, index: int, timestep: Tensor, tensors: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """The pipeline's callback after each of its steps."""
        latents, step = tensors["latents"], self.first_of_call + index + 1
        self.pace.step_done()
        stepped = latents
        if self.held is not None:
            latents = hold(self.opened.family, self.held, latents, self.now, step - self.now.first)
        preview = None
        if self.on_progress is not None and time.monotonic() - self.previewed_at >= PREVIEW_EVERY_S:
            preview = self.preview = self._preview(stepped, index)
            self.previewed_at = time.monotonic()
        self.latents_before = latents
        try:
            self.report(self._progress(step), preview)
        except RenderCancelled:
            self._save(latents, step)
            raise
        due = step - self.saved_step >= SAVE_EVERY_STEPS or time.monotonic() - self.saved_at >= SAVE_EVERY_S
        if due or step == self.now.end:
            self._save(latents, step)
        return {"latents": latents}

    @property
    def _phase(self) -> str:
        return "composing" if self.now is self.passes[0] is not self.passes[-1] else "denoising"

    def _progress(self, step: int) -> Progress:
        left_s = None
        if self.now is self.passes[-1]:  # how long steps of another size take is not known yet
            left_s = self.pace.seconds_left(self.now.end - step, self.now.size)
        return Progress(self._phase, step, self.passes[-1].end, self.pace.seconds_per_step, left_s)

    def _preview(self, latents: Tensor, index: int) -> Preview:
        """The finished picture as this step foresees it, without the decoder.

        The step moved the latents by (sigma_next - sigma) v, which gives the velocity v back; following it
        to sigma 0 leaves the noise behind that the latents themselves still hold.
        """
        sigmas = self.opened.pipeline.scheduler.sigmas
        sigma, sigma_next = float(sigmas[index]), float(sigmas[index + 1])
        before = self.latents_before.to(latents.device, torch.float32)
        velocity = (latents.float() - before) / (sigma_next - sigma)
        foreseen = latents.float() - sigma_next * velocity
        family = self.opened.family
        return family.preview(self.opened.pipeline, foreseen, self.opened.latent_rgb, *self.now.size)

    def _save(self, latents: Tensor, step: int) -> None:
        if self.path is not None:
            save_latents(self.path, SavedLatents(latents, step, self.picture), self.plan)
        self.saved_at, self.saved_step = time.monotonic(), step


def _is_resumable(pipeline: DiffusionPipeline) -> bool:
    """Schedules that look at all sigmas at once change when they are handed only the rest."""
    config = pipeline.scheduler.config
    names = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_flow_sigmas")
    return not any(config.get(name) for name in names)
