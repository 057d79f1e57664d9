"""The form of a new benchmark: models, prompts, seeds, size and columns.

Not here: what becomes of it (`studio.ui.benchmark.handlers`).
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr

from metrics.protocols import PROTOCOLS
from studio.benchmark.plan import all_columns
from studio.benchmark.prompts import OWN
from studio.home.workspace import Workspace
from studio.ui.benchmark.contenders import ContenderContent, ContenderList, ContenderRow, WornLora
from studio.ui.benchmark.handlers import OWN_TITLE
from studio.ui.generate.controls import Controls
from studio.ui.generate.init_picture import InitContent
from studio.ui.generate.lora_stack import LoraContent

SIZES = ["1024 × 1024", "2048 × 2048", "4096 × 4096"]


@dataclass(frozen=True, slots=True)
class BenchmarkForm:
    """The widgets."""

    name: gr.Textbox
    contenders: ContenderList
    from_generate: gr.Button
    prompts: gr.Dropdown
    limit: gr.Textbox
    seeds: gr.Textbox
    size: gr.Dropdown
    columns: gr.Dropdown

    def asked(self) -> list[Any]:
        """In the order of BenchmarkHandlers.start()."""
        return [
            *(self.name, self.contenders, self.prompts, self.limit),
            *(self.seeds, self.size, self.columns),
        ]


def build_form(workspace: Workspace) -> BenchmarkForm:
    name = gr.Textbox(label="Name", placeholder="numbered", max_lines=1, elem_id="benchmark-name")
    contenders = ContenderList(workspace=workspace, elem_id="benchmark-models", padding=False)
    from_generate = gr.Button("Add what Generate is set to", size="sm", elem_id="benchmark-from-generate")
    prompts = gr.Dropdown(
        [(OWN_TITLE, OWN)],
        value=OWN,
        allow_custom_value=True,
        label="Prompts",
        info="A dataset's captions, or the path of a text file with one a line",
        elem_id="benchmark-prompts",
    )
    with gr.Row(elem_classes="pair"):
        limit = gr.Textbox(
            label="First … of them", placeholder="all", max_lines=1, elem_id="benchmark-limit", min_width=80
        )
        seeds = gr.Textbox("0", label="Seeds", max_lines=1, elem_id="benchmark-seeds", min_width=80)
    size = gr.Dropdown(SIZES, value=SIZES[0], allow_custom_value=True, label="Size", elem_id="benchmark-size")
    with gr.Accordion("Columns of the table", open=False, elem_id="benchmark-more"):
        columns = gr.Dropdown(
            [
                (f"{column.card.title} · {protocol.title}", column.key)
                for protocol in PROTOCOLS
                for column in protocol.columns
            ],
            value=list(all_columns()),
            multiselect=True,
            label="Metrics under their protocols",
            elem_id="benchmark-columns",
        )
    return BenchmarkForm(name, contenders, from_generate, prompts, limit, seeds, size, columns)


def taken_from(controls: Controls) -> list[Any]:
    """The fields of Generate in the order of `add_setting`."""
    return [
        *(controls.model, controls.num_inference_steps, controls.guidance_scale, controls.coarse_first),
        *(controls.negative_prompt, controls.adapters, controls.rope, controls.speed, controls.init),
    ]


def add_setting(
    content: ContenderContent,
    model: str,
    steps: int,
    guidance: float,
    coarse_first: float,
    negative_prompt: str,
    stack: LoraContent,
    rope: str,
    speed: list[str] | None,
    init: InitContent,
) -> ContenderContent:
    """The list with what the Generate form is set to; prompt, seed and size are the benchmark's own.

    All of a benchmark begins from noise. Where the form begins from a picture, the page is told that it is left out.
    """
    if init.id:
        what = html.escape(init.title) or "the picture to begin from"
        gr.Info(f"A benchmark begins from noise: {what} is left out.", duration=8)
    row = ContenderRow(
        id=1 + max((one.id for one in content.rows), default=0),
        model=model,
        steps=steps,
        guidance=guidance,
        coarse_first=coarse_first,
        negative_prompt=negative_prompt,
        loras=tuple(WornLora(path=one.path, weight=one.weight) for one in stack.rows if one.on),
        rope=rope,
        speed=",".join(speed or []),
    )
    return ContenderContent(rows=(*content.rows, row))
