"""The Benchmark view of Compare: what to draw on the left; the table and blind duels beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.ui.benchmark.duels import PLACES, DuelBar, DuelHandlers
from studio.ui.benchmark.form import BenchmarkForm, add_setting, build_form, taken_from
from studio.ui.benchmark.handlers import FILES, BenchmarkHandlers
from studio.ui.events import QUEUED, QUEUED_EACH, QUEUED_LAST, UNQUEUED, after
from studio.ui.generate.controls import Controls
from studio.ui.inspect.stage import Board, InspectStage
from studio.ui.parts.pulse.run_pulse import LOOK, RunPulse, Watched
from studio.ui.parts.refusal import build_refusal, refusal

TITLES = dict(zip(FILES, ("Report", "CSV", "JSON", "Model card", "Votes"), strict=True))
MAX_TOLD = 5
"""Sentences about prompts that were left out."""

IN_TURN: dict[str, Any] = {"concurrency_id": "duels", "concurrency_limit": 1}
"""For all that shows a pair: each answer says how things stand, so that none may overtake a later one."""


@dataclass(frozen=True, slots=True)
class BenchmarkView:
    """The widgets."""

    tab: gr.Tab
    pulse: RunPulse
    known: gr.Dropdown
    go_on: gr.Button
    stop: gr.Button
    files: tuple[gr.DownloadButton, ...]
    new: gr.Accordion
    form: BenchmarkForm
    refused: gr.HTML
    start: gr.Button
    state: gr.HTML
    scores: gr.HTML
    duels: gr.Tab
    stage: InspectStage
    bar: DuelBar
    places: gr.Radio
    verdict: gr.HTML
    seen: gr.State

    def page(self) -> list[Any]:
        """In the order of BenchmarkHandlers.news()."""
        return [self.state, self.scores, self.go_on, self.stop, *self.files, self.seen]


def build_benchmark_view(handlers: BenchmarkHandlers) -> BenchmarkView:
    with gr.Tab("Benchmark", id="benchmark") as tab, gr.Row(elem_classes="room benchmark", equal_height=True):
        with (
            gr.Column(elem_classes="rail controls", min_width=0),
            gr.Column(elem_classes="rail-scroll", min_width=0),
        ):
            pulse = RunPulse(handlers.version, elem_id="benchmark-pulse")
            known = gr.Dropdown([], label="Benchmark", elem_id="benchmark-known")
            with gr.Row(elem_classes="benchmark-going"):
                go_on = gr.Button("Go on", visible=False, elem_id="benchmark-go-on", min_width=90)
                stop = gr.Button("Stop", visible=False, elem_id="benchmark-stop", min_width=90)
            with gr.Row(elem_classes="benchmark-files"):
                files = tuple(_download(name) for name in FILES)
            with gr.Accordion("New benchmark", open=True, elem_id="benchmark-new") as new:
                form = build_form(handlers.gallery.workspace)
                refused = build_refusal("benchmark-refused")
                start = gr.Button("Draw and measure", variant="primary", elem_id="benchmark-start")
        with gr.Column(elem_classes="stage", min_width=0), gr.Tabs(elem_id="benchmark-views"):
            with gr.Tab("Table", id="table"):
                state = gr.HTML(elem_id="benchmark-state", padding=False)
                scores = gr.HTML(elem_id="benchmark-scores", padding=False)
            with gr.Tab("Blind duels", id="duels") as duels:
                stage = InspectStage(Board(), elem_id="duel-stage")
                bar = DuelBar(elem_id="duel-bar", padding=False)
                places = gr.Radio(
                    PLACES, value=PLACES[0][1], label="What is shown", elem_id="duel-places", container=False
                )
                verdict = gr.HTML(elem_id="duel-verdict", padding=False)
        seen = gr.State({})
    return BenchmarkView(
        tab, pulse, known, go_on, stop, files, new, form, refused, start, state, scores, duels, stage, bar, places,
        verdict, seen,
    )  # fmt: skip


def _download(name: str) -> gr.DownloadButton:
    return gr.DownloadButton(
        TITLES[name], visible=False, size="sm", min_width=60, elem_id=f"benchmark-{name.replace('.', '-')}"
    )


def wire_benchmark_view(
    view: BenchmarkView,
    handlers: BenchmarkHandlers,
    judge: DuelHandlers,
    controls: Controls,
    compare: gr.Tab,
    demo: gr.Blocks,
) -> None:
    """`controls` are those of Generate, whose settings can be taken; `compare` is the tab that the view lies in."""

    def begin(*values: Any) -> tuple[Any, ...]:
        """(what was refused, benchmarks, the form); a refusal takes nothing else from the page."""
        try:
            folder, left_out = handlers.start(*values)
        except ValueError as error:
            return refusal(str(error)), gr.skip(), gr.skip()
        known = gr.update(choices=handlers.names(), value=folder.name)
        told = [f"left out: {sentence}" for sentence in left_out[:MAX_TOLD]]
        if len(left_out) > MAX_TOLD:
            told.append(f"and {len(left_out) - MAX_TOLD} more are left out")
        return refusal(*told), known, gr.update(open=bool(told))

    form = view.form
    opened = gr.on(
        [demo.load, compare.select, view.tab.select],
        handlers.offer,
        view.known,
        [view.known, form.prompts],
        **UNQUEUED,
    )
    opened.then(None, None, None, js=LOOK, **UNQUEUED)
    demo.load(handlers.unfold, None, view.new, **UNQUEUED)
    view.start.click(begin, form.asked(), [view.refused, view.known, view.new], **QUEUED)
    for button, handler in ((view.go_on, handlers.go_on), (view.stop, handlers.stop)):
        button.click(handler, view.known, None, **QUEUED).then(None, None, None, js=LOOK, **UNQUEUED)
    gr.on([widget.change for widget in form.asked()], None, None, view.refused, js="() => ''", **UNQUEUED)
    form.from_generate.click(
        add_setting, [form.contenders, *taken_from(controls)], form.contenders, **QUEUED_LAST
    )
    view.known.change(watched, view.known, view.pulse, **QUEUED_LAST).then(
        None, None, None, js=LOOK, **UNQUEUED
    )
    view.pulse.news(handlers.news, [view.known, view.seen], view.page(), trigger_mode="always_last", **QUEUED)

    asked, shown = [view.known, view.places], [view.stage, view.bar, view.verdict]
    after(view.duels.select, view.known.change, view.places.input).then(
        judge.show, asked, shown, **QUEUED_LAST, **IN_TURN
    )
    after(view.pulse.news).then(judge.look, [*asked, view.bar], shown, **QUEUED_LAST, **IN_TURN)
    view.bar.vote(judge.vote, asked, shown, **QUEUED_EACH, **IN_TURN)
    view.bar.act(judge.act, asked, shown, **QUEUED_EACH, **IN_TURN)


def watched(name: str | None) -> Watched:
    """What the pulse looks at."""
    return Watched(runs=(name,) if name else ())
