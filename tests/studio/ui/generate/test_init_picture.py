"""The picture that the form begins from: handed in, redrawn, restored, and asked for; and nobody else's."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from studio.comparison.differences import settings_difference
from studio.home.init_images import init_image_path
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.pictures.foreign_text.a1111 import format_parameters, read_parameters
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.pictures.record import PictureRecord
from studio.pictures.settings_reader import read_settings
from studio.queue.table import JobTable
from studio.render_request import RenderRequest
from studio.ui.generate.controls import CONTROL_NAMES
from studio.ui.generate.handlers import GenerateHandlers
from studio.ui.generate.init_picture import InitContent, init_of
from studio.ui.generate.lora_stack import LoraContent
from studio.ui.generate.restoring import Restorer
from studio.ui.parts.refusal import NOTHING_REFUSED
from tests.studio.ui.conftest import a_request, add_picture, worker_state


@pytest.fixture
def restorer(gallery: Gallery, settings: Settings) -> Restorer:
    return Restorer(gallery, settings)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "boat.jpg"
    Image.new("RGB", (640, 320), (200, 80, 20)).save(path)
    return path


def handed_in(restorer: Restorer, path: Path) -> InitContent:
    emptied, content, refused = restorer.begin_from(str(path), InitContent())
    assert (emptied, refused) == (None, NOTHING_REFUSED)
    assert isinstance(content, InitContent)
    return content


def act(restorer: Restorer, action: str, picture: Picture) -> tuple[dict[str, Any], str]:
    """(what the form is given, what is said)"""
    _, _, note, *form = restorer.act(gr.EventData(None, {"action": action, "id": picture.id}))
    named = dict(zip(CONTROL_NAMES, form, strict=False))
    return {name: value for name, value in named.items() if value != gr.skip()}, note


def begun_from(restorer: Restorer, gallery: Gallery, photo: Path, strength: float = 0.4) -> Picture:
    """A picture of the gallery that began from the photo."""
    content = handed_in(restorer, photo).model_copy(update={"strength": strength})
    settings = replace(a_request(), init=init_of(content, None))
    return gallery.add(np.zeros((256, 256, 3), np.uint8), PictureRecord(settings=settings))


def test_a_dropped_file_is_shown_and_kept(restorer: Restorer, workspace: Workspace, photo: Path) -> None:
    content = handed_in(restorer, photo)
    assert (content.title, content.size, content.strength) == ("boat.jpg", "640 × 320 px", 0.6)
    assert init_image_path(workspace.root, content.id).is_file()
    kind, _, data = content.thumb.partition(",")
    with Image.open(io.BytesIO(base64.b64decode(data))) as thumb:
        assert (kind, thumb.size) == ("data:image/jpeg;base64", (160, 80))


def test_another_file_takes_the_strength_over(restorer: Restorer, photo: Path) -> None:
    before = InitContent(strength=0.3)
    assert restorer.begin_from(str(photo), before)[1].strength == 0.3


def test_what_is_no_picture_is_refused_at_the_button(restorer: Restorer, tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("words")
    emptied, content, refused = restorer.begin_from(str(tmp_path / "words.png"), InitContent())
    assert emptied is None
    assert content == gr.skip(), "what was chosen before stays"
    assert "words.png" in refused


def test_redraw_takes_the_picture_and_its_settings_but_the_seed(restorer: Restorer, gallery: Gallery) -> None:
    picture = add_picture(gallery, "a lake", seed=42)
    form, note = act(restorer, "redraw", picture)
    assert (form["prompt"], form["seed_mode"], "seed" in form, note) == ("a lake", "random", False, "")
    assert (form["init"].title, form["init"].size) == (picture.path.name, "256 × 256 px")
    kept = init_image_path(gallery.workspace.root, form["init"].id)
    assert kept.read_bytes() == picture.path.read_bytes()


def test_what_a_picture_began_from_comes_back(restorer: Restorer, gallery: Gallery, photo: Path) -> None:
    picture = begun_from(restorer, gallery, photo)
    for action in ("remix", "use_all"):
        form, note = act(restorer, action, picture)
        assert (form["init"].size, form["init"].strength, note) == ("640 × 320 px", 0.4, "")
    again, _ = act(restorer, "redraw", picture)
    assert again["init"].size == "256 × 256 px", "redrawn is the picture itself, not what it began from"


def test_one_that_began_from_noise_takes_the_form_s_picture_away(
    restorer: Restorer, gallery: Gallery
) -> None:
    """Use all would otherwise draw another picture than the one whose settings it took."""
    form, _ = act(restorer, "use_all", add_picture(gallery))
    assert form["init"] == InitContent()
    assert "init" not in act(restorer, "use_seed", add_picture(gallery))[0]


def test_one_that_is_gone_is_left_out_and_said(restorer: Restorer, gallery: Gallery, photo: Path) -> None:
    picture = begun_from(restorer, gallery, photo)
    (kept,) = (gallery.workspace.root / "init").glob("*-*")
    kept.unlink()
    form, note = act(restorer, "use_all", picture)
    assert form["init"] == InitContent()
    assert "the picture it began from, at 0.4 (the picture to begin from is no longer kept here" in note


def test_a_damaged_one_takes_nothing_else_down(restorer: Restorer, gallery: Gallery, photo: Path) -> None:
    picture = begun_from(restorer, gallery, photo)
    (kept,) = (gallery.workspace.root / "init").glob("*-*")
    kept.write_bytes(kept.read_bytes()[:200])
    form, note = act(restorer, "use_all", picture)
    assert (form["prompt"], form["init"]) == ("mountains at dusk", InitContent())
    assert "is damaged or cut off" in note


def test_a_stranger_s_name_opens_nothing(workspace: Workspace, settings: Settings, photo: Path) -> None:
    """Its id stands in every picture that is shared; the file's thumbnail must not follow from it."""

    def gallery_of(who: str) -> Gallery:
        return Gallery(workspace, viewer=lambda: who)

    hosted = replace(settings, hosted=True)
    anns = handed_in(Restorer(gallery_of("ann"), hosted), photo)
    found = {"num_inference_steps": 12, "init": {"id": anns.id, "strength": 0.4}}
    mine, nothing = Restorer(gallery_of("ann"), hosted).as_form(found)
    theirs, told = Restorer(gallery_of("bob"), hosted).as_form(found)
    assert (mine["init"].thumb, nothing) == (anns.thumb, [])
    assert theirs["init"] == InitContent()
    assert told == ["the picture it began from, at 0.4 (it is not kept here)"]
    with pytest.raises(ValueError, match="is not kept here; choose its file"):
        init_of(anns, "bob")


def test_a_host_opens_no_larger_than_it_draws(gallery: Gallery, settings: Settings, photo: Path) -> None:
    hosted = Restorer(gallery, replace(settings, hosted=True, max_megapixels=0.1))
    assert "boat.jpg is 640 x 320" in hosted.begin_from(str(photo), InitContent())[2]


def test_generate_asks_for_it(
    restorer: Restorer, gallery: Gallery, jobs: JobTable, settings: Settings, photo: Path
) -> None:
    content = handed_in(restorer, photo).model_copy(update={"strength": 0.25})
    handlers = GenerateHandlers(jobs, gallery, settings, worker_state)
    values = {
        "prompt": "sea",
        "as_list": False,
        "negative_prompt": "",
        "model": "micro-4k",
        "preset": "1024x1024",
        "width_px": None,
        "height_px": None,
        "num_inference_steps": 8,
        "guidance_scale": 3.0,
        "coarse_first": 0.0,
        "seed": 7,
        "seed_mode": "walk",
        "count": 2,
        "adapters": LoraContent(),
        "rope": "none",
        "speed": [],
        "memory": "auto",
        "init": content,
    }
    refused, *_ = handlers.generate(*(values[name] for name in CONTROL_NAMES), None)
    assert refused == NOTHING_REFUSED
    asked = [RenderRequest.from_dict(job.request).init for job in jobs.jobs()]
    assert asked == [init_of(content, None)] * 2
    assert asked[0] is not None
    assert asked[0].strength == 0.25
    init_image_path(gallery.workspace.root, content.id).unlink()
    refused, *_ = handlers.generate(*(values[name] for name in CONTROL_NAMES), None)
    assert "no longer kept here; choose its file again" in refused
    assert len(jobs.jobs()) == 2


def test_it_is_written_into_the_picture_and_read_again(
    restorer: Restorer, gallery: Gallery, photo: Path
) -> None:
    picture = begun_from(restorer, gallery, photo)
    init = picture.record.settings.init
    assert init is not None
    wanted = {"id": init.id, "strength": 0.4}
    assert read_settings(picture.path).values["init"] == wanted
    text = format_parameters(picture.record)
    assert f"Init image: {init.id}, Init image strength: 0.4" in text
    assert read_parameters(text).values["init"] == wanted
    other = read_parameters(text.replace("0.4", "7"))
    assert "init" not in other.values
    assert "strength of an init image must lie between" in other.left_out["Init image"]


@pytest.mark.parametrize("init", [None, "photo.png", {"id": 7}, {"id": "0", "strength": 10**400}, [1]])
def test_a_damaged_record_is_read_without_it(restorer: Restorer, tmp_path: Path, init: object) -> None:
    told = PngInfo()
    told.add_text("diffusion4k", json.dumps({"settings": {"prompt": "a lake", "seed": 3, "init": init}}))
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png", pnginfo=told)
    assert read_settings(tmp_path / "a.png").values == {"prompt": "a lake", "seed": 3}
    assert restorer.drop(str(tmp_path / "a.png"))[0] is None


def test_compare_lists_it_as_settings(restorer: Restorer, gallery: Gallery, photo: Path) -> None:
    records = [begun_from(restorer, gallery, photo, strength).record.to_dict() for strength in (0.3, 0.5)]
    rows = {row.name: row for row in settings_difference(records)}
    assert rows["init strength"].values == ("0.3", "0.5")
    assert not rows["init id"].differs


def test_requests_of_before_have_none() -> None:
    values = a_request().to_dict()
    assert "init" not in values, "what stands in older tables and pictures stays as it was"
    assert RenderRequest.from_dict(values).init is None
    for wrong in ("a.png", {"id": "x"}, {"id": "0" * 12 + "-" + "1" * 32, "hue": 3}, 7):
        with pytest.raises(ValueError, match="init"):
            RenderRequest.from_dict({**values, "init": wrong})
