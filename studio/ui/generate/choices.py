"""What follows from single fields of the form: a size from a preset, a model's own numbers, a prompt from an example.

Not here: submitting (`studio.ui.generate.handlers`), notes below fields (`studio.ui.generate.notes`).
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.models.lookup import find_model
from studio.ui.generate.notes import model_choices, model_note, size_note
from studio.ui.generate.sizes import CUSTOM, preset_size, size_sentence

Plain = dict[str, Any]


def chosen_size(preset: str, width_px: float | None, height_px: float | None) -> tuple[int, int]:
    """(width_px, height_px) of a preset, or what the two fields say. ValueError for an empty field."""
    if preset != CUSTOM:
        return preset_size(preset)
    return entered("width", width_px, such_as=1024), entered("height", height_px, such_as=1024)


def entered(name: str, value: float | None, *, such_as: int) -> int:
    """The whole number that stands in a field. ValueError for an empty field."""
    if value is None or value != int(value):
        got = "is empty" if value is None else f"must be a whole number, got {value:g}"
        raise ValueError(f"{name} {got}; enter {such_as}, say")
    return int(value)


def pick_example(event: gr.EventData) -> str:
    return str(event.text)


def offer_models(offered: list[tuple[str, str]]) -> Any:
    """The model list as it is now, a model may have been downloaded since; nothing where it is as `offered`."""
    now = model_choices()
    return gr.skip() if now == offered else gr.Dropdown(choices=now)


def choose_model(chosen: Plain | None) -> tuple[Any, str]:
    """(the model's own steps, guidance and way to compose, its note); `chosen` is what form.js says of the choice.

    Nothing for a model that is the same as before: a field that is only walked through changes nothing.
    """
    if chosen is None:
        return gr.skip(), gr.skip()
    model = str(chosen["model"])
    try:
        entry = find_model(model)
    except ValueError:
        return None, model_note(model)
    advice = {
        "num_inference_steps": entry.default_steps,
        "guidance_scale": entry.default_guidance_scale,
        "coarse_first": entry.default_coarse_first,
        "at": chosen["at"],
    }
    return advice, model_note(model)


def size_said(preset: str, width_px: int | None, height_px: int | None) -> str:
    """The size that will be drawn, in megapixels, or what is wrong with the two fields of a custom one."""
    return size_note(width_px, height_px) if preset == CUSTOM else size_sentence(*preset_size(preset))
