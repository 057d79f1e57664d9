"""What a run leaves, to take away: LoRA files for others, a whole model, an upload to the hub.

Not here: doing it (`studio.training.export_job`), asking for it (`studio.training.export_request`).
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, GradioModel

from finetune.checkpoint_adapter import adapter_steps
from studio.queue.job import ENDED
from studio.training.export_request import Result, ask_for_export, ask_for_push, is_full, results_of
from studio.training.runs import Trainings
from studio.ui.components import Drawn
from studio.ui.events import QUEUED, QUEUED_EACH, after
from studio.ui.messages import shows_errors, state_sentence
from studio.ui.parts.pulse.run_pulse import RunPulse

FORMATS = [
    ("LoRA for diffusers", "diffusers"),
    ("LoRA for ComfyUI and kohya", "comfyui"),
    ("Whole model", "merged"),
]
MOST_SHOWN = 60
"""Keys whose reason the page shows; the others are counted."""


class ResultLine(GradioModel):
    id: int
    title: str
    state: str
    words: str
    path: str = ""
    file: FileData | None = None
    link: str = ""
    unused: tuple[tuple[str, str], ...] = ()
    """(key of the LoRA, why no layer is changed by it)"""
    num_unused: int = 0


class ResultsContent(GradioModel):
    run: str = ""
    lines: tuple[ResultLine, ...] = ()


class ResultsList(Drawn):
    """Event: cancel (id of a job that waits)."""

    data_model = ResultsContent
    scripts = ("results.js",)
    markup = '<ul class="results" aria-label="Exports and uploads"></ul>'


@dataclass(frozen=True, slots=True)
class ResultsRoom:
    """The widgets."""

    room: gr.Accordion
    format: gr.Radio
    step: gr.Dropdown
    weight: gr.Number
    export: gr.Button
    hub_id: gr.Textbox
    public: gr.Checkbox
    push: gr.Button
    shown: ResultsList
    seen: gr.State

    def page(self) -> list[Any]:
        """In the order of ResultsHandlers.news()."""
        return [self.room, self.format, self.step, self.shown, self.seen]


@dataclass(frozen=True, slots=True)
class ResultsHandlers:
    """Handlers over plain values."""

    trainings: Trainings
    looking: Path
    """A cache, whose files the page may be given."""

    def news(self, chosen: str | None, seen: dict[str, str]) -> tuple[Any, ...]:
        """(room, formats, steps, list, seen), each skipped where the page shows it already."""
        skip = gr.skip()
        try:
            run = None if chosen is None else self.trainings.run(chosen)
            full = run is not None and is_full(run.path)
            steps = () if run is None or full else adapter_steps(run)
            ended = run is not None and self.trainings.adapter(run.name) is not None
        except ValueError:  # the run is gone
            run, full, steps, ended = None, False, (), False
        if run is None or not (full or steps or ended):
            hidden = gr.update(visible=False)
            return (hidden if seen else skip, skip, skip, skip, {})
        content = ResultsContent(
            run=run.name, lines=tuple(self._line(one) for one in results_of(self.trainings.jobs, run.name))
        )
        now = {"run": run.name, "steps": f"{full} {ended} {steps}", "list": content.model_dump_json()}
        same = {key: seen.get(key) == now[key] for key in now}
        if same["run"] and same["steps"]:
            return (skip, skip, skip, skip if same["list"] else content, now)
        choices = [
            *([("at its end", 0)] if ended or full else []),
            *((f"step {step}", step) for step in reversed(steps)),
        ]
        formats = FORMATS[-1:] if full else FORMATS
        return (
            gr.update(visible=True),
            gr.update(choices=formats, value=formats[0][1]),
            gr.update(choices=choices, value=choices[0][1]),
            content,
            now,
        )

    @shows_errors
    def export(self, chosen: str | None, kind: str, step: int | None, weight: float | None) -> None:
        if chosen is None:
            raise ValueError("no run is chosen; choose one of the list")
        if weight is None:
            raise ValueError("the strength is empty; 1 is usual")
        ask_for_export(
            self.trainings.jobs,
            self.trainings.run(chosen),
            kind=kind,
            step=int(step or 0),
            weight=float(weight),
        )

    @shows_errors
    def push(self, chosen: str | None, hub_id: str, public: bool) -> None:
        if chosen is None:
            raise ValueError("no run is chosen; choose one of the list")
        run = self.trainings.run(chosen)
        ask_for_push(self.trainings.jobs, run, hub_id=hub_id, public=public, environ=os.environ)

    @shows_errors
    def cancel(self, event: gr.EventData) -> None:
        self.trainings.jobs.cancel(int(event.id))

    def _line(self, result: Result) -> ResultLine:
        done = result.job.state == "done"
        link = result.words if result.job.kind == "push" and done else ""
        return ResultLine(
            id=result.job.id,
            title=result.title,
            state=result.job.state if result.job.state in ENDED else "waiting",
            words="" if link else result.words if done else state_sentence(result.job),
            path="" if result.path is None else str(result.path),
            file=None if result.path is None else self._served(result.path),
            link=link,
            unused=tuple(list(result.unused.items())[:MOST_SHOWN]),
            num_unused=result.num_unused,
        )

    def _served(self, path: Path) -> FileData | None:
        """A file where the page may fetch it: the same bytes under a second name, which takes no room."""
        if not path.is_file():
            return None
        state = path.stat()
        place = self.looking / "exports" / f"{state.st_ino}-{state.st_mtime_ns}-{state.st_size}" / path.name
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, place)
            except OSError:  # another disk, or a file system without links
                with suppress(OSError):
                    shutil.copyfile(path, place)
        return FileData(path=str(place)) if place.exists() else None


def build_results_room() -> ResultsRoom:
    """Hidden until a run with weights is chosen."""
    with gr.Accordion("Take away", open=False, visible=False, elem_id="ft-results") as room:
        with gr.Row(elem_classes="results-asked"):
            format = gr.Radio(FORMATS, value=FORMATS[0][1], label="As", elem_id="ft-export-format")
            step = gr.Dropdown([], label="Of", elem_id="ft-export-step", min_width=120)
            weight = gr.Number(
                1.0, label="Strength", info="Melted into the whole model", minimum=-4, maximum=4, step=0.05,
                elem_id="ft-export-weight", min_width=100,
            )  # fmt: skip
        export = gr.Button("Export", size="sm", elem_id="ft-export")
        with gr.Row(elem_classes="results-asked"):
            hub_id = gr.Textbox(
                label="To the hub",
                placeholder="account/name",
                max_lines=1,
                elem_id="ft-push-id",
                min_width=160,
            )
            public = gr.Checkbox(
                label="Public", value=False, container=False, elem_id="ft-push-public", min_width=90
            )
        push = gr.Button("Upload", size="sm", elem_id="ft-push")
        found = ResultsList(elem_id="ft-results-list", padding=False)
    return ResultsRoom(room, format, step, weight, export, hub_id, public, push, found, gr.State({}))


def wire_results_room(
    room: ResultsRoom, handlers: ResultsHandlers, chosen: gr.BrowserState, pulse: RunPulse
) -> None:
    """`chosen` holds the run's name; `pulse` tells of its news, and of every job's."""
    after(pulse.news).then(
        handlers.news, [chosen, room.seen], room.page(), trigger_mode="always_last", **QUEUED
    )
    room.export.click(handlers.export, [chosen, room.format, room.step, room.weight], None, **QUEUED)
    room.push.click(handlers.push, [chosen, room.hub_id, room.public], None, **QUEUED)
    room.shown.cancel(handlers.cancel, None, None, **QUEUED_EACH)
