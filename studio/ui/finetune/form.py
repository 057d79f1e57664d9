"""The form of the Fine-tune tab: a widget for each setting, made from what the setting says of itself. No handlers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.data_classes import GradioModel

from studio.models.catalogue import CATALOGUE
from studio.training.form import FIELDS, Field, recipe_names
from studio.ui.components import Drawn
from studio.ui.datasets.room import DatasetChoice, build_dataset_choice

SEGMENTS_UP_TO = 4
"""Choices that are shown side by side; more become a list."""

WIDE = frozenset({"text", "lines", "table", "choice", "switch", "numbers"})
"""Kinds that take the whole width; numbers stand in pairs."""

METHOD, OBJECTIVE, RESOURCES, WATCHING = (
    ("model", "method", "optimizer"),
    ("objective", "timesteps"),
    ("schedule", "resources"),
    ("validation", "samples"),
)
IN_THE_ROOM = {
    "data.source": "dataset-known",
    "data.resolution_px": "dataset-resolution",
    "data.square_only": "dataset-square",
}
"""Settings that the dataset room holds -> its elements; they are seen always."""

HEADS = {
    "optimizer": "Optimizer",
    "timesteps": "Noise levels",
    "resources": "Resources",
    "validation": "Validation",
    "samples": "Samples",
}
"""Small headings inside a step."""


class FormSightContent(GradioModel):
    """What of the form is seen."""

    silent: tuple[str, ...] = ()
    """Keys of settings without a say: hidden."""
    problem: str = ""
    key: str = ""
    """Of the setting that the problem is about."""


class FormSight(Drawn):
    """Hides what has no say, and writes a problem beside its field. Its switch shows the advanced settings.

    Event: written, after a text field of the form was changed by hand, however: typed, pasted, cut, dropped, undone.
    """

    data_model = FormSightContent
    scripts = ("finetune_sight.js",)
    markup = f"""
<style></style>
<div class="ft-sight" data-room="{" ".join(f"{key}={name}" for key, name in IN_THE_ROOM.items())}"
  data-advanced-keys="{" ".join(k for k, each in FIELDS.items() if each.advanced and k not in IN_THE_ROOM)}">
  <label class="ft-advanced"><input type="checkbox"> Advanced</label>
  <p class="ft-problem" role="alert" hidden></p>
</div>
"""


@dataclass(frozen=True, slots=True)
class FinetuneForm:
    """The form's widgets."""

    fields: Mapping[str, Any]
    """Key -> widget, in the order of `FIELDS`."""

    room: DatasetChoice
    recipe: gr.Dropdown
    sight: FormSight
    toml: gr.Code
    chart: gr.Plot
    verdict: gr.Markdown

    def widgets(self) -> list[Any]:
        return [self.fields[key] for key in FIELDS]


def build_dataset_step(*, hosted: bool) -> DatasetChoice:
    """Step 1: the dataset room's narrow half, which holds three of the settings itself."""
    with gr.Column(elem_classes="dataset-side", min_width=0):
        return build_dataset_choice(hosted=hosted)


def build_form(*, hosted: bool = False) -> FinetuneForm:
    """Numbered steps; the first and the last are open."""
    made: dict[str, Any] = {}
    with gr.Row(elem_classes="ft-top"):
        recipe = gr.Dropdown(
            [(name.replace("-", " "), name) for name in recipe_names()],
            value=None,
            label="Start from a recipe",
            elem_id="ft-recipe",
        )
        sight = FormSight(elem_id="ft-sight", padding=False)
    with _step(1, "Dataset", is_open=True):
        room = build_dataset_step(hosted=hosted)
        made |= {
            "data.source": room.source,
            "data.resolution_px": room.resolution_px,
            "data.square_only": room.square,
        }
        _build_section("data", made)
    with _step(2, "Method"):
        _build_sections(METHOD, made)
    with _step(3, "Objective"):
        verdict = gr.Markdown(elem_classes="note ft-verdict", elem_id="ft-verdict")
        chart = gr.Plot(show_label=False, elem_id="ft-weights", elem_classes="rail-plot")
        _build_sections(OBJECTIVE, made)
    with _step(4, "Resources"):
        _build_sections(RESOURCES, made)
    with _step(5, "On the way"):
        _build_sections(WATCHING, made)
    with _step(6, "Launch", is_open=True):
        _build_section("output", made)
    with gr.Accordion("As TOML", open=False, elem_classes="ft-step"):
        toml = gr.Code(
            language="yaml",
            lines=6,
            show_label=False,
            show_line_numbers=False,
            interactive=True,
            elem_id="ft-toml",
        )
    return FinetuneForm({key: made[key] for key in FIELDS}, room, recipe, sight, toml, chart, verdict)


def build_field(field: Field) -> Any:
    """The widget of one setting. Ranges are checked by the config, whose sentence is shown beside the field."""
    look: dict[str, Any] = {
        "label": field.title,
        "info": field.help,
        "elem_id": field_id(field.key),
        "elem_classes": ["ft-wide"] if field.kind in WIDE else [],
        "min_width": 100,
    }
    value = field.default
    if field.key == "model.base":
        models = [(entry.title, entry.source) for entry in CATALOGUE]
        return gr.Dropdown(models, value=value, allow_custom_value=True, **look)
    if field.kind == "choice":
        named = [(choice.replace("_", " "), choice) for choice in field.choices]
        if len(named) > SEGMENTS_UP_TO:
            return gr.Dropdown(named, value=value, **look)
        return gr.Radio(named, value=value, **look | {"elem_classes": ["ft-wide", "segments"]})
    if field.kind == "switch":
        return gr.Checkbox(value=value, **look)
    if field.kind in ("integer", "number"):
        return gr.Number(value=value, precision=0 if field.kind == "integer" else None, **look)
    lines = 2 if field.kind in ("lines", "table") or field.key == "output.notes" else 1
    return gr.Textbox(value=value, lines=lines, max_lines=8 if lines > 1 else 1, **look)


def field_id(key: str) -> str:
    """The element of a setting's widget."""
    return IN_THE_ROOM.get(key, f"ft-{key.replace('.', '-')}")


def _step(number: int, title: str, *, is_open: bool = False) -> gr.Accordion:
    return gr.Accordion(f"{number}  {title}", open=is_open, elem_classes="ft-step")


def _build_sections(sections: tuple[str, ...], made: dict[str, Any]) -> None:
    for section in sections:
        if section in HEADS:
            gr.Markdown(HEADS[section], elem_classes="ft-head")
        _build_section(section, made)


def _build_section(section: str, made: dict[str, Any]) -> None:
    """Its settings in their order, those that are there already aside."""
    with gr.Column(elem_classes="ft-fields", min_width=0):
        for key, field in FIELDS.items():
            if field.section == section and key not in made:
                made[key] = build_field(field)
