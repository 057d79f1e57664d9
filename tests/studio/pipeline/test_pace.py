"""How quickly it goes, by a clock that the test turns."""

from __future__ import annotations

from studio.pipeline.pace import Pace


def test_the_median_of_the_last_steps_and_the_decoding() -> None:
    now = 100.0
    pace = Pace(20, 0.5, clock=lambda: now)
    assert pace.seconds_per_step is None
    assert pace.seconds_left(20, (1000, 1000)) is None
    pace.begin()
    for took in (30.0, 2.0, 2.0, 4.0):  # the first one compiles
        now += took
        pace.step_done()
    assert pace.seconds_per_step == 3.0
    assert pace.seconds_left(10, (2000, 1000)) == 10 * 3.0 + 0.5 * 2
    for _ in range(8):
        now += 1.0
        pace.step_done()
    assert pace.seconds_per_step == 1.0


def test_without_a_measured_decoder_the_steps_alone_count() -> None:
    now = 0.0
    pace = Pace(2, None, clock=lambda: now)
    pace.begin()
    now = 5.0
    pace.step_done()
    assert pace.seconds_left(1, (4096, 4096)) == 5.0
