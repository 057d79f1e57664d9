"""Forecasts that learn from this machine's own renders, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.memory.measured import FILE, Measurement, forecast_render, keep_measurement, measurements
from studio.memory_rungs import Footprint, Line, RenderMemory, render_memory

MODEL = Footprint(
    weights={"transformer": 1000, "vae": 0},
    encode=0,
    denoise=Line(fixed=0, per_pixel=1),
    denoise_guided=Line(fixed=0, per_pixel=2),
    decode=Line(fixed=0, per_pixel=4),
    group=0,
    flops_per_pixel=1.0,
    flops_per_pixel_squared=0.01,
)


def measured(**changes: Any) -> Measurement:
    values: dict[str, Any] = {
        "time": 1.0,
        "device": "card",
        "model": "m",
        "rung": "resident",
        "dtype": "bfloat16",
        "width_px": 10,
        "height_px": 10,
        "guided": False,
        "seconds_per_step": 2.0,
        "decode_s": 3.0,
        "peak_bytes": 2800,
    }
    return Measurement(**(values | changes))


def memory(side: int) -> RenderMemory:
    return render_memory(MODEL, "resident", width_px=side, height_px=side, guided=False)


def forecast(known: list[Measurement], *, side: int, on_cpu: bool, guided: bool = False) -> Any:
    return forecast_render(
        MODEL,
        known,
        memory(side),
        width_px=side,
        height_px=side,
        num_steps=10,
        guided=guided,
        weight_bytes=2,
        on_cpu=on_cpu,
    )


def test_nothing_measured_is_an_estimate_without_a_time() -> None:
    found = forecast([], side=20, on_cpu=False)
    assert (found.peak_bytes, found.seconds, found.measured_pixels) == (1000 + 1600, None, None)


def test_time_follows_operations_and_pixels() -> None:
    # 10 x 10: 100 + 0.01 * 10,000 = 200 operations took 2 s; 20 x 20: 400 + 0.01 * 160,000 = 2,000 take 20 s.
    found = forecast([measured()], side=20, on_cpu=False)
    assert found.seconds == pytest.approx(10 * 20 + 4 * 3)
    assert found.measured_pixels == 100
    assert forecast([measured()], side=20, on_cpu=False, guided=True).seconds == pytest.approx(10 * 40 + 12)


def test_a_gpu_keeps_its_share_and_a_cpu_its_program() -> None:
    # At 10 x 10 shapes say 1,400 bytes; 2,800 were measured.
    assert forecast([measured()], side=20, on_cpu=False).peak_bytes == 2 * 2600
    assert forecast([measured()], side=20, on_cpu=True).peak_bytes == 2600 + 1400


def test_the_nearest_size_counts_and_of_those_the_last() -> None:
    known = [
        measured(width_px=40, height_px=40, seconds_per_step=99.0),
        measured(seconds_per_step=1.0),
        measured(seconds_per_step=5.0),
    ]
    assert forecast(known, side=10, on_cpu=False).seconds == pytest.approx(10 * 5 + 3)


def test_lines_are_kept_for_their_model_device_and_rung(tmp_path: Path) -> None:
    for m in (measured(), measured(model="other"), measured(device="cpu"), measured(rung="int8")):
        keep_measurement(tmp_path, m)
    with (tmp_path / FILE).open("a") as file:
        file.write('{"time": 1, "of": "another version"}\n{"cut o')
    assert measurements(tmp_path, model="m", device="card", rung="resident") == [measured()]
    assert measurements(tmp_path / "nowhere", model="m", device="card", rung="resident") == []


def test_a_home_that_cannot_be_written_costs_no_picture(tmp_path: Path) -> None:
    keep_measurement(tmp_path / "gone", measured())
    assert not (tmp_path / "gone").exists()
