"""The LoRA stack of the form: what it turns into, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from studio.home.workspace import Workspace
from studio.render_request import AdapterUse, RenderRequest
from studio.ui.generate.lora_stack import (
    LoraContent,
    LoraRow,
    adapters_of,
    at_strengths,
    lora_options,
    restored_stack,
    strengths_of,
)

STACK = LoraContent(
    rows=(
        LoraRow(path="loras/oil.safetensors", weight=0.8),
        LoraRow(path="loras/ink.safetensors", on=False),
    ),
    strengths="0, 1",
)


def request(*uses: AdapterUse) -> RenderRequest:
    return RenderRequest(prompt="dunes", num_inference_steps=4, guidance_scale=3.0, seed=5, adapters=uses)


def test_only_rows_that_are_on_are_used() -> None:
    assert adapters_of(STACK) == (AdapterUse("loras/oil.safetensors", 0.8),)
    assert adapters_of(LoraContent()) == ()


def test_base_against_lora_has_equal_seeds() -> None:
    drawn = at_strengths([request(*adapters_of(STACK))], strengths_of(STACK.strengths))
    assert [one.adapters[0].weight for one in drawn] == [0.0, 0.8]
    assert {one.seed for one in drawn} == {5}


def test_without_loras_strengths_say_nothing() -> None:
    assert at_strengths([request()], (0.0, 0.5, 1.0)) == [request()]


@pytest.mark.parametrize(
    ("text", "words"), [("a lot", "numbers between commas"), ("", "1 to 8"), ("1,2,3,4,5,6,7,8,9", "1 to 8")]
)
def test_strengths_that_are_none_get_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        strengths_of(text)


def test_a_strength_beyond_the_limit_is_named_before_anything_is_queued() -> None:
    with pytest.raises(ValueError, match=r"weight 0\.8 at strength 9 is beyond 4"):
        at_strengths([request(AdapterUse("a.safetensors", 0.8))], (9.0,))


def test_a_pictures_loras_come_back_into_the_form() -> None:
    content = restored_stack([{"path": "loras/oil.safetensors", "weight": 0.5}])
    assert content.rows[0].model_dump() == {"path": "loras/oil.safetensors", "weight": 0.5, "on": True}
    assert LoraContent(**content.model_dump()) == content


def test_options_are_the_files_of_the_home(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    folder = tmp_path / "loras"
    folder.mkdir(exist_ok=True)
    save_file({"x": np.zeros(1, np.float32)}, folder / "oil.safetensors", {"family": "sd3", "rank": "8"})
    (folder / "bad.safetensors").write_bytes(b"no")
    found = {option.title: option for option in lora_options(workspace)}
    assert found["oil"].note == "sd3 8"
    assert found["oil"].broken == ""
    assert "copy or download it again" in found["bad"].broken
