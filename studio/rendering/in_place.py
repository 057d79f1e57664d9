"""Rendering in the process at hand, for the command line: no server, no queue, no worker."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from studio.memory.ladder import render_fitting
from studio.models.catalogue import ModelEntry
from studio.pictures.destination import Destination
from studio.pipeline.denoising import Preview
from studio.pipeline.opening import PipelineKeeper, quiet_libraries
from studio.queue.job import Progress
from studio.render_request import RenderRequest
from studio.rendering.keeping import Kept, keep_drawn

BAR_LETTERS = 24


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
    show_progress: bool,
) -> Iterator[KeptPicture]:
    """Render each request and yield it once it is kept. Progress goes to stderr.

    `home` is where this machine's measurements are kept.
    """
    quiet_libraries()
    bar = ProgressBar(sys.stderr) if show_progress else None
    if bar is not None:
        bar.show(Progress("loading model", 0, 1, None, None), None)
    keeper = PipelineKeeper()
    for request in requests:
        keep.require_room(request.width_px, request.height_px)
        show = None if bar is None else bar.show
        opened, result = render_fitting(keeper, entry, request, home=home, on_progress=show)
        kept = keep_drawn(opened, request, result, keep.keep, on_progress=show)
        if bar is not None:
            bar.clear()
        yield kept


class ProgressBar:
    """One line of a terminal, rewritten; in a pipe or a log, one line a stage."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._last_stage = ""

    def show(self, progress: Progress, preview: Preview | None) -> bool:
        """Fits `rendering.OnProgress`; never asks to stop."""
        if self._is_terminal:
            self._stream.write(f"\r\x1b[K{_bar_line(progress)}")
        elif progress.stage != self._last_stage:
            self._stream.write(f"{progress.stage}\n")
        self._last_stage = progress.stage
        self._stream.flush()
        return True

    def clear(self) -> None:
        """Leave the line to what is printed next."""
        if self._is_terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _bar_line(progress: Progress) -> str:
    if progress.num_steps <= 1:
        return progress.stage
    done = round(BAR_LETTERS * progress.step / progress.num_steps)
    parts = [f"{progress.stage} [{'#' * done:.<{BAR_LETTERS}}] {progress.step}/{progress.num_steps}"]
    if progress.seconds_per_step is not None:
        parts.append(f"{progress.seconds_per_step:.2f} s/step")
    if progress.seconds_left is not None:
        parts.append(f"{progress.seconds_left:.0f} s left")
    return "  ".join(parts)
