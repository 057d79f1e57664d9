"""What a render will take on this machine, in one sentence, before it is asked for. No torch.

Where something like it was drawn here before, from that; else from the model's shapes, and it says so.
"""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.memory.footprints import footprint_of
from studio.memory.free import FreeMemory
from studio.memory.measured import RenderForecast, forecast_render, measurements
from studio.memory_rungs import (
    CHANGES_PICTURE,
    RUNG_TITLES,
    RUNGS,
    RenderMemory,
    Rung,
    choose_rung,
    render_memory,
    usable,
)
from studio.models.adapters import resolve_adapter
from studio.models.catalogue import ModelEntry
from studio.pipeline.coarse_first import full_size_decodes, full_size_steps
from studio.render_request import RenderRequest

EXTRAS: dict[Rung, str] = {"int8": "torchao", "nf4": "bitsandbytes"}
"""The package that a rung needs."""

ON_CPU: frozenset[Rung] = frozenset({"resident", "int8"})
"""On a CPU weights have nowhere to go, and bitsandbytes makes its 4 bits on GPUs only."""

CPU_RESERVE = 0.8e9  # of a process that holds torch and diffusers and no model yet, measured


@dataclass(frozen=True, slots=True)
class FitNote:
    """A sentence, and whether it is a warning."""

    text: str
    is_warning: bool = False


def rungs_of(*, on_cpu: bool) -> tuple[Rung, ...]:
    """The rungs that this machine has, by device and installed packages."""
    return tuple(
        rung
        for rung in RUNGS
        if (not on_cpu or rung in ON_CPU)
        and (rung not in EXTRAS or importlib.util.find_spec(EXTRAS[rung]) is not None)
    )


def fit_note(
    entry: ModelEntry,
    request: RenderRequest,
    free: FreeMemory,
    home: Path,
    *,
    num_pictures: int = 1,
) -> FitNote:
    """Forecast a submission of `num_pictures` alike."""
    footprint = footprint_of(entry, home)
    if footprint is None:
        return FitNote("Memory and time are known once this model was opened here.")
    on_cpu, guided = free.gpu is None, entry.family == "sd3" and request.guidance_scale > 1
    memory, width_px, height_px = request.memory, request.width_px, request.height_px
    device = f"cpu ({platform.machine()})" if free.gpu is None else free.gpu[0]
    known = {
        rung: measurements(home, model=entry.id, device=device, rung=rung) for rung in rungs_of(on_cpu=on_cpu)
    }
    weight_bytes = _weight_bytes(entry, on_cpu, [m.dtype for ms in known.values() for m in ms])
    asked = [rung for rung in known if memory in ("auto", rung)]
    if not asked:
        return FitNote(f"{memory} is not to be had on this machine; choose automatic.", is_warning=True)
    plans = [
        render_memory(
            footprint,
            rung,
            width_px=width_px,
            height_px=height_px,
            guided=guided,
            weight_bytes=weight_bytes,
            adapter_bytes=adapter_bytes(request, home),
        )
        for rung in asked
    ]
    room = free.ram_total if free.gpu is None else free.gpu[1]
    plan = plans[0] if on_cpu else choose_rung(plans, room)
    found = forecast_render(
        footprint,
        known[plan.rung],
        plan,
        width_px=width_px,
        height_px=height_px,
        num_steps=full_size_steps(request, entry),
        num_decodes=full_size_decodes(request, entry),
        guided=guided,
        weight_bytes=weight_bytes,
        on_cpu=on_cpu,
    )
    return _told(found, plan, on_cpu=on_cpu, room=room, num_pictures=num_pictures)


def adapter_bytes(request: RenderRequest, home: Path) -> int:
    """Of the LoRA files that take part. Raises ValueError for one that is missing."""
    return sum(resolve_adapter(home, use.path).stat().st_size for use in request.adapters if use.weight != 0)


def _told(
    found: RenderForecast, plan: RenderMemory, *, on_cpu: bool, room: int, num_pictures: int
) -> FitNote:
    peak = found.peak_bytes + (CPU_RESERVE if on_cpu and found.measured_pixels is None else 0)
    parts = [] if found.seconds is None else [f"about {_span(found.seconds * num_pictures)}"]
    parts.append(f"{peak / 1e9:.1f} GB of memory")
    parts.append("estimated" if found.measured_pixels is None else "as measured here")
    if plan.rung != "resident":
        parts.append(RUNG_TITLES[plan.rung])
    if plan.rung in CHANGES_PICTURE:
        parts.append("changes the picture a little")
    limit = room if on_cpu else usable(room)
    if peak > limit:
        where = "this machine has" if on_cpu else "the GPU has free"
        parts.append(f"more than {where} ({room / 1e9:.1f} GB)")
    return FitNote(" · ".join(parts), is_warning=peak > limit)


def _weight_bytes(entry: ModelEntry, on_cpu: bool, measured_dtypes: Sequence[str]) -> int:
    """Of one number; what suits the CPU at hand is known once it has drawn."""
    if measured_dtypes:
        return 4 if measured_dtypes[-1] == "float32" else 2
    return 4 if on_cpu and entry.cpu_dtype == "float32" else 2


def _span(seconds: float) -> str:
    """Such as 45 s, 3 min, 1.5 h."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
