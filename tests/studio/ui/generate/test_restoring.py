"""From a picture back to the form."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
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
    AdapterUse,
    expand_requests,
)
from studio.ui.components import Drawn
from studio.ui.generate.controls import CONTROL_NAMES, build_controls
from studio.ui.generate.init_picture import InitContent
from studio.ui.generate.lora_stack import LoraContent
from studio.ui.generate.restored import NOTHING_LEFT_OUT
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
    tabs, _, note, *form = restorer.act(event(action="use_all", id=picture.id))
    assert (tabs.selected, note) == ("generate", NOTHING_LEFT_OUT)
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
        "init": InitContent(),
    }


def test_remix_leaves_the_seed_and_draws_a_new_one(restorer: Restorer, gallery: Gallery) -> None:
    _, _, _, *form = restorer.act(event(action="remix", id=add_picture(gallery).id))
    assert "seed" not in changed(tuple(form))
    assert changed(tuple(form))["seed_mode"] == "random"


def test_use_seed_takes_nothing_else(restorer: Restorer, gallery: Gallery) -> None:
    _, _, _, *form = restorer.act(event(action="use_seed", id=add_picture(gallery, seed=5).id))
    assert changed(tuple(form)) == {"seed": 5, "seed_mode": "fixed"}


def test_starring_changes_the_picture_and_not_the_form(restorer: Restorer, gallery: Gallery) -> None:
    picture = add_picture(gallery)
    _, details, note, *form = restorer.act(event(action="star", id=picture.id))
    assert details.starred
    assert note == gr.skip(), "what is said stays"
    assert gallery.get(picture.id).starred
    assert changed(tuple(form)) == {}


def test_a_dropped_studio_picture_restores_all(restorer: Restorer, gallery: Gallery) -> None:
    path = add_picture(gallery, "dropped", seed=3).path
    emptied, note, *form = restorer.drop(str(path))
    assert emptied is None
    assert note == f"<p role='status'>Restored from {path.name}.</p>"
    assert changed(tuple(form))["prompt"] == "dropped"
    assert changed(tuple(form))["seed"] == 3


def lines(note: str) -> list[str]:
    """What a note lists, as it is read; told at once if there is anything."""
    listed = re.findall("<li>(.*?)</li>", note)
    assert ("role='alert'" in note) == bool(listed)
    return [unescape(line) for line in listed]


def dropped(path: Path, **texts: str) -> str:
    words = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        words.add_text(name, text)
    Image.new("RGB", (64, 64)).save(path, pnginfo=words)
    return str(path)


def test_a_dropped_a1111_picture_restores_what_it_tells_and_the_rest_is_listed(
    restorer: Restorer, tmp_path: Path
) -> None:
    text = (
        "a red barn\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M (Karras), CFG scale: 77, Seed: 99, "
        "Size: 512x768, Model: deliberate, Clip skip: 2, ENSD: 31337, Eta: 0.2, Hires upscale: 2, Tiling: yes"
    )
    _, note, *form = restorer.drop(dropped(tmp_path / "theirs <b>.png", parameters=text))
    values = changed(tuple(form))
    assert (values["prompt"], values["negative_prompt"], values["seed"]) == ("a red barn", "blurry", 99)
    assert values["num_inference_steps"] == 20
    assert (values["width_px"], values["height_px"], values["preset"]) == (512, 768, "custom")
    assert not {"model", "guidance_scale"} & set(values)
    assert "Restored from theirs &lt;b&gt;.png, written by AUTOMATIC1111." in note
    listed = lines(note)
    assert listed[0].startswith("model: deliberate (there is no model 'deliberate'; `d4k models` lists them")
    assert set(listed[1:]) == {
        "CFG scale: 77 (here it lies between 0 and 30.0)",
        "Sampler: DPM++ 2M (Karras) (there is no such setting here)",
        "Clip skip: 2 (there is no such setting here)",
        "ENSD: 31337 (there is no such setting here)",
        "Eta: 0.2 (there is no such setting here)",
        "Hires upscale: 2 (there is no such setting here)",
        "Tiling: yes (there is no such setting here)",
        "the file's own size: 64 x 64",
    }


def test_loras_and_models_that_are_not_here_are_left_out_with_their_reasons(
    restorer: Restorer, gallery: Gallery
) -> None:
    root = gallery.workspace.root
    (root / "loras").mkdir(exist_ok=True)
    (root / "loras" / "oil.safetensors").write_bytes(b"here")
    uses = (AdapterUse("loras/oil.safetensors", 0.5), AdapterUse("loras/ink.safetensors", 0.25))
    request = replace(a_request(), model="someone/else", adapters=uses)
    picture = gallery.add(np.zeros((256, 256, 3), np.uint8), PictureRecord(settings=request))
    for note, *form in (
        restorer.drop(str(picture.path))[1:],
        restorer.act(event(action="use_all", id=picture.id))[2:],
        restorer.act(event(action="remix", id=picture.id))[2:],
    ):
        values = changed(tuple(form))
        assert "model" not in values
        assert [(row.path, row.weight) for row in values["adapters"].rows] == [("loras/oil.safetensors", 0.5)]
        model, lora = lines(note)
        assert model.startswith("model: someone/else (someone/else is not in the catalogue; download it")
        assert lora.startswith("LoRA: loras/ink.safetensors at 0.25 (the adapter ")
        assert lora.endswith("is missing; it was moved or deleted, so choose another)")


def test_a_record_of_a_later_studio_says_what_is_not_known_here(
    restorer: Restorer, gallery: Gallery, tmp_path: Path
) -> None:
    told = {"settings": {**a_request("later").to_dict(), "sampler": "new"}}
    _, note, *form = restorer.drop(dropped(tmp_path / "later.png", diffusion4k=json.dumps(told)))
    assert changed(tuple(form))["prompt"] == "later"
    assert lines(note) == ["sampler: new (there is no such setting here)"]
    record = PictureRecord.from_dict(told)
    picture = gallery.add(np.zeros((256, 256, 3), np.uint8), record)
    _, _, note, *_ = restorer.act(event(action="use_all", id=picture.id))
    assert lines(note) == ["sampler: new (there is no such setting here)"]


def test_one_bad_value_of_a_studio_record_keeps_no_other_from_the_form(
    restorer: Restorer, tmp_path: Path
) -> None:
    settings = {
        **a_request("a lake", seed=8).to_dict(),
        "guidance_scale": 99.0,
        "width_px": 257,
        "rope": ["x"],
        "adapters": [{"path": "loras/a.bin", "weight": 1}],
        "sampler": "new",
    }
    _, note, *form = restorer.drop(
        dropped(tmp_path / "odd.png", diffusion4k=json.dumps({"settings": settings}))
    )
    values = changed(tuple(form))
    assert (values["prompt"], values["seed"], values["height_px"]) == ("a lake", 8, 256)
    assert not {"guidance_scale", "width_px", "preset"} & set(values)
    assert lines(note) == [
        "width_px: 257 (width must be a multiple of 32 px, got 257; try 256)",
        "guidance_scale: 99.0 (guidance must lie between 0 and 30, got 99; 4 is usual)",
        "adapters: [{'path': 'loras/a.bin', 'weight': 1}] "
        "(an adapter is a .safetensors file, got 'loras/a.bin'; choose another)",
        "rope: ['x'] (rope must be text, got ['x'])",
        "sampler: new (there is no such setting here)",
    ]


def test_a_file_without_settings_is_one_sentence(restorer: Restorer, tmp_path: Path) -> None:
    emptied, note, *form = restorer.drop(dropped(tmp_path / "plain.png"))
    assert emptied is None, "the zone must take the next one"
    assert "role='alert'" in note
    assert "plain.png holds no settings; drop the original file" in note
    assert changed(tuple(form)) == {}
    _, note, *_ = restorer.drop(None)
    assert note == gr.skip(), "the zone was emptied by the answer; what is said stays"


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
    _, _, _, *form = restorer.act(event(action="use_all", id=picture.id))
    entered = {}
    for name, widget, value in zip(CONTROL_NAMES, form_widgets, form, strict=False):
        payload = widget.postprocess(value)
        entered[name] = value if isinstance(widget, Drawn) else widget.preprocess(payload)
    (again,) = expand_requests(
        prompts=entered["prompt"],
        as_list=entered["as_list"],
        speed=",".join(entered["speed"]),
        adapters=(),
        **{
            name: value
            for name, value in entered.items()
            if name not in ("prompt", "as_list", "preset", "speed", "adapters", "init")
        },
    )
    assert again == request
