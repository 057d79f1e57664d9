"""What a render tells of itself, as the record that its picture carries."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from studio.pictures.record import AdapterUsed, ModelUsed, PictureRecord
from studio.pipeline.draw import RenderResult
from studio.pipeline.opening import OpenedModel, device_name
from studio.render_request import RenderRequest

_PACKAGES = {"studio": "diffusion-4k-studio", "torch": "torch", "diffusers": "diffusers"}


def drawn_record(opened: OpenedModel, request: RenderRequest, result: RenderResult) -> PictureRecord:
    """Times in seconds, memory in MiB."""
    entry = opened.entry
    return PictureRecord(
        settings=request,
        model=ModelUsed(
            id=entry.id,
            title=entry.title,
            source=entry.source,
            weights_hash=opened.weights_hash,
            repairs=tuple(opened.repairs),
        ),
        adapters=tuple(
            AdapterUsed(
                path=worn.path,
                weight=worn.weight,
                digest=worn.digest,
                layers=worn.report.num_matched,
                unused_keys=len(worn.report.unmatched),
            )
            for worn in opened.adapters.worn
        ),
        versions=installed_versions(),
        device=device_name(opened.device),
        dtype=str(opened.dtype).removeprefix("torch."),
        rung=opened.rung,
        gave_up=tuple(result.gave_up),
        decode_path=result.decode_path,
        timings_s={name: round(seconds, 3) for name, seconds in result.timings_s.items()},
        peak_memory_mib=round(result.peak_memory_mib),
        resumed_from_step=result.resumed_from_step,
        notes=tuple(result.notes),
    )


def installed_versions() -> dict[str, str]:
    """Of this studio, Python, torch and diffusers; "source" for a studio that was not installed."""
    found = {"python": platform.python_version()}
    for name, package in _PACKAGES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            found[name] = "source"
    return found
