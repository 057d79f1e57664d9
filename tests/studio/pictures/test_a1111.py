"""The shared `parameters` text: ours both ways, and as other tools and sites write it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finetune.whole_text import whole_text
from studio.pictures.foreign_text.a1111 import format_parameters, read_parameters
from studio.pictures.record import ModelUsed, PictureRecord
from studio.render_request import RenderRequest

VALUES: dict[str, Any] = {
    "prompt": "sea at night",
    "negative_prompt": "",
    "model": "micro-4k",
    "width_px": 3072,
    "height_px": 4096,
    "num_inference_steps": 16,
    "guidance_scale": 3.5,
    "seed": 7,
}


def a_record(**changes: Any) -> PictureRecord:
    return PictureRecord(settings=RenderRequest(**(VALUES | changes)), model=ModelUsed(weights_hash="ab12"))


def test_written_as_the_others_write_it() -> None:
    assert format_parameters(a_record(negative_prompt="blur")) == (
        "sea at night\nNegative prompt: blur\n"
        "Steps: 16, Sampler: Euler flow matching, CFG scale: 3.5, Seed: 7, "
        "Size: 3072x4096, Model hash: ab12, Model: micro-4k"
    )


LETTERS = st.sampled_from('\\"\':,|{}()<>\n\t n"\\nS🌊👩‍🚀שלוםمرحبا山Ä')
PROMPTS = st.lists(LETTERS | st.characters(exclude_categories=("Cs",)), min_size=1, max_size=60).map("".join)


@settings(max_examples=1000, deadline=None)
@example(prompt='"quoted", and: \\n not a line', negative="a\\", model='/a "quoted", folder: 1\\2')
@example(prompt="line one\n\nline three: a, b", negative="two\nlines, with commas", model="a|b")
@example(prompt="Steps: up the hill", negative="Steps", model=" odd ends ")
@example(prompt="a", negative="\r", model="m")
@given(prompt=PROMPTS, negative=PROMPTS | st.just(""), model=PROMPTS)
def test_a_round_trip_of_any_letters(prompt: str, negative: str, model: str) -> None:
    if not prompt.strip() or not model.strip():
        return
    written = {"prompt": prompt, "negative_prompt": negative, "model": model}
    # Lines end as they do on every system, and the text itself has no beginning or end of its own.
    wanted = {name: whole_text(text).replace("\r\n", "\n") for name, text in written.items()}
    wanted |= {name: wanted[name].replace("\r", "\n") for name in ("prompt", "negative_prompt")}
    wanted["prompt"] = wanted["prompt"].lstrip("\0\ufeff")
    if not wanted["prompt"].strip() or wanted["prompt"].startswith(("Negative prompt:", "Steps:")):
        return
    found = read_parameters(format_parameters(a_record(**(written | {"model": wanted["model"]}))))
    assert found.values == VALUES | wanted
    assert found.tool == "Diffusion-4K Studio"


def test_a_text_from_the_wild() -> None:
    found = read_parameters(
        "a (castle:1.2), <lora:detail:0.5>\nNegative prompt: lowres, bad anatomy\n"
        "Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 965400086, Size: 512x768, "
        'Model hash: 7234b76e42, Model: chilloutmix_Ni, Lora hashes: "detail: 9ca0, b: c", Version: v1.9.3'
    )
    assert found.tool == "AUTOMATIC1111"
    assert found.values == {
        "prompt": "a (castle:1.2), <lora:detail:0.5>",
        "negative_prompt": "lowres, bad anatomy",
        "num_inference_steps": 28,
        "guidance_scale": 7.0,
        "seed": 965400086,
        "width_px": 512,
        "height_px": 768,
        "model": "chilloutmix_Ni",
    }
    assert found.left_out == {
        "Sampler": "DPM++ 2M",
        "Schedule type": "Karras",
        "Model hash": "7234b76e42",
        "Lora hashes": "detail: 9ca0, b: c",
        "Version": "v1.9.3",
    }


def test_forge_says_the_guidance_of_a_flux_model_apart() -> None:
    found = read_parameters(
        "fox\nSteps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Distilled CFG Scale: 3.5, Seed: 5, "
        "Size: 896x1152, Model: flux1-dev-bnb-nf4, Version: f2.0.1v1.10.1"
    )
    assert (found.tool, found.values["guidance_scale"]) == ("Forge", 3.5)
    assert found.left_out["CFG scale"] == "1"


def test_bars_instead_of_commas() -> None:
    found = read_parameters(
        "fox, in snow\nNegative prompt: fog\nSteps: 20| Size: 1024x1024| Seed: 5| CFG scale: 6| App: SD.Next| "
        "Model: sdxl| Sampler: UniPC, fast"
    )
    assert (found.tool, found.values["seed"], found.values["model"]) == ("SD.Next", 5, "sdxl")
    assert (found.values["prompt"], found.left_out["Sampler"]) == ("fox, in snow", "UniPC, fast")


def test_all_in_one_line_as_sites_show_it() -> None:
    found = read_parameters(
        "a fox, 8k Negative prompt: fog, blur Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768"
    )
    assert (found.values["prompt"], found.values["negative_prompt"]) == ("a fox, 8k", "fog, blur")
    assert (found.values["num_inference_steps"], found.values["width_px"]) == (20, 512)


def test_what_a_template_says_below_overrides_nothing() -> None:
    found = read_parameters(
        "red fox\nSteps: 20, CFG scale: 7, Seed: 5, Size: 512x768\n"
        "Template: {red|blue} fox\nSteps: 3, Seed: 9, Size: 64x64\nNegative Template: fog"
    )
    assert (found.values["seed"], found.values["width_px"], found.values["height_px"]) == (5, 512, 768)
    assert found.values["negative_prompt"] == ""
    assert found.left_out["lines below the settings"].startswith("Template: {red|blue} fox Steps: 3")


def test_without_a_negative_prompt_and_with_odd_values() -> None:
    found = read_parameters("castle\nSteps: many, Seed: 3, Size: big, nonsense")
    assert found.values == {"prompt": "castle", "negative_prompt": "", "seed": 3}
    assert set(found.left_out) == {"Steps", "Size"}


@pytest.mark.parametrize(
    ("pair", "named"),
    [
        ("Seed: -1", "Seed"),
        ("Seed: 4294967296", "Seed"),
        ("CFG scale: 31", "CFG scale"),
        ("CFG scale: nan", "CFG scale"),
        ("Size: 500x768", "Size"),
        ("Size: 64x64", "Size"),
        ("Steps: 201", "Steps"),
        ("Denoising strength: 0.7", "Denoising strength"),
    ],
)
def test_what_the_form_would_refuse_is_left_out_and_named(pair: str, named: str) -> None:
    found = read_parameters(
        f"castle\nNegative prompt: fog\nSteps: 5, {pair}" if "Steps" not in pair else f"c\n{pair},"
    )
    assert named in found.left_out
    RenderRequest(**{**VALUES, **found.values})


def test_a_first_pass_of_hires_is_how_coarse_first_is_said() -> None:
    found = read_parameters("castle\nSteps: 20, Seed: 5, Denoising strength: 0.4, Hires upscale: 2")
    assert found.values["coarse_first"] == 0.4


def test_a_prompt_that_speaks_of_steps() -> None:
    found = read_parameters("Steps: up the hill\nSteps: 4, Seed: 1")
    assert (found.values["prompt"], found.values["num_inference_steps"]) == ("Steps: up the hill", 4)


@pytest.mark.parametrize("text", ["", "just a comment", "\0\0"])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not list generation settings"):
        read_parameters(text)
