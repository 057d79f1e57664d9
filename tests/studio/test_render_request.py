"""One render's request, and a form's answer as a list of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from studio.init_image import InitImage
from studio.render_request import AdapterUse, RenderRequest, expand_requests, parse_size

NewRequest = Callable[..., RenderRequest]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt": " \n"}, "prompt is empty"),
        ({"prompt": "a" * 10_001}, "10,000 letters; shorten"),
        ({"model": ""}, "no model is chosen"),
        ({"width_px": 1000}, "width must be a multiple of 32 px, got 1000; try 992"),
        ({"height_px": 64}, "height must lie between 256 and 8192 px, got 64; try 256"),
        ({"width_px": 8224}, "width must lie between 256 and 8192 px, got 8224; try 8192"),
        ({"width_px": -32}, "got -32; try 256"),
        ({"num_inference_steps": 0}, "steps must lie between 1 and 200"),
        ({"num_inference_steps": 201}, "steps must lie between 1 and 200"),
        ({"guidance_scale": -1}, "guidance must lie between 0 and 30"),
        ({"guidance_scale": float("nan")}, "guidance must lie between 0 and 30"),
        ({"seed": 2**32}, "seed must lie between 0 and 4294967295"),
        ({"seed": -1}, "seed must lie between"),
        ({"width_px": 512.0}, "width_px must be a whole number, got 512.0"),
        ({"seed": True}, "seed must be a whole number, got True"),
        ({"guidance_scale": "3"}, "guidance_scale must be a number, got '3'"),
        ({"prompt": None}, "prompt must be text, got None"),
    ],
)
def test_bad_values_are_refused(new_request: NewRequest, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        new_request(**changes)


def test_survives_a_round_trip(new_request: NewRequest) -> None:
    request = new_request(negative_prompt="blur", guidance_scale=2)
    assert RenderRequest.from_dict(request.to_dict()) == request


def test_an_unknown_key_is_refused_with_a_suggestion(new_request: NewRequest) -> None:
    with pytest.raises(ValueError, match="no 'widthpx'; did you mean 'width_px'"):
        RenderRequest.from_dict(new_request().to_dict() | {"widthpx": 1})


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ValueError, match="lacks num_inference_steps, guidance_scale, seed"):
        RenderRequest.from_dict({"prompt": "sea"})


def expand(**changes: Any) -> list[RenderRequest]:
    values: dict[str, Any] = {
        "prompts": "one\n\n two ",
        "as_list": True,
        "count": 1,
        "seed": 5,
        "seed_mode": "walk",
        "num_inference_steps": 4,
        "guidance_scale": 3.0,
    }
    return expand_requests(**(values | changes))


def test_a_list_has_one_prompt_a_line() -> None:
    assert [request.prompt for request in expand()] == ["one", "two"]
    assert [request.prompt for request in expand(as_list=False)] == ["one\n\n two "]


def test_walking_seeds_go_up_and_around() -> None:
    assert [request.seed for request in expand(count=2, seed=2**32 - 2)] == [2**32 - 2, 2**32 - 1, 0, 1]


def test_a_fixed_seed_is_the_same_for_every_prompt() -> None:
    assert [request.seed for request in expand(seed_mode="fixed")] == [5, 5]


def test_random_seeds_differ() -> None:
    assert len({request.seed for request in expand(seed_mode="random", count=20)}) == 40


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompts": " \n "}, "prompt list is empty"),
        ({"prompts": " ", "as_list": False}, "prompt is empty"),
        ({"count": 0}, "1 to 500"),
        ({"count": 300}, "300 x 2 pictures"),
        ({"seed_mode": "fixed", "count": 3}, "the same picture 3 times; choose walk or random"),
        ({"seed_mode": "lucky"}, "random, fixed, walk, got 'lucky'"),
    ],
)
def test_impossible_forms_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        expand(**changes)


def test_sizes_are_read() -> None:
    assert parse_size("3072x4096") == (3072, 4096)
    assert parse_size(" 512 × 256 ") == (512, 256)
    with pytest.raises(ValueError, match="WIDTHxHEIGHT"):
        parse_size("4096")


def test_whole_numbers_of_a_browser_are_the_same_request() -> None:
    """JavaScript writes 2.0 as 2, and requests are compared as JSON."""
    drawn = RenderRequest(
        prompt="a hill",
        num_inference_steps=8,
        guidance_scale=2.0,
        seed=7,
        adapters=(AdapterUse("oil.safetensors", -1.0),),
        init=InitImage(f"{'0' * 12}-{'a' * 32}", 0.5),
    )
    written = json.dumps(drawn.to_dict())
    browsers = written.replace("2.0", "2").replace("-1.0", "-1").replace(": 0.0", ": 0")
    assert browsers != written
    assert json.dumps(RenderRequest.from_dict(json.loads(browsers)).to_dict()) == written
