"""From a picture's settings back to the form: remix, redraw, use seed, use all, and dropped files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from finetune.whole_text import shortened
from metrics.pictures import MAX_MEGAPIXELS
from studio.home.init_images import is_of, keep_init_image
from studio.home.settings import Settings
from studio.init_image import InitImage
from studio.models.adapters import resolve_adapter
from studio.models.lookup import find_model
from studio.pictures.gallery import Gallery
from studio.pictures.settings_reader import STUDIO, PictureSettings, read_settings, settings_of_record
from studio.ui.generate.controls import CONTROL_NAMES
from studio.ui.generate.init_picture import InitContent, content_of
from studio.ui.generate.lora_stack import restored_stack
from studio.ui.generate.notes import model_note, size_note
from studio.ui.generate.restored import restored_note
from studio.ui.generate.sizes import preset_of
from studio.ui.messages import shows_errors
from studio.ui.parts.details.details import DetailsContent, details_of_picture
from studio.ui.parts.refusal import NOTHING_REFUSED, refusal

Plain = dict[str, Any]
_MAX_REASON = 300
"""Letters: what a picture names may be as long as it likes."""


@dataclass(frozen=True, slots=True)
class Restorer:
    """Fills the form from pictures of the gallery and from dropped files."""

    gallery: Gallery
    settings: Settings

    @shows_errors
    def act(self, event: gr.EventData) -> tuple[Any, ...]:
        """A button of a details rail: (tabs, details, what was left out, *form)"""
        picture = self.gallery.get(str(event.id))
        action = event.action
        if action in ("star", "unstar"):
            self.gallery.star(picture.id, action == "star")
            details: DetailsContent = details_of_picture(self.gallery.get(picture.id))
            return (gr.skip(), details, gr.skip(), *form_updates())
        found = settings_of_record(picture.record, picture.width_px, picture.height_px)
        form, left_out = self.wanted(action, found)
        if action == "redraw":
            form["init"] = self.kept(picture.path, title=picture.path.name)
        return (gr.Tabs(selected="generate"), gr.skip(), restored_note(left_out), *form_updates(**form))

    def drop(self, path: str | None) -> tuple[Any, ...]:
        """A dropped picture: (the drop zone emptied for the next one, what was left out or refused, *form)"""
        if path is None:
            return (gr.skip(), gr.skip(), *form_updates())
        try:
            found = read_settings(Path(path))
        except ValueError as error:
            return (None, refusal(str(error)), *form_updates())
        form, left_out = self.as_form(found.values)
        written = "" if found.source == STUDIO else f", written by {found.source}"
        note = restored_note([*left_out, *found.left_out_lines()], source=f"{Path(path).name}{written}")
        return (None, note, *form_updates(**form))

    @shows_errors
    def begin_from(self, path: str | None, before: InitContent) -> tuple[Any, Any, Any]:
        """A picture that was dropped to begin from, at the strength of the form's `before`: (the drop zone emptied, the
        form's picture, a refusal or none)"""
        if path is None:
            return gr.skip(), gr.skip(), gr.skip()
        try:
            found = self.kept(Path(path), title=Path(path).name)
            return None, found.model_copy(update={"strength": before.strength}), NOTHING_REFUSED
        except ValueError as error:
            return None, gr.skip(), refusal(str(error))

    def kept(self, path: Path, *, title: str) -> InitContent:
        """The form's picture to begin from, kept for whoever asks. ValueError for one that cannot be."""
        home, most = self.gallery.workspace.root, MAX_MEGAPIXELS
        if self.settings.hosted:
            most = min(most, self.settings.max_megapixels)
        init = keep_init_image(home, path, owner=self.gallery.viewer(), max_megapixels=most)
        return content_of(home, init, title=title)

    def kept_before(self, init: InitImage) -> InitContent:
        """What a picture of ours began from. ValueError where it is not there, or was handed in by somebody else."""
        if not is_of(init.id, self.gallery.viewer()):
            raise ValueError("it is not kept here")
        return content_of(self.gallery.workspace.root, init, title="the picture it began from")

    def wanted(self, action: str, found: PictureSettings) -> tuple[Plain, list[str]]:
        """(what of a picture's settings an action takes over, as form values; what is left out, and why)"""
        settings = found.values
        if action == "use_seed":
            return {"seed": settings["seed"], "seed_mode": "fixed"}, []
        if action not in ("remix", "use_all", "redraw"):
            raise ValueError(f"unknown action {action!r}; reload the page")
        unwanted = {"use_all": (), "remix": ("seed",), "redraw": ("seed", "init")}[action]
        settings = {name: value for name, value in settings.items() if name not in unwanted}
        form, left_out = self.as_form(settings)
        return form, [*left_out, *found.left_out_lines()]

    def as_form(self, settings: Plain) -> tuple[Plain, list[str]]:
        """(settings of one picture as form values, what is left out and why)

        One prompt, one picture, the seed fixed if there is one.
        """
        form = {name: settings[name] for name in CONTROL_NAMES if name in settings}
        left_out = []
        if "model" in form and (trouble := _trouble(find_model, str(form["model"]))):
            left_out.append(f"model: {shortened(str(form['model']))} ({trouble})")
            del form["model"]
        if "width_px" in form and "height_px" in form:
            form["preset"] = preset_of(int(form["width_px"]), int(form["height_px"]))
        if (
            "num_inference_steps" in form
        ):  # pictures from before there was a choice were drawn at full size alone
            form.setdefault("coarse_first", 0.0)
            form.setdefault("rope", "none")
            form["speed"] = [name for name in str(form.get("speed", "")).split(",") if name]
        if "init" in settings or "num_inference_steps" in form:
            form["init"] = InitContent()
        if settings.get("init") is not None:
            init = InitImage(**settings["init"])
            try:
                form["init"] = self.kept_before(init)
            except ValueError as error:
                left_out.append(f"the picture it began from, at {init.strength:g} ({error})")
        here = []
        for adapter in settings.get("adapters", ()):
            path = str(adapter["path"])
            if trouble := _trouble(resolve_adapter, self.gallery.workspace.root, path):
                left_out.append(f"LoRA: {shortened(path)} at {adapter['weight']:g} ({trouble})")
            else:
                here.append(adapter)
        form["adapters"] = restored_stack(here)
        form["seed_mode"] = "fixed" if "seed" in form else "random"
        return {**form, "as_list": False, "count": 1}, left_out


def form_updates(**values: Any) -> tuple[Any, ...]:
    """An update for every widget of the form: CONTROL_NAMES in order, then size and model notes.

    What is not named stays as it is.
    """
    controls = [values[name] if name in values else gr.skip() for name in CONTROL_NAMES]
    sized = "width_px" in values and "height_px" in values
    size = size_note(values["width_px"], values["height_px"]) if sized else gr.skip()
    model = model_note(str(values["model"])) if "model" in values else gr.skip()
    return (*controls, size, model)


def _trouble(look: Callable[..., Any], *named: Any) -> str:
    """Why it is not here; empty if it is."""
    try:
        look(*named)
    except ValueError as error:
        return str(error)[:_MAX_REASON]
    return ""
