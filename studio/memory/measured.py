"""What this machine has measured of its own renders: a line a picture, and forecasts that learn from it. No torch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from finetune.json_text import parse_json
from studio.memory_rungs import Footprint, RenderMemory, Rung, render_memory

FILE = "measured.jsonl"
MAX_LINES = 2000  # older ones are dropped when the file is next read


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One render, alone on its device."""

    time: float
    device: str
    model: str
    rung: Rung
    dtype: str
    width_px: int
    height_px: int
    guided: bool
    seconds_per_step: float
    decode_s: float
    peak_bytes: int
    """As `RenderResult.peak_memory_mib` counts: on a CPU the whole process, on a GPU what torch allocated."""

    @property
    def pixels(self) -> int:
        return self.width_px * self.height_px


@dataclass(frozen=True, slots=True)
class RenderForecast:
    """Of one picture; None where neither was measured nor can be known."""

    peak_bytes: int
    seconds: float | None
    measured_pixels: int | None
    """The size that it was learnt from; None for an estimate from shapes alone."""


def keep_measurement(home: Path, measurement: Measurement) -> None:
    """Add one line; a disk that is full or read-only costs the line, not the picture."""
    try:
        with (home / FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(measurement)) + "\n")
    except OSError:
        return


def measurements(home: Path, *, model: str, device: str, rung: Rung) -> list[Measurement]:
    """Those of one model on one device and rung, oldest first; lines of other versions are passed over."""
    try:
        lines = (home / FILE).read_text(encoding="utf-8").splitlines()[-MAX_LINES:]
    except FileNotFoundError:
        return []
    return [m for m in _read(lines) if (m.model, m.device, m.rung) == (model, device, rung)]


def forecast_render(
    footprint: Footprint,
    known: Sequence[Measurement],
    memory: RenderMemory,
    *,
    width_px: int,
    height_px: int,
    num_steps: float,
    num_decodes: float = 1.0,
    guided: bool,
    weight_bytes: int,
    on_cpu: bool,
) -> RenderForecast:
    """Correct a forecast by the measurement nearest in size.

    Memory: on a CPU by what the process holds beside tensors (a sum), on a GPU by the allocator's share (a ratio).
    Time: a step takes as long as its operations at the measured rate, decoding as its pixels; `num_steps` and
    `num_decodes` count what is worth one at this size.
    """
    if not known:
        return RenderForecast(memory.peak, None, None)
    pixels = width_px * height_px
    near = min(reversed(known), key=lambda m: abs(m.pixels - pixels))
    then = render_memory(
        footprint,
        memory.rung,
        width_px=near.width_px,
        height_px=near.height_px,
        guided=near.guided,
        weight_bytes=weight_bytes,
    )
    peak = (
        memory.peak + max(0, near.peak_bytes - then.peak)
        if on_cpu
        else round(memory.peak * max(1.0, near.peak_bytes / then.peak))
    )
    step_s = near.seconds_per_step * (
        footprint.flops(width_px, height_px, guided=guided)
        / footprint.flops(near.width_px, near.height_px, guided=near.guided)
    )
    decode_s = near.decode_s * pixels / near.pixels
    return RenderForecast(peak, num_steps * step_s + num_decodes * decode_s, near.pixels)


def measured_now() -> float:
    """For `Measurement.time`."""
    return round(time.time(), 1)


def _read(lines: Iterable[str]) -> Iterable[Measurement]:
    names = {field.name for field in fields(Measurement)}
    for line in lines:
        try:
            values = parse_json(line)
        except ValueError:  # a line cut off by a full disk
            continue
        if isinstance(values, dict) and values.keys() == names:
            yield Measurement(**values)
