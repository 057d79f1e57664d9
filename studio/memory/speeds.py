"""What speed options gave and cost on this machine: a line for each that `d4k speed` measured. No torch.

Not here: measuring (`studio.rendering.speed_report`), what a picture takes (`studio.memory.measured`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from finetune.json_text import parse_json

FILE = "speeds.jsonl"
MAX_LINES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedMeasurement:
    """One option against the exact picture of the same request."""

    time: float
    """Seconds since 1970."""
    device: str
    model: str
    option: str
    """As `SpeedOptions` writes it."""
    width_px: int
    height_px: int
    speed_up: float
    """Seconds of denoising, exact over with it."""
    psnr_db: float | None
    """None where every pixel is the same."""
    detail: tuple[float, float]
    """Least and greatest share of the exact picture's energy in a detail band."""


def keep_speed(home: Path, measurement: SpeedMeasurement) -> None:
    """Add one line; OSError where the disk takes none."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(measurement)) + "\n")


def last_speed(home: Path, *, model: str, option: str) -> SpeedMeasurement | None:
    """The last time that it was measured with this model; lines that cannot be read are passed over."""
    found = None
    for one in _read(home / FILE):
        if (one.model, one.option) == (model, option):
            found = one
    return found


def _read(path: Path) -> Iterator[SpeedMeasurement]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-MAX_LINES:]
    except OSError:  # none was measured, or it cannot be read: nothing is known
        return
    names = {field.name for field in fields(SpeedMeasurement)}
    for line in lines:
        try:
            values = parse_json(line)
            low, high = values["detail"]
            numbers = (values["speed_up"], low, high, values["psnr_db"] or 0.0, *_size(values))
            if values.keys() == names and all(math.isfinite(number) for number in numbers):
                yield SpeedMeasurement(**{**values, "detail": (low, high)})
        except (ValueError, TypeError, KeyError):  # cut off, or of another version
            continue


def _size(values: dict[str, int]) -> tuple[int, int]:
    return values["width_px"], values["height_px"]
