"""From a picture back to the form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from finetune.drawing.speed_names import ROPE_METHODS
from studio.home.settings import Settings
from studio.memory_rungs import RUNGS
from studio.pictures.gallery import Gallery
from studio.pictures.record import PictureRecord
from studio.render_request import (
    MAX_COARSE_FIRST,
    MAX_GUIDANCE,
    MAX_SIDE_PX,
    MAX_STEPS,
    MIN_COARSE_FIRST,
    MIN_SIDE_PX,
    NUM_SEEDS,
    SPEED_CHOICES,
    expand_requests,
)
from studio.ui.generate.controls import CONTROL_NAMES, build_controls
from studio.ui.generate.lora_stack import LoraContent, LoraStack
from studio.ui.generate.restoring import Restorer, form_updates
from tests.studio.ui.conftest import a_request, add_picture


@pytest.fixture
def restorer(gallery: Gallery, settings: Settings) -> Restorer:
    return Restorer(gallery, settings)


@pytest.fixture(scope="module")
def form_widgets() -> list[Any]:
    """The widgets of the form, in the order of CONTROL_NAMES."""
    with gr.Blocks():
        return build_controls().controls.widgets()


def changed(updates: tuple[Any, ...]) -> dict[str, Any]:
    """What a form update changes, by name."""
    named = dict(zip(CONTROL_NAMES, updates, strict=False))
    return {name: value for name, value in named.items() if value != gr.skip()}


def event(**data: Any) -> gr.EventData:
    return gr.EventData(None, data)


def test_use_all_takes_every_setting(restorer: Restorer, gallery: Gallery) -> None:
    picture = add_picture(gallery, "a lake", seed=42)
    tabs, _, *form = restorer.act(event(action="use_all", id=picture.id))
    assert tabs.selected == "generate"
    assert changed(tuple(form)) == {
        "prompt": "a lake",
        "as_list": False,
        "negative_prompt": "",
        "model": "micro-4k",
        "preset": "custom",
        "width_px": 256,
        "height_px": 256,
        "num_inference_steps": 12,
        "guidance_scale": 3.0,
        "coarse_first": 0.0,
        "seed": 42,
        "seed_mode": "fixed",
        "count": 1,
        "adapters": LoraContent(),
        "rope": "none",
        "speed": [],
        "memory": "auto",
    }


def test_remix_leaves_the_seed_and_draws_a_new_one(restorer: Restorer, gallery: Gallery) -> None:
    _, _, *form = restorer.act(event(action="remix", id=add_picture(gallery).id))
    assert "seed" not in changed(tuple(form))
    assert changed(tuple(form))["seed_mode"] == "random"


def test_use_seed_takes_nothing_else(restorer: Restorer, gallery: Gallery) -> None:
    _, _, *form = restorer.act(event(action="use_seed", id=add_picture(gallery, seed=5).id))
    assert changed(tuple(form)) == {"seed": 5, "seed_mode": "fixed"}


def test_starring_changes_the_picture_and_not_the_form(restorer: Restorer, gallery: Gallery) -> None:
    picture = add_picture(gallery)
    _, details, *form = restorer.act(event(action="star", id=picture.id))
    assert details.starred
    assert gallery.get(picture.id).starred
    assert changed(tuple(form)) == {}


def test_a_dropped_studio_picture_restores_all(restorer: Restorer, gallery: Gallery) -> None:
    emptied, *form = restorer.drop(str(add_picture(gallery, "dropped", seed=3).path))
    assert emptied is None
    assert changed(tuple(form))["prompt"] == "dropped"
    assert changed(tuple(form))["seed"] == 3


def test_a_dropped_a1111_picture_restores_what_it_tells(restorer: Restorer, tmp_path: Path) -> None:
    words = PngImagePlugin.PngInfo()
    words.add_text(
        "parameters",
        "a red barn\nNegative prompt: blurry\n"
        "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 99, Size: 512x768, Model: deliberate",
    )
    Image.new("RGB", (64, 64)).save(tmp_path / "theirs.png", pnginfo=words)
    with pytest.warns(UserWarning, match="deliberate"):
        _, *form = restorer.drop(str(tmp_path / "theirs.png"))
    values = changed(tuple(form))
    assert (values["prompt"], values["negative_prompt"], values["seed"]) == ("a red barn", "blurry", 99)
    assert (values["num_inference_steps"], values["guidance_scale"]) == (20, 7)
    assert (values["width_px"], values["height_px"], values["preset"]) == (512, 768, "custom")
    assert "model" not in values


def test_a_file_without_settings_is_one_sentence(restorer: Restorer, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "plain.png")
    with pytest.warns(UserWarning, match="plain.png"):
        emptied, *form = restorer.drop(str(tmp_path / "plain.png"))
    assert emptied is None, "the zone must take the next one"
    assert changed(tuple(form)) == {}


def test_one_update_for_every_widget() -> None:
    assert len(form_updates()) == len(CONTROL_NAMES) + 2


@pytest.mark.parametrize(
    "extremes",
    [
        {"num_inference_steps": 1, "guidance_scale": 0.0, "seed": 0, "width_px": MIN_SIDE_PX},
        {
            "num_inference_steps": MAX_STEPS,
            "guidance_scale": MAX_GUIDANCE,
            "seed": NUM_SEEDS - 1,
            "width_px": MAX_SIDE_PX,
            "height_px": MAX_SIDE_PX,
            "coarse_first": MAX_COARSE_FIRST,
        },
        {"coarse_first": MIN_COARSE_FIRST, "guidance_scale": 29.9},
        *({"rope": method} for method in ROPE_METHODS),
        *({"speed": option} for option in SPEED_CHOICES),
        *({"memory": rung} for rung in ("auto", *RUNGS)),
    ],
    ids=str,
)
def test_a_form_takes_whatever_a_request_takes(
    restorer: Restorer, gallery: Gallery, form_widgets: list[Any], extremes: dict[str, Any]
) -> None:
    """Every widget accepts what a restored picture brings into it, and the form asks for the same picture again."""
    request = replace(a_request(), **extremes)
    picture = gallery.add(np.zeros((256, 256, 3), np.uint8), PictureRecord(settings=request))
    _, _, *form = restorer.act(event(action="use_all", id=picture.id))
    entered = {}
    for name, widget, value in zip(CONTROL_NAMES, form_widgets, form, strict=False):
        payload = widget.postprocess(value)
        entered[name] = value if isinstance(widget, LoraStack) else widget.preprocess(payload)
    (again,) = expand_requests(
        prompts=entered["prompt"],
        as_list=entered["as_list"],
        speed=",".join(entered["speed"]),
        adapters=(),
        **{
            name: value
            for name, value in entered.items()
            if name not in ("prompt", "as_list", "preset", "speed", "adapters")
        },
    )
    assert again == request
