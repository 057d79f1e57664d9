"""Rendering in the process at hand, for the command line: no server, no queue, no worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from studio.memory.ladder import render_fitting
from studio.models.catalogue import ModelEntry
from studio.pictures.destination import Destination
from studio.pipeline.denoising import OnProgress
from studio.pipeline.opening import PipelineKeeper, quiet_libraries
from studio.queue.job import Progress
from studio.render_request import RenderRequest
from studio.rendering.keeping import Kept, keep_drawn

KeptPicture = Kept[Path]
"""One finished picture and its file."""


def kept_values(kept: KeptPicture) -> dict[str, Any]:
    """What `--json` prints."""
    record = kept.record.to_dict()
    return {
        "path": str(kept.place),
        "seed": kept.record.settings.seed,
        "seconds": round(kept.seconds, 3),
        "peak_memory_mib": kept.record.peak_memory_mib,
        "settings": record["settings"],
        "timings_s": dict(kept.record.timings_s),
        "decode_path": kept.record.decode_path,
        "memory": {"rung": kept.record.rung, "gave_up": list(kept.record.gave_up)},
        "notes": list(kept.record.notes),
    }


def kept_line(kept: KeptPicture) -> str:
    """What is printed without it."""
    notes = "".join(f"\n  {note}" for note in kept.record.notes)
    return f"{kept.place}  seed {kept.record.settings.seed}  {kept.seconds:.1f} s{notes}"


def render_in_place(
    entry: ModelEntry,
    requests: Sequence[RenderRequest],
    keep: Destination,
    *,
    home: Path,
    on_progress: OnProgress | None = None,
    on_failure: Callable[[RenderRequest, ValueError], None] | None = None,
) -> Iterator[KeptPicture]:
    """Render each request and yield it once it is kept.

    `home` is where this machine's measurements are kept. A request that cannot be drawn ends it all with its
    ValueError, or is told to `on_failure` and passed over.
    """
    quiet_libraries()
    if on_progress is not None:
        on_progress(Progress("loading model", 0, 1, None, None), None)
    keeper = PipelineKeeper()
    for request in requests:
        try:
            keep.require_room(request.width_px, request.height_px)
            opened, result = render_fitting(keeper, entry, request, home=home, on_progress=on_progress)
            kept = keep_drawn(opened, request, result, keep.keep, on_progress=on_progress)
        except ValueError as error:
            if on_failure is None:
                raise
            on_failure(request, error)
            continue
        yield kept
