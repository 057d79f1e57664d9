"""The left rail of Generate: every setting of a render, in one fixed order. No handlers here."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr
from gradio.data_classes import GradioModel

from studio.memory_rungs import RUNG_TITLES
from studio.models.catalogue import CATALOGUE
from studio.render_request import MAX_COARSE_FIRST, MAX_GUIDANCE, MAX_STEPS, SPEED_CHOICES
from studio.ui.components import Drawn, SentFile
from studio.ui.generate.init_picture import InitPicture
from studio.ui.generate.lora_fits import LoraFits
from studio.ui.generate.lora_stack import LoraServer, LoraStack
from studio.ui.generate.notes import model_choices
from studio.ui.generate.restored import build_restored
from studio.ui.generate.sizes import PRESETS, preset_of, size_sentence
from studio.ui.parts.refusal import build_refusal

EXAMPLES = (
    ("Mountains", "mountains at dusk, cloudy sky"),
    ("Dunes", "desert dunes at dawn under a clear sky"),
    ("Forest", "a forest at noon in thick fog"),
    ("Sea", "the sea at night, clear sky, moon on the right"),
    ("Snow", "snowy mountains at dawn, sun on the left"),
)
"""(chip, prompt)"""


@dataclass(frozen=True, slots=True)
class Controls:
    """The widgets of one render's settings; their order is the order of every handler's arguments."""

    prompt: gr.Textbox
    as_list: gr.Checkbox
    negative_prompt: gr.Textbox
    model: gr.Dropdown
    preset: gr.Radio
    width_px: gr.Number
    height_px: gr.Number
    num_inference_steps: gr.Slider
    guidance_scale: gr.Slider
    coarse_first: gr.Slider
    seed: gr.Number
    seed_mode: gr.Radio
    count: gr.Slider
    adapters: LoraStack
    rope: gr.Dropdown
    speed: gr.Dropdown
    memory: gr.Dropdown
    init: InitPicture

    def widgets(self) -> list[Any]:
        return [getattr(self, name) for name in CONTROL_NAMES]


CONTROL_NAMES = tuple(field.name for field in fields(Controls))

FIELD_IDS = {
    **{name: name.replace("_", "-") for name in CONTROL_NAMES},
    "negative_prompt": "negative",
    "preset": "size",
    "width_px": "width",
    "height_px": "height",
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "adapters": "loras",
}
"""The id of each field's element in the page."""


class PromptChips(Drawn):
    """Example prompts. Event: pick (text)."""

    class Examples(GradioModel):
        prompts: tuple[tuple[str, str], ...] = EXAMPLES

    data_model = Examples
    scripts = ("prompt_chips.js",)
    markup = '<div class="prompt-chips" role="group" aria-label="Example prompts"></div>'


@dataclass(frozen=True, slots=True)
class Rail:
    """The rail's widgets beside the settings themselves."""

    controls: Controls
    lora_fits: LoraFits
    examples: PromptChips
    size_note: gr.Markdown
    model_note: gr.Markdown
    open_models: gr.Button
    """Shown by controls.css where the note is of trouble."""

    fit_note: gr.Markdown
    speed_note: gr.Markdown
    restored: gr.HTML
    """What a picture said that the form left out, and why; gone with the next picture and with Generate."""

    refusal: gr.HTML
    """Why Generate took nothing; gone with the next change."""

    drop: gr.File
    init_drop: gr.File
    """Takes a picture to begin from; in sight while there is none."""

    generate: gr.Button

    def form(self) -> list[Any]:
        """What form_updates() fills: the settings and the two notes."""
        return [*self.controls.widgets(), self.size_note, self.model_note]


def _drop_zone(label: str, *, height: int, elem_id: str) -> SentFile:
    """Takes one picture; `height` in CSS pixels."""
    return SentFile(
        label=label,
        file_types=["image"],
        type="filepath",
        height=height,
        elem_classes="drop",
        elem_id=elem_id,
    )


def build_controls() -> Rail:
    """Prompt and Generate stay in sight; the settings between them scroll."""
    default = CATALOGUE[0]
    width_px, height_px = default.default_size_px
    preset = preset_of(width_px, height_px)
    with gr.Column(elem_classes="rail-scroll", min_width=0):
        prompt = gr.Textbox(
            value="",
            label="Prompt",
            lines=3,
            max_lines=12,
            placeholder="mountains at dusk, cloudy sky",
            elem_id="prompt",
        )
        examples = PromptChips()
        with gr.Column(elem_classes="settings", min_width=0):
            as_list = gr.Checkbox(
                label="One prompt per line", value=False, container=False, elem_id="as-list"
            )
            negative_prompt = gr.Textbox(
                value="", label="Negative prompt", lines=1, max_lines=4, elem_id="negative"
            )
            model = gr.Dropdown(
                model_choices(),
                value=default.id,
                label="Model",
                allow_custom_value=True,
                elem_id="model",
            )
            model_note = gr.Markdown(elem_classes="note", elem_id="model-note")
            open_models = gr.Button(
                "Open Models", size="sm", elem_classes="plain-button", elem_id="open-models"
            )
            init = InitPicture(elem_id="init", padding=False)
            init_drop = _drop_zone("Drop a picture here to begin from it", height=52, elem_id="init-drop")
            sizes = gr.Radio(
                list(PRESETS), value=preset, label="Size", elem_classes="segments thirds", elem_id="size"
            )
            with gr.Row(elem_classes="pair custom-size"):  # shown by controls.css, where the size is custom
                width = gr.Number(
                    width_px, label="Width (px)", precision=0, step=32, min_width=80, elem_id="width"
                )
                height = gr.Number(
                    height_px, label="Height (px)", precision=0, step=32, min_width=80, elem_id="height"
                )
            size_note = gr.Markdown(
                size_sentence(width_px, height_px), elem_classes="note", elem_id="size-note"
            )
            with gr.Row(elem_classes="pair"):
                steps = gr.Slider(
                    1,
                    MAX_STEPS,
                    value=default.default_steps,
                    step=1,
                    label="Steps",
                    info="More are finer, and slower",
                    min_width=100,
                    buttons=[],
                    elem_id="steps",
                )
                guidance = gr.Slider(
                    0,
                    MAX_GUIDANCE,
                    value=default.default_guidance_scale,
                    step=0.1,
                    label="Guidance",
                    info="Closer to the prompt",
                    min_width=100,
                    buttons=[],
                    elem_id="guidance",
                )
            coarse_first = gr.Slider(
                0,
                MAX_COARSE_FIRST,
                value=default.default_coarse_first,
                step=0.05,
                label="Coarse first",
                info="Compose small, then enlarge and draw anew from this noise level; 0 is off",
                buttons=[],
                elem_id="coarse-first",
            )
            seed_mode = gr.Radio(
                [("Random", "random"), ("Fixed", "fixed"), ("Walk", "walk")],
                value="random",
                label="Seed",
                info="Another each time, the same, or one further each time",
                elem_classes="segments thirds",
                elem_id="seed-mode",
            )
            with gr.Row(elem_classes="pair"):
                seed = gr.Number(0, label="Seed value", precision=0, min_width=100, elem_id="seed")
                count = gr.Slider(
                    1, 16, value=1, step=1, label="Pictures", min_width=100, buttons=[], elem_id="count"
                )
            adapters = LoraStack(server=LoraServer(), elem_id="loras", padding=False)
            lora_fits = LoraFits(elem_id="lora-fits", padding=False)
            with gr.Accordion("Speed and positions", open=False, elem_id="speed-and-positions"):
                rope = gr.Dropdown(
                    [
                        ("The model's own", "none"),
                        ("Stretched (NTK)", "ntk"),
                        ("Stretched by parts (YaRN)", "yarn"),
                        ("Stretched while noise is high (dynamic)", "dynamic"),
                    ],
                    value="none",
                    label="Positions beyond the trained size",
                    info="For FLUX models above 1024² (F8) or 2048² (F16)",
                    elem_id="rope",
                )
                speed = gr.Dropdown(
                    list(SPEED_CHOICES),
                    value=[],
                    multiselect=True,
                    allow_custom_value=True,
                    label="Quicker",
                    info="A cache changes the picture; `d4k speed` measures how much",
                    elem_id="speed",
                )
                speed_note = gr.Markdown(elem_classes="note", elem_id="speed-note")
            memory = gr.Dropdown(
                [("Automatic", "auto"), *((title.capitalize(), rung) for rung, title in RUNG_TITLES.items())],
                value="auto",
                label="Memory",
                info="What is put aside so that the picture fits",
                elem_id="memory",
            )
            drop = _drop_zone("Drop a picture here to restore its settings", height=84, elem_id="drop")
    with gr.Column(elem_classes="rail-foot", min_width=0):
        fit_note = gr.Markdown(elem_classes="note", elem_id="fit-note")
        restored = build_restored()
        refusal = build_refusal("refusal")
        generate = gr.Button("Generate", variant="primary", size="lg", elem_id="generate")
    controls = Controls(
        prompt, as_list, negative_prompt, model, sizes, width, height, steps, guidance, coarse_first, seed,
        seed_mode, count, adapters, rope, speed, memory, init,
    )  # fmt: skip
    return Rail(
        controls, lora_fits, examples, size_note, model_note, open_models, fit_note, speed_note, restored, refusal,
        drop, init_drop, generate,
    )  # fmt: skip
