"""Names that the system will not look up, as pages meet them: in dropped pictures and typed into a field."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from studio.datasets.open import Datasets
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.record import PictureRecord
from studio.render_request import AdapterUse
from studio.ui.compare.items import folder_sets
from studio.ui.datasets.handlers import DatasetHandlers
from studio.ui.generate.controls import CONTROL_NAMES
from studio.ui.generate.handlers import GenerateHandlers
from studio.ui.generate.init_picture import InitContent
from studio.ui.generate.lora_stack import LoraContent
from studio.ui.generate.notes import model_note
from studio.ui.generate.restoring import Restorer
from tests.studio.odd_names import ODD_NAMES
from tests.studio.odd_names import no_way_in as no_way_in
from tests.studio.pictures.pictures_of_others import png, text_chunk
from tests.studio.ui.conftest import a_request

pytestmark = pytest.mark.usefixtures("no_way_in")


def restored(answer: tuple[Any, ...]) -> tuple[list[str], dict[str, Any]]:
    """(the lines of what is left out, the fields that change)"""
    _, note, *form = answer
    fields = {name: value for name, value in zip(CONTROL_NAMES, form, strict=False) if value != gr.skip()}
    return [unescape(line) for line in re.findall("<li>(.*?)</li>", note)], fields


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_picture_of_another_tool_restores_all_but_its_model(
    gallery: Gallery, settings: Settings, tmp_path: Path, name: str
) -> None:
    text = f"a red barn\nSteps: 20, Sampler: Euler, Seed: 99, Size: 512x768, Model: {name}"
    (tmp_path / "theirs.png").write_bytes(png(text_chunk("parameters", text, "iTXt")))
    listed, fields = restored(Restorer(gallery, settings).drop(str(tmp_path / "theirs.png")))
    assert (fields["prompt"], fields["seed"], fields["num_inference_steps"]) == ("a red barn", 99, 20)
    assert "model" not in fields
    (line,) = (line for line in listed if line.startswith("model: "))
    assert line.startswith(f"model: {name[:80]}")
    assert re.search(r"there is no user|cannot be looked at", line)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_picture_of_a_studio_restores_all_but_its_loras(
    gallery: Gallery, settings: Settings, name: str
) -> None:
    request = replace(a_request(), adapters=(AdapterUse(f"{name}.safetensors", 0.5),))
    picture = gallery.add(np.zeros((256, 256, 3), np.uint8), PictureRecord(settings=request))
    listed, fields = restored(Restorer(gallery, settings).drop(str(picture.path)))
    assert (fields["prompt"], fields["adapters"].rows) == (request.prompt, ())
    (line,) = listed
    assert line.startswith(f"LoRA: {name[:80]}")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_typed_into_the_form_is_refused_at_the_button(handlers: GenerateHandlers, name: str) -> None:
    assert (
        handlers.fit_note(name, "custom", 256, 256, 12, 3.0, 0.0, 1, LoraContent(), "auto", InitContent())
        == ""
    )
    assert name[:60] in unescape(model_note(name))
    asked = ("sea", False, "", name, "custom", 256, 256, 12, 3.0, 0.0, 7, "fixed", 1)
    refused, *_ = handlers.generate(*asked, LoraContent(), "none", [], "auto", InitContent(), None)
    assert name[:60] in unescape(refused)
    assert handlers.jobs.jobs() == []


@pytest.mark.parametrize("name", ODD_NAMES)
def test_folders_to_compare(workspace: Workspace, tmp_path: Path, name: str) -> None:
    for named in ((name, str(tmp_path)), (str(tmp_path), name)):
        for picture in ("a.png", "b.png"):
            Image.new("RGB", (64, 64)).save(tmp_path / picture)
        with pytest.raises(ValueError, match=name[:60]):
            folder_sets(workspace.root, *named)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_captioner_of_this_machine(workspace: Workspace, name: str) -> None:
    folder = workspace.datasets / "hills"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / "a.png")
    desk = DatasetHandlers(Datasets(workspace), {})
    with pytest.raises(gr.Error, match=name[:60]):
        desk.caption("hills", "http://x/v1", "m", "p", False, name)
