"""What the Generate tab does: handlers over plain values. No widgets, no wiring.

Submitting only writes to the job table; everything shown is read back from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gradio as gr

from finetune.whole_text import shortened
from studio.home.settings import Settings
from studio.memory.fit_note import fit_note
from studio.memory.free import free_memory
from studio.models.admission import admit
from studio.models.lookup import find_model
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from studio.render_request import NUM_SEEDS, RenderRequest, SeedMode, expand_requests
from studio.ui.generate.choices import chosen_size, entered, size_said
from studio.ui.generate.init_picture import InitContent, init_of
from studio.ui.generate.lora_stack import (
    LoraContent,
    LoraOption,
    adapters_of,
    at_strengths,
    lora_options,
    strengths_of,
)
from studio.ui.generate.notes import model_note, plain_text, warning
from studio.ui.generate.speed_note import speed_note
from studio.ui.generate.watching import Watch, finished, later, stage_view
from studio.ui.messages import kept_together, shows_errors
from studio.ui.parts.header.header import StageStatus, WorkerStatus, worker_status
from studio.ui.parts.queue.queue_panel import queue_rows
from studio.ui.parts.refusal import NOTHING_REFUSED, refusal
from studio.ui.visitors.submission_gate import SubmissionGate
from studio.work.kinds import picture_of
from studio.work.worker_state import WorkerState

Plain = dict[str, Any]

PAGE_PARTS = 7
"""Of `GenerateHandlers.show`."""


@dataclass(frozen=True, slots=True)
class GenerateHandlers:
    """The parts of the studio that the Generate tab works with."""

    jobs: JobTable
    gallery: Gallery
    settings: Settings
    worker_state: Callable[[], WorkerState]
    gate: SubmissionGate = field(default_factory=SubmissionGate)

    def generate(self, *values: Any) -> tuple[Any, ...]:
        """(why nothing was taken or no word, the seed to go on from, *the page); `values` as `submit` takes them.

        A refusal stands at the button and takes nothing else from the page.
        """
        try:
            return (NOTHING_REFUSED, *self.submit(*values))
        except ValueError as error:
            return (refusal(str(error)), *(gr.skip(),) * (1 + PAGE_PARTS))

    def submit(
        self,
        prompt: str,
        as_list: bool,
        negative_prompt: str,
        model: str,
        preset: str,
        width_px: float | None,
        height_px: float | None,
        num_inference_steps: float | None,
        guidance_scale: float,
        coarse_first: float,
        seed: float | None,
        seed_mode: SeedMode,
        count: float | None,
        adapters: LoraContent,
        rope: str,
        speed: list[str] | None,
        memory: str,
        init: InitContent,
        watch: Plain | None,
    ) -> tuple[Any, ...]:
        """Put the renders in the queue and watch them; the form's seed becomes the one to go on from.

        Raises ValueError for whatever is not drawn.
        """
        width, height = chosen_size(preset, width_px, height_px)
        requests = expand_requests(
            prompts=prompt,
            as_list=as_list,
            count=entered("the number of pictures", count, such_as=1),
            seed=0 if seed_mode == "random" else entered("seed", seed, such_as=7),
            seed_mode=seed_mode,
            negative_prompt=negative_prompt,
            model=model,
            width_px=width,
            height_px=height,
            num_inference_steps=entered("steps", num_inference_steps, such_as=28),
            guidance_scale=float(guidance_scale),
            coarse_first=float(coarse_first),
            adapters=adapters_of(adapters),
            rope=rope,
            speed=",".join([] if speed is None else speed),
            memory=memory,
            init=init_of(init, self.jobs.viewer()),
        )
        requests = at_strengths(requests, strengths_of(adapters.strengths))
        admit(requests[0], self.settings)  # the others differ in prompt, seed and weights alone
        self.gate.admit(requests, self.jobs)
        submitted = [
            self.jobs.submit("render", request.to_dict(), label=request.prompt) for request in requests
        ]
        self.gate.submitted(submitted)
        next_seed = requests[-1].seed + 1 if seed_mode == "walk" else requests[-1].seed
        watched = Watch.from_plain(watch)
        # What runs stays on the stage until it is done; the new ones follow it there.
        going_on = [job.id for job in self.jobs.jobs(ids=watched.jobs, states=("running", "queued"))]
        return (next_seed % NUM_SEEDS, *self.show(watched.of_jobs([*going_on, *submitted])))

    def fit_note(
        self,
        model: str,
        preset: str,
        width_px: int | None,
        height_px: int | None,
        num_inference_steps: int,
        guidance_scale: float,
        coarse_first: float,
        count: int,
        adapters: LoraContent,
        memory: str,
        init: InitContent,
    ) -> str:
        """What Generate would take; empty where the size or the model has a trouble of its own, told elsewhere."""
        try:
            entry = find_model(model)
            width_px, height_px = chosen_size(preset, width_px, height_px)
            request = RenderRequest(
                prompt="size",
                width_px=width_px,
                height_px=height_px,
                num_inference_steps=int(num_inference_steps),
                guidance_scale=float(guidance_scale),
                coarse_first=float(coarse_first),
                adapters=adapters_of(adapters),
                seed=0,
                memory=memory,
                init=init_of(init, self.jobs.viewer()),
            )
            home = self.gallery.workspace.root
            note = fit_note(entry, request, free_memory(Path.home()), home, num_pictures=int(count))
        except ValueError:
            return ""
        what = f"<span class='fit-what'>{plain_text(entry.title)} · {width_px} × {height_px} px · </span>"
        if init.id:
            what += f"Over {plain_text(shortened(init.title))} · "
        text = kept_together(note.text)
        return what + (warning(text) if note.is_warning else plain_text(text))

    def speed_note(self, model: str, chosen: list[str] | None) -> str:
        """What the chosen speed options gave and cost here."""
        return speed_note(self.gallery.workspace.root, model, chosen, hosted=self.settings.hosted)

    def show(self, watch: Watch) -> tuple[Any, ...]:
        """A changed watch and what follows from it, in the order of GenerateTab.page()."""
        return (watch.plain(), *self.look(watch))

    def look(self, watch: Watch) -> tuple[Any, ...]:
        """Everything that follows from what is watched, in the order of GenerateTab.page() less the watch.

        The version is read first: what changes while the rest is read is news to the next look.
        """
        version = self.version(watch)
        view = stage_view(watch, self.jobs, self.gallery)
        return (
            view.scene,
            view.status,
            queue_rows(self.jobs, self.gallery),
            view.details,
            worker_status(self.worker_state()),
            version,
        )

    def version(self, watch: Watch) -> str:
        """Differs whenever the page would differ."""
        return f"{self.changes()} {watch}"

    def changes(self) -> str:
        """Differs whenever any page might differ; cheap enough to be asked by every page all the time."""
        return f"{self.jobs.version()} {self.gallery.version()} {self.worker_state().words}"

    def tick(self, watch: Plain | None, seen: str) -> Any:
        """One look at the table; nothing is sent when nothing changed.

        It never writes the watch: a tick that was overtaken by a click must not undo the click.
        """
        watched = Watch.from_plain(watch)
        try:
            return gr.skip() if self.version(watched) == seen else self.look(watched)
        except (
            ValueError
        ) as error:  # a locked database: say so in place, a toast each time would bury the page
            trouble = StageStatus(text=str(error), state="failed")
            ill = WorkerStatus(text="cannot read the job table", mood="ill")
            return gr.skip(), trouble, gr.skip(), gr.skip(), ill, seen

    def open_page(
        self, watch: Plain | None, model: str, preset: str, width_px: int | None, height_px: int | None
    ) -> tuple[Any, ...]:
        """A page was loaded or reloaded: it goes on watching what it watched, with notes for the form it restored.

        The form itself is the browser's (form.js): an answer that comes late never takes back what was entered.
        """
        said = size_said(preset, width_px, height_px)
        return (*self.look(Watch.from_plain(watch)), said, model_note(model))

    @shows_errors
    def act_on_job(self, watch: Plain | None, event: gr.EventData) -> tuple[Any, ...]:
        """A button of the queue panel or of the status line."""
        watched = Watch.from_plain(watch)
        action, job_id = event.action, int(event.id)
        if action == "cancel":
            self.jobs.cancel(job_id)
        elif action == "cancel_all":
            self.jobs.cancel_all()
        elif action == "retry":
            watched = watched.of_jobs([self.jobs.retry(job_id)])
        elif action in ("up", "down", "front"):
            self.jobs.move(job_id, action)
        elif action == "clear_finished":
            self.jobs.clear_finished()
        elif action == "watch":
            watched = watched.of_jobs([job_id])
        elif action == "open":
            made = picture_of(self.jobs.get(job_id))
            if made is not None:
                watched = watched.of_picture(made, self.num_done(watched))
        else:
            raise ValueError(f"unknown action {action!r}; reload the page")
        return self.show(watched)

    def open_picture(self, watch: Plain | None, picture_id: str) -> tuple[Any, ...]:
        watched = Watch.from_plain(watch)
        return self.show(watched.of_picture(picture_id, self.num_done(watched)))

    def offer_adapters(self) -> tuple[LoraOption, ...]:
        """The LoRAs that there are now."""
        return lora_options(self.gallery.workspace)

    def show_newest(self, watch: Plain | None) -> tuple[Any, ...]:
        """The reader took up the offer of the "new picture" chip."""
        return self.show(Watch.from_plain(watch).of_newest())

    def num_done(self, watched: Watch) -> int:
        return len(finished(self.jobs.jobs(ids=watched.jobs), self.gallery))

    @shows_errors
    def act_on_picture(self, watch: Plain | None, event: gr.EventData) -> tuple[Any, ...]:
        """A key on the stage: star or unstar the picture, put it into the trash, take back what went there last."""
        watched, shown = Watch.from_plain(watch), str(event.picture)
        if event.action == "star":
            self.gallery.star(shown, not self.gallery.get(shown).starred)
        elif event.action == "trash":
            older, newer = (self.gallery.neighbour(shown, steps=steps) for steps in (1, -1))
            self.gallery.trash([shown])
            gr.Info("In the trash. Ctrl+Z brings it back.", duration=6)
            shown = older or newer or ""
        elif event.action == "undo":
            restored = self.gallery.restore_last()
            if not restored:
                gr.Info("The trash is empty, nothing to take back.", duration=6)
            shown = restored[0] if restored else shown
        else:
            raise ValueError(f"unknown action {event.action!r}; reload the page")
        return self.show(watched.of_picture(shown, self.num_done(watched)) if shown else watched.of_newest())

    @shows_errors
    def turn(self, watch: Plain | None, event: gr.EventData) -> tuple[Any, ...]:
        """Another picture of the gallery: the `delta`-th older than the one that was shown, newer for less than 0."""
        watched, shown = Watch.from_plain(watch), str(event.picture)
        if not shown:  # a live render stands before the newest
            newest = self.gallery.pictures(limit=1)
            found = newest[0].id if newest and int(event.delta) > 0 else None
        else:
            found = self.gallery.neighbour(shown, steps=int(event.delta))
        if found is None:  # said again, as an answer to this wish
            return self.show(replace(watched, demand=later(watched.demand)))
        return self.show(watched.of_picture(found, self.num_done(watched)))
