"""The shared `parameters` text, against texts as other tools write them."""

from __future__ import annotations

from typing import Any

import pytest

from studio.pictures.parameters_text import format_parameters, parse_parameters


def settings(**changes: Any) -> dict[str, Any]:
    values = {
        "prompt": "sea at night",
        "negative_prompt": "",
        "model": "micro-4k",
        "width_px": 3072,
        "height_px": 4096,
        "num_inference_steps": 16,
        "guidance_scale": 3.5,
        "seed": 7,
    }
    return values | changes


def test_written_as_the_others_write_it() -> None:
    text = format_parameters(
        {"settings": settings(negative_prompt="blur"), "model": {"weights_hash": "ab12"}}
    )
    assert text == (
        "sea at night\nNegative prompt: blur\n"
        "Steps: 16, Sampler: Euler flow matching, CFG scale: 3.5, Seed: 7, "
        "Size: 3072x4096, Model hash: ab12, Model: micro-4k"
    )


@pytest.mark.parametrize(
    "values",
    [
        settings(),
        settings(negative_prompt="two\nlines, with commas"),
        settings(prompt="line one\n\nline three: a, b", model='/a "quoted", folder: 1\\2'),
    ],
)
def test_a_round_trip(values: dict[str, Any]) -> None:
    assert parse_parameters(format_parameters({"settings": values}))[0] == values


def test_a_text_from_the_wild() -> None:
    values, ignored = parse_parameters(
        "a (castle:1.2), <lora:detail:0.5>\nNegative prompt: lowres, bad anatomy\n"
        "Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 965400086, Size: 512x768, "
        'Model hash: 7234b76e42, Model: chilloutmix_Ni, Lora hashes: "detail: 9ca0, b: c", Version: v1.9.3'
    )
    assert values == {
        "prompt": "a (castle:1.2), <lora:detail:0.5>",
        "negative_prompt": "lowres, bad anatomy",
        "num_inference_steps": 28,
        "guidance_scale": 7.0,
        "seed": 965400086,
        "width_px": 512,
        "height_px": 768,
        "model": "chilloutmix_Ni",
    }
    assert ignored == ("Sampler", "Schedule type", "Model hash", "Lora hashes", "Version")


def test_without_a_negative_prompt_and_with_odd_values() -> None:
    values, ignored = parse_parameters("castle\nSteps: many, Seed: 3, Size: big, nonsense")
    assert values == {"prompt": "castle", "negative_prompt": "", "seed": 3}
    assert ignored == ("Steps", "Size")


def test_a_prompt_that_speaks_of_steps() -> None:
    values, _ = parse_parameters("Steps: up the hill\nSteps: 4, Seed: 1")
    assert (values["prompt"], values["num_inference_steps"]) == ("Steps: up the hill", 4)


@pytest.mark.parametrize("text", ["", "just a comment", "\0\0"])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not list generation settings"):
        parse_parameters(text)
