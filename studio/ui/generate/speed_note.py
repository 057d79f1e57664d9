"""Below the speed options: what each that is chosen gave and cost on this machine, or how that is measured."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from finetune.drawing.speed_names import SpeedOptions
from studio.memory.speeds import SpeedMeasurement, last_speed
from studio.models.lookup import find_model
from studio.ui.generate.notes import plain_text


def speed_note(home: Path, model: str, chosen: list[str] | None, *, hosted: bool = False) -> str:
    """A line for what is chosen, as a whole; empty for nothing, and for a name that Generate will refuse.

    Visitors of a host are not told of a command that they cannot give.
    """
    if not chosen:
        return ""
    try:
        option, entry = str(SpeedOptions.parse(",".join(chosen))), find_model(model)
    except ValueError:
        return ""
    found = last_speed(home, model=entry.id, option=option)
    if found is not None:
        return plain_text(told(found))
    if hosted:
        return ""
    command = _command("d4k", "speed", "PROMPT", "--model", entry.id, "--option", option)
    return plain_text(f"Not measured here with {entry.title}: {command}")


def _command(*words: str) -> str:
    """As this system's shell takes it."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def told(found: SpeedMeasurement) -> str:
    """Such as "Measured at 1024 × 1024 on AMD EPYC: 1.03 times as fast, 50.6 dB from the exact picture, ..."."""
    if found.psnr_db is None:
        cost = "the same picture to the pixel"
    else:
        low, high = found.detail
        cost = f"{found.psnr_db:.1f} dB from the exact picture, detail {low:.2f} to {high:.2f} of its energy"
    where = f"{found.width_px} × {found.height_px} on {found.device}"
    return f"Measured at {where}: {found.speed_up:.2f} times as fast, {cost}"
