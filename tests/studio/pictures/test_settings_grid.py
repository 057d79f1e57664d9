"""X/Y grids: what is entered, what each cell asks for, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studio.init_image import InitImage
from studio.pictures.settings_grid import AXES, MAX_CELLS, parse_numbers, plan_settings_grid
from studio.render_request import AdapterUse, RenderRequest

DRAWN = RenderRequest(
    prompt="mountains at dusk, a lake at dusk",
    width_px=512,
    height_px=512,
    num_inference_steps=14,
    guidance_scale=2.0,
    seed=7,
)
WORN = replace(
    DRAWN, adapters=(AdapterUse("loras/oil.safetensors", 0.8), AdapterUse("loras/ink.safetensors", -1))
)
BEGUN = replace(DRAWN, init=InitImage(f"{'0' * 12}-{'a' * 32}", 0.6))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("8, 14,20", [8, 14, 20]),
        (" 0.5 ,, 1", [0.5, 1]),
        ("2, 4, .., 10", [2, 4, 6, 8, 10]),
        ("0.1, 0.2, .., 0.5", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("9, 7, …, 2", [9, 7, 5, 3, 2]),
        ("1, 2, .., 4, 10", [1, 2, 3, 4, 10]),
        ("", []),
    ],
)
def test_numbers_are_read(text: str, numbers: list[float]) -> None:
    assert [float(number) for number in parse_numbers(text)] == numbers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("8, some", "numbers read 8, 14, 20 or 2, 4, .., 20, got 'some'"),
        ("8, nan", "got 'nan'"),
        ("8, 14, 8", "8 is named twice"),
        ("8, .., 14", "from the two numbers before it"),
        ("8, 9, ..", "from the two numbers before it"),
        ("8, 9, .., 4", "from the two numbers before it"),
        ("8, 8, .., 9", "from the two numbers before it"),
        ("0, 0.001, .., 1", f"more than {MAX_CELLS} numbers"),
    ],
)
def test_what_is_no_list_of_numbers_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        parse_numbers(text)


def test_every_cell_is_the_picture_with_two_settings_changed() -> None:
    grid = plan_settings_grid(DRAWN, across=("steps", "8, 14"), down=("guidance", "1, 2, .., 3"))
    assert grid.columns == ("8 steps", "14 steps")
    assert grid.rows == ("guidance 1", "guidance 2", "guidance 3")
    assert [(cell.guidance_scale, cell.num_inference_steps) for cell in grid.requests] == [
        *((1, 8), (1, 14)),
        *((2, 8), (2, 14)),
        *((3, 8), (3, 14)),
    ]
    assert grid.requests[3] == DRAWN, "the picture itself is one of them"
    rest = {replace(cell, guidance_scale=2.0, num_inference_steps=14) for cell in grid.requests}
    assert rest == {DRAWN}


def test_one_setting_makes_one_row() -> None:
    grid = plan_settings_grid(DRAWN, across=("seed", "7, 8, .., 10"))
    assert grid.rows == ("",)
    assert [cell.seed for cell in grid.requests] == [7, 8, 9, 10]


def test_words_take_each_others_place_wherever_they_stand() -> None:
    grid = plan_settings_grid(DRAWN, across=("words", "at dusk, at night"))
    assert [cell.prompt for cell in grid.requests] == [DRAWN.prompt, "mountains at night, a lake at night"]
    with pytest.raises(ValueError, match="the prompt does not say 'at noon'; begin with words of it"):
        plan_settings_grid(DRAWN, across=("words", "at noon, at dusk"))


def test_the_strength_of_loras_is_a_factor_and_none_at_0() -> None:
    none, half, whole = plan_settings_grid(WORN, across=("lora", "0, 0.5, 1")).requests
    assert none.adapters == ()
    assert [use.weight for use in half.adapters] == [0.4, -0.5]
    assert whole == WORN
    with pytest.raises(ValueError, match="drawn without a LoRA"):
        plan_settings_grid(DRAWN, across=("lora", "0, 1"))
    with pytest.raises(ValueError, match="an adapter's weight must lie between"):
        plan_settings_grid(WORN, across=("lora", "0, 9"))


def test_models_and_pictures_to_begin_from() -> None:
    grid = plan_settings_grid(BEGUN, across=("model", "micro-4k, sd3.5-medium"), down=("redrawn", "0.3, 0.6"))
    assert grid.columns == ("Micro-4K (bundled)", "Stable Diffusion 3.5 Medium")
    assert [cell.init.strength for cell in grid.requests if cell.init] == [0.3, 0.3, 0.6, 0.6]
    assert grid.requests[2] == BEGUN
    with pytest.raises(ValueError, match="began from noise alone"):
        plan_settings_grid(DRAWN, across=("redrawn", "0.3"))


@pytest.mark.parametrize(
    ("across", "down", "words"),
    [
        (("steps", ""), ("", ""), "no values are entered for Steps; enter 8, 14, 20, say"),
        (("steps", "8"), ("steps", "14"), "Steps is varied across and down"),
        (("mood", "8"), ("", ""), "no setting 'mood' to vary; choose one of steps"),
        (("steps", "8.5"), ("", ""), "8.5 steps: that is no whole number"),
        (("steps", "0, 8"), ("", ""), "steps must lie between 1 and 200, got 0"),
        (("guidance", "1, 99"), ("", ""), "guidance must lie between"),
        (("seed", "1, 2, .., 9"), ("steps", "1, 2, .., 8"), r"8 x 9 cells were asked for"),
        (("model", "none-such"), ("", ""), "none-such"),
    ],
)
def test_what_is_no_grid_is_refused(across: tuple[str, str], down: tuple[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plan_settings_grid(DRAWN, across=across, down=down)


def test_every_axis_reads_its_own_hint() -> None:
    drawn = replace(WORN, init=BEGUN.init)
    for axis in AXES:
        assert len(plan_settings_grid(drawn, across=(axis.name, axis.hint)).columns) > 1
