"""What speed options gave here: kept by the line, read back whatever else stands in the file, told in the form."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from studio.memory.speeds import FILE, SpeedMeasurement, keep_speed, last_speed
from studio.ui.generate.speed_note import speed_note

ONE = SpeedMeasurement(
    time=1.0,
    device="AMD EPYC",
    model="micro-4k",
    option="compile",
    width_px=1024,
    height_px=768,
    speed_up=1.034,
    psnr_db=50.64,
    detail=(0.991, 1.004),
)


def test_the_last_of_a_model_and_option_counts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for one in (ONE, replace(ONE, model="other", speed_up=9.0), replace(ONE, speed_up=1.2)):
        keep_speed(home, one)
    assert last_speed(home, model="micro-4k", option="compile") == replace(ONE, speed_up=1.2)
    assert last_speed(home, model="micro-4k", option="attention:flash") is None


DAMAGE = {
    "cut off": json.dumps(asdict(ONE))[:40],
    "no JSON": "compile is quick",
    "a list": "[1, 2]",
    "another version": json.dumps({**asdict(ONE), "hue": 3}),
    "a key less": json.dumps({name: value for name, value in asdict(ONE).items() if name != "device"}),
    "no number": json.dumps({**asdict(ONE), "speed_up": "fast"}),
    "no end": json.dumps(asdict(ONE)).replace("1.034", "Infinity"),
    "detail a number": json.dumps({**asdict(ONE), "detail": 1}),
    "detail null": json.dumps({**asdict(ONE), "detail": [None, None]}),
    "bytes": "\udcff\udcfe",
}


@pytest.mark.parametrize("line", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_line_hides_no_other(tmp_path: Path, line: str) -> None:
    keep_speed(tmp_path, ONE)
    with (tmp_path / FILE).open("ab") as file:
        file.write(line.encode("utf-8", "surrogateescape") + b"\n")
    assert last_speed(tmp_path, model="micro-4k", option="compile") == ONE


def test_a_file_that_cannot_be_read_is_nothing_known(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    assert last_speed(tmp_path, model="micro-4k", option="compile") is None
    assert "Not measured here" in speed_note(tmp_path, "micro-4k", ["compile"])


def test_the_form_tells_it(tmp_path: Path) -> None:
    keep_speed(tmp_path, ONE)
    assert speed_note(tmp_path, "micro-4k", ["compile"]) == (
        "Measured at 1024 × 768 on AMD EPYC: 1.03 times as fast, 50.6 dB from the exact picture, "
        "detail 0.99 to 1.00 of its energy"
    )
    keep_speed(tmp_path, replace(ONE, psnr_db=None))
    assert speed_note(tmp_path, "micro-4k", ["compile"]).endswith(
        "1.03 times as fast, the same picture to the pixel"
    )


@pytest.mark.parametrize("chosen", [None, [], ["quickly"], ["compile", "compile"]])
def test_it_says_nothing_of_nothing_and_of_what_is_refused(tmp_path: Path, chosen: list[str] | None) -> None:
    assert speed_note(tmp_path, "micro-4k", chosen) == ""
    assert speed_note(tmp_path, "no/such/model", ["compile"]) == ""


def test_what_is_chosen_together_is_measured_together(tmp_path: Path) -> None:
    """In one order, whichever was chosen first."""
    keep_speed(tmp_path, ONE)
    for chosen in (["first_block_cache:0.1", "compile"], ["compile", "first_block_cache:0.1"]):
        note = speed_note(tmp_path, "micro-4k", chosen)
        assert note.replace("\\", "") == (
            "Not measured here with Micro-4K (bundled): "
            "d4k speed PROMPT --model micro-4k --option compile,first_block_cache:0.1"
        )
