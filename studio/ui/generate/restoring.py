"""From a picture's settings back to the form: remix, use seed, use all, and dropped files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from studio.home.settings import Settings
from studio.models.lookup import find_model
from studio.pictures.gallery import Gallery
from studio.pictures.settings_reader import STUDIO, read_settings
from studio.ui.generate.controls import CONTROL_NAMES
from studio.ui.generate.lora_stack import restored_stack
from studio.ui.generate.notes import model_note, size_note
from studio.ui.generate.sizes import preset_of
from studio.ui.messages import shows_errors
from studio.ui.parts.details.details import DetailsContent, details_of_picture

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Restorer:
    """Fills the form from pictures of the gallery and from dropped files."""

    gallery: Gallery
    settings: Settings

    @shows_errors
    def act(self, event: gr.EventData) -> tuple[Any, ...]:
        """A button of a details rail: (tabs, details, *form), see FORM_OUTPUTS."""
        picture = self.gallery.get(str(event.id))
        action = event.action
        if action in ("star", "unstar"):
            self.gallery.star(picture.id, action == "star")
            details: DetailsContent = details_of_picture(self.gallery.get(picture.id))
            return (gr.skip(), details, *form_updates())
        form = wanted(action, picture.record.settings.to_dict())
        return (gr.Tabs(selected="generate"), gr.skip(), *form_updates(**form))

    def drop(self, path: str | None) -> tuple[Any, ...]:
        """A dropped picture: (the drop zone emptied for the next one, *form)."""
        if path is None:
            return (gr.skip(), *form_updates())
        try:
            found = read_settings(Path(path))
        except ValueError as error:
            gr.Warning(str(error), duration=12)
            return (None, *form_updates())
        written = "" if found.source == STUDIO else f", written by {found.source}"
        left_out = found.left_out_words()
        gr.Info(
            f"Restored from {Path(path).name}{written}" + (f". Left out: {left_out}" if left_out else ""),
            duration=15 if left_out else 4,
        )
        return (None, *form_updates(**as_form(found.values)))


def wanted(action: str, settings: Plain) -> Plain:
    """What of a picture's settings an action takes over, as form values."""
    if action == "use_seed":
        return {"seed": settings["seed"], "seed_mode": "fixed"}
    if action == "remix":
        return as_form({name: value for name, value in settings.items() if name != "seed"})
    if action == "use_all":
        return as_form(settings)
    raise ValueError(f"unknown action {action!r}; reload the page")


def as_form(settings: Plain) -> Plain:
    """Settings of one picture as form values: one prompt, one picture, the seed fixed if there is one."""
    form = {name: settings[name] for name in CONTROL_NAMES if name in settings}
    if "model" in form and not is_known(str(form["model"])):
        gr.Warning(f"Made with {form['model']}, which is not in this studio; the model stays as it is.")
        del form["model"]
    if "width_px" in form and "height_px" in form:
        form["preset"] = preset_of(int(form["width_px"]), int(form["height_px"]))
    if "num_inference_steps" in form:  # pictures from before there was a choice were drawn at full size alone
        form.setdefault("coarse_first", 0.0)
        form.setdefault("rope", "none")
        form["speed"] = [name for name in str(form.get("speed", "")).split(",") if name]
    form["adapters"] = restored_stack(settings.get("adapters", ()))
    form["seed_mode"] = "fixed" if "seed" in form else "random"
    return {**form, "as_list": False, "count": 1}


def form_updates(**values: Any) -> tuple[Any, ...]:
    """An update for every widget of the form: CONTROL_NAMES in order, then size and model notes.

    What is not named stays as it is.
    """
    controls = [values[name] if name in values else gr.skip() for name in CONTROL_NAMES]
    sized = "width_px" in values and "height_px" in values
    size = size_note(values["width_px"], values["height_px"]) if sized else gr.skip()
    model = model_note(str(values["model"])) if "model" in values else gr.skip()
    return (*controls, size, model)


def is_known(model: str) -> bool:
    try:
        find_model(model)
    except ValueError:
        return False
    return True
