"""Which rung of the memory ladder a render is put on: from its forecast and what the device has free now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import psutil
import torch

from studio.memory.fit_note import adapter_bytes, rungs_of
from studio.memory.footprints import footprint_of, learn_footprint
from studio.memory.measured import Measurement, keep_measurement, measured_now
from studio.memory_rungs import RUNG_TITLES, RUNGS, RenderMemory, Rung, choose_rung, render_memory
from studio.models.catalogue import ModelEntry
from studio.models.lookup import is_here
from studio.pipeline.draw import RenderResult
from studio.pipeline.opening import OpenedModel, default_dtype, device_name
from studio.render_request import RenderRequest


@dataclass(frozen=True, slots=True)
class Plan:
    """How a render will fit."""

    rung: Rung
    forecast: RenderMemory
    free_bytes: int
    below: tuple[Rung, ...]
    """What is left to try, in this order, if memory runs out all the same."""


def plan_render(
    entry: ModelEntry,
    request: RenderRequest,
    *,
    home: Path,
    device: torch.device,
    opened: OpenedModel | None = None,
) -> Plan:
    """Choose a rung. `opened` is the model that is open now: its memory counts as free, and its rung is kept where
    it will do, since another would mean to read the weights again.

    Raises ValueError for a rung that this device does not have, and for a picture that cannot fit in a CPU's memory.
    """
    available = rungs_of(on_cpu=device.type == "cpu")
    asked = None if request.memory == "auto" else cast(Rung, request.memory)
    if asked is not None and asked not in available:
        raise ValueError(
            f"{asked} ({RUNG_TITLES[asked]}) is not to be had here; "
            f"choose auto or one of {', '.join(available)}{_missing_extra(asked)}"
        )
    footprint = learn_footprint(entry, home) if is_here(entry) else footprint_of(entry, home)
    if footprint is None:  # a hub model of the user's own that is fetched at its first opening
        rung = RUNGS[0] if asked is None else asked
        nothing = RenderMemory(rung=rung, encode=0, denoise=0, decode=0)
        return Plan(rung, nothing, free_bytes(device, opened), _below(rung, available))
    forecasts = [
        render_memory(
            footprint,
            rung,
            width_px=request.width_px,
            height_px=request.height_px,
            guided=is_guided(entry, request),
            weight_bytes=default_dtype(entry, device).itemsize,
            adapter_bytes=adapter_bytes(request, home),
        )
        for rung in available
    ]
    free = free_bytes(device, opened)
    if asked is not None:
        chosen = next(f for f in forecasts if f.rung == asked)
    elif device.type == "cpu":
        chosen = forecasts[0]
    else:
        kept = [
            f for f in forecasts if opened is not None and opened.entry == entry and f.rung == opened.rung
        ]
        chosen = choose_rung([*kept, *forecasts], free)
    if device.type == "cpu" and chosen.peak > (total := psutil.virtual_memory().total):
        raise ValueError(
            f"{entry.title} at {request.width_px} x {request.height_px} needs about {chosen.peak / 1e9:.0f} GB of "
            f"memory, and this machine has {total / 1e9:.0f} GB; choose a smaller size, another model, or a machine "
            "with a GPU"
        )
    return Plan(chosen.rung, chosen, free, _below(chosen.rung, available))


def is_guided(entry: ModelEntry, request: RenderRequest) -> bool:
    """Whether the transformer is called on two prompts at once."""
    return entry.family == "sd3" and request.guidance_scale > 1


def free_bytes(device: torch.device, opened: OpenedModel | None) -> int:
    """Of a device, what the open model and torch's own reserve hold counted as free."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device))
    held = 0
    if opened is not None:
        modules = [p for p in opened.pipeline.components.values() if isinstance(p, torch.nn.Module)]
        held = sum(w.numel() * w.element_size() for module in modules for w in module.parameters())
    return int(psutil.virtual_memory().available) + held


def learn_from(opened: OpenedModel, request: RenderRequest, result: RenderResult, home: Path) -> None:
    """Keep what a render has measured. One that was resumed, or took a single step, tells too little."""
    if result.resumed_from_step or request.num_inference_steps < 2 or result.seconds_per_step is None:
        return
    keep_measurement(
        home,
        Measurement(
            time=measured_now(),
            device=device_name(opened.device),
            model=opened.entry.id,
            rung=opened.rung,
            dtype=str(opened.dtype).removeprefix("torch."),
            width_px=request.width_px,
            height_px=request.height_px,
            guided=is_guided(opened.entry, request),
            seconds_per_step=round(result.seconds_per_step, 4),
            decode_s=round(result.timings_s["decode"], 3),
            peak_bytes=round(result.peak_memory_mib * 2**20),
        ),
    )


def _below(rung: Rung, available: tuple[Rung, ...]) -> tuple[Rung, ...]:
    return tuple(other for other in available if RUNGS.index(other) > RUNGS.index(rung))


def _missing_extra(rung: str) -> str:
    return "; the extra `smaller` brings 8 and 4 bits" if rung in ("int8", "nf4") else ""
