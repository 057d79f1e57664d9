"""A dataset of the hub, from the dataset room: the fields, the fetch in the background, and what is told of it.

Not here: the fetch itself (`studio.datasets.fetching`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.datasets.fetching import Fetches
from studio.ui.events import QUEUED, UNQUEUED
from studio.ui.messages import shows_errors
from studio.ui.parts.pulse.run_pulse import RunPulse


@dataclass(slots=True)
class FetchServer:
    """What the pulse asks; the room is built before there is anybody to answer."""

    version: Callable[[], str]


@dataclass(frozen=True, slots=True)
class FetchForm:
    """What is asked for, and where it stands."""

    hub_id: gr.Textbox
    max_pictures: gr.Number
    split: gr.Textbox
    text_column: gr.Textbox
    start: gr.Button
    stop: gr.Button
    note: gr.Markdown
    pulse: RunPulse
    server: FetchServer
    asked_here: gr.State
    """Whether this page waits for a fetch, so as to choose its folder at the end."""

    def asked(self) -> list[Any]:
        """In the order of FetchHandlers.start()."""
        return [self.hub_id, self.max_pictures, self.split, self.text_column]


@dataclass(frozen=True, slots=True)
class FetchHandlers:
    """One fetch at a time, for every page of this server."""

    fetching: Fetches
    hosted: bool

    @shows_errors
    def start(
        self, hub_id: str, max_pictures: float | None, split: str, text_column: str
    ) -> tuple[str, bool]:
        """(note, whether this page waits for it)"""
        if self.hosted:
            raise ValueError("datasets are fetched by the owner of this studio alone; drop a zip instead")
        if max_pictures is not None and max_pictures != int(max_pictures):
            raise ValueError("the number of pictures must be whole; leave it empty for all")
        limit = None if max_pictures is None else int(max_pictures)
        if not self.fetching.start(hub_id, split=split, text_column=text_column, max_pictures=limit):
            raise ValueError("a dataset is being fetched already; stop that first")
        return self.sentence(), True

    def look(self, asked_here: bool) -> tuple[str, Any, bool]:
        """(note, the fetched dataset's path, whether this page waits on)

        The path is given once, when the fetch has ended with something in its folder, to the page that asked for it.
        """
        state, folder = self.fetching.state, self.fetching.folder
        if state.is_running or not asked_here:
            return self.sentence(), gr.skip(), asked_here
        ended_well = state.state in ("done", "stopped") and state.done > 0 and folder is not None
        return self.sentence(), str(folder) if ended_well else gr.skip(), False

    def version(self) -> str:
        """Another text whenever there is something new to tell."""
        state = self.fetching.state
        return f"{state.state} {state.began_at} {self.sentence()}"

    def stop(self) -> None:
        self.fetching.stop()

    def sentence(self) -> str:
        """Where the fetch stands, as a sentence; empty before the first."""
        state = self.fetching.state
        if not state.words:
            return ""
        words = f"stopping, {state.words}" if state.state == "stopping" else state.words
        return f"{words[0].upper()}{words[1:]}{'' if words.endswith('.') else '.'}"


def build_fetch_form(*, visible: bool) -> FetchForm:
    with gr.Accordion("From the hub", open=False, visible=visible, elem_id="dataset-hub"):
        hub_id = gr.Textbox(
            label="Dataset of the hub",
            placeholder="owner/name, such as zhang0jhon/Aesthetic-4K",
            max_lines=1,
            elem_id="dataset-hub-id",
        )
        with gr.Row(elem_classes="pair"):
            max_pictures = gr.Number(
                None,
                label="At most (pictures)",
                precision=0,
                minimum=1,
                elem_id="dataset-hub-max",
                min_width=60,
            )
            split = gr.Textbox(
                label="Split", placeholder="train", max_lines=1, elem_id="dataset-hub-split", min_width=60
            )
        text_column = gr.Textbox(
            label="Column of the captions",
            placeholder="text, or none for pictures alone",
            max_lines=1,
            elem_id="dataset-hub-text",
        )
        with gr.Row(elem_classes="pair"):
            start = gr.Button("Fetch", size="sm", elem_id="dataset-hub-start", min_width=80)
            stop = gr.Button("Stop", size="sm", elem_id="dataset-hub-stop", min_width=60)
        note = gr.Markdown("", elem_classes="note", elem_id="dataset-hub-note")
    server = FetchServer(str)
    pulse = RunPulse(lambda _: server.version(), elem_id="dataset-hub-pulse", visible=visible)
    return FetchForm(
        hub_id, max_pictures, split, text_column, start, stop, note, pulse, server, gr.State(False)
    )


def wire_fetch_form(form: FetchForm, handlers: FetchHandlers, source: gr.Textbox) -> None:
    """`source` holds the dataset's path and is written when a fetch has ended that this page asked for."""
    form.server.version = handlers.version
    told = [form.note, form.asked_here]
    gr.on([form.start.click, form.hub_id.submit], handlers.start, form.asked(), told, **QUEUED)
    form.stop.click(handlers.stop, None, None, **UNQUEUED)
    form.pulse.news(
        handlers.look,
        form.asked_here,
        [form.note, source, form.asked_here],
        trigger_mode="always_last",
        **UNQUEUED,
    )
