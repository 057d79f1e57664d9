"""InvokeAI of both ages, SwarmUI, Fooocus and NovelAI."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.pictures.foreign_text.json_tools import (
    read_fooocus,
    read_invoke,
    read_novelai,
    read_old_invoke,
    read_swarm,
)
from tests.studio.pictures.pictures_of_others import INVOKE, SWARM

CASTLE = {
    "prompt": "a castle",
    "negative_prompt": "fog",
    "width_px": 512,
    "height_px": 768,
    "num_inference_steps": 20,
    "guidance_scale": 7.0,
    "seed": 5,
}


def test_invoke() -> None:
    found = read_invoke(json.dumps(INVOKE))
    assert found.values == {**CASTLE, "model": "deliberate"}
    assert found.left_out == {"scheduler": "euler"}


def test_invoke_with_a_flux_model_says_guidance() -> None:
    found = read_invoke(
        json.dumps({**INVOKE, "cfg_scale": 1, "guidance": 3.5, "model": {"model_name": "flux"}})
    )
    assert (found.values["guidance_scale"], found.values["model"]) == (3.5, "flux")


def test_old_invoke() -> None:
    image = {
        "prompt": [{"prompt": "a castle [fog]", "weight": 1}],
        "steps": 20,
        "cfg_scale": 7.0,
        "seed": 5,
        "width": 512,
        "height": 768,
        "sampler": "k_euler",
        "type": "txt2img",
    }
    found = read_old_invoke(json.dumps({"model_weights": "sd-1.5", "image": image}))
    assert found.values == {**CASTLE, "model": "sd-1.5"}
    assert found.left_out == {"sampler": "k_euler"}


def test_swarm() -> None:
    found = read_swarm(json.dumps(SWARM))
    assert found.values == {**CASTLE, "model": "deliberate"}
    assert found.left_out == {"sampler": "euler"}


def test_fooocus() -> None:
    told = {
        "prompt": "a castle",
        "negative_prompt": "fog",
        "resolution": "(512, 768)",
        "steps": 20,
        "guidance_scale": 7.0,
        "seed": "5",
        "base_model": "juggernaut",
        "sharpness": 2.0,
        "version": "Fooocus v2.5",
    }
    found = read_fooocus(json.dumps(told))
    assert found.values == {**CASTLE, "model": "juggernaut"}
    assert found.left_out == {"sharpness": "2.0"}


def test_novelai() -> None:
    told = {
        "prompt": "a castle",
        "uc": "fog",
        "width": 512,
        "height": 768,
        "steps": 20,
        "scale": 7,
        "seed": 5,
        "sampler": "k_euler",
        "signed_hash": "xyz",
    }
    found = read_novelai(json.dumps(told))
    assert found.values == CASTLE
    assert found.left_out == {"sampler": "k_euler"}


@pytest.mark.parametrize("reader", [read_invoke, read_old_invoke, read_swarm, read_fooocus, read_novelai])
@pytest.mark.parametrize("text", ["", "[]", "{half", "null", "[" * 50_000])
def test_what_is_no_object_is_refused(reader: Any, text: str) -> None:
    with pytest.raises(ValueError, match=r"its \w+ text"):
        reader(text)


@pytest.mark.parametrize("wrong", [None, [], {}, True, 1e400, [1, 2]])
@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("positive_prompt", "prompt"),
        ("negative_prompt", "negative_prompt"),
        ("seed", "seed"),
        ("steps", "num_inference_steps"),
        ("cfg_scale", "guidance_scale"),
        ("model", "model"),
    ],
)
def test_a_value_of_the_wrong_kind_is_left_out_alone(name: str, here: str, wrong: Any) -> None:
    values = read_invoke(json.dumps({**INVOKE, name: wrong})).values
    whole = {**CASTLE, "model": "deliberate"}
    assert values == {key: value for key, value in whole.items() if key != here}
