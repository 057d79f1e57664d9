"""The record that every picture carries: settings, model, versions, timings, decode path, notes."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from studio.pipeline.draw import RenderResult
from studio.pipeline.opening import OpenedModel, device_name
from studio.render_request import RenderRequest

RECORD_VERSION = 1
_PACKAGES = {"studio": "diffusion-4k-studio", "torch": "torch", "diffusers": "diffusers"}


def picture_record(opened: OpenedModel, request: RenderRequest, result: RenderResult) -> dict[str, Any]:
    """Plain values, for the PNG and the gallery. Times in seconds, memory in MiB."""
    entry = opened.entry
    return {
        "record_version": RECORD_VERSION,
        "settings": request.to_dict(),
        "model": {
            "id": entry.id,
            "title": entry.title,
            "source": entry.source,
            "weights_hash": opened.weights_hash,
            "repairs": list(opened.repairs),
        },
        "adapters": [worn.to_dict() for worn in opened.adapters.worn],
        "versions": installed_versions(),
        "device": device_name(opened.device),
        "dtype": str(opened.dtype).removeprefix("torch."),
        "memory": {"rung": opened.rung, "gave_up": list(result.gave_up)},
        "decode_path": result.decode_path,
        "timings_s": {name: round(seconds, 3) for name, seconds in result.timings_s.items()},
        "peak_memory_mib": round(result.peak_memory_mib),
        "resumed_from_step": result.resumed_from_step,
        "notes": list(result.notes),
    }


def installed_versions() -> dict[str, str]:
    """Of this studio, Python, torch and diffusers; "source" for a studio that was not installed."""
    found = {"python": platform.python_version()}
    for name, package in _PACKAGES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            found[name] = "source"
    return found
