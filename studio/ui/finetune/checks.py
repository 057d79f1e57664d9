"""The list of checks before a start, and what a dry run foresees."""

from __future__ import annotations

from collections.abc import Sequence

from gradio.data_classes import GradioModel

from studio.training.needs import Check
from studio.training.runs import Forecast
from studio.ui.components import Drawn
from studio.ui.messages import short_seconds


class CheckLine(GradioModel):
    name: str
    level: str
    words: str


class ChecksContent(GradioModel):
    lines: tuple[CheckLine, ...] = ()
    forecast: str = ""
    """One sentence; empty before a dry run."""


class ChecksList(Drawn):
    data_model = ChecksContent
    scripts = ("finetune_checks.js",)
    markup = """
<section class="ft-checks" aria-label="Checks before the start">
  <ul></ul>
  <p class="ft-forecast" role="status" hidden></p>
</section>
"""


def checks_content(checks: Sequence[Check], forecast: str = "") -> ChecksContent:
    lines = tuple(CheckLine(name=one.name, level=one.level, words=one.words) for one in checks)
    return ChecksContent(lines=lines, forecast=forecast)


def forecast_sentence(forecast: Forecast) -> str:
    """Such as "Dry run on CPU: 2.1 s a step, 1.3 GiB at the peak; all 60 steps take 3 min 02 s and 40 MiB"."""
    peak = f"{forecast.peak_bytes / 2**30:.1f} GiB at the peak"
    disk = forecast.bytes_forecast / 2**20
    room = f"{disk / 1024:.1f} GiB" if disk >= 1024 else f"{disk:.0f} MiB"
    return (
        f"Dry run on {forecast.device}: {short_seconds(forecast.seconds_per_step)} a step, {peak}; all "
        f"{forecast.num_steps:,} steps take about {short_seconds(forecast.seconds_forecast)} and {room} of disk"
    )
