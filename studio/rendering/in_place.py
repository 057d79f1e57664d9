"""Rendering in the process at hand, for the command line: no server, no queue, no worker."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from studio.memory.ladder import render_fitting
from studio.models.catalogue import ModelEntry
from studio.pictures.destination import Destination
from studio.pictures.record import picture_record
from studio.pipeline.denoising import OnProgress, Preview
from studio.pipeline.opening import PipelineKeeper, quiet_libraries
from studio.queue.table import Progress
from studio.render_request import RenderRequest

BAR_LETTERS = 24


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """One finished picture."""

    path: Path
    seconds: float
    """Of encoding, denoising, decoding and saving; the model was open already."""

    record: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "path": str(self.path),
            "seed": self.record["settings"]["seed"],
            "seconds": round(self.seconds, 3),
            "peak_memory_mib": self.record["peak_memory_mib"],
            "settings": self.record["settings"],
            "timings_s": self.record["timings_s"],
            "decode_path": self.record["decode_path"],
            "memory": self.record["memory"],
            "notes": self.record["notes"],
        }

    def line(self) -> str:
        notes = "".join(f"\n  {note}" for note in self.record["notes"])
        return f"{self.path}  seed {self.record['settings']['seed']}  {self.seconds:.1f} s{notes}"


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
        kept = _render_one(keeper, entry, request, keep, home, None if bar is None else bar.show)
        if bar is not None:
            bar.clear()
        yield kept


def _render_one(
    keeper: PipelineKeeper,
    entry: ModelEntry,
    request: RenderRequest,
    keep: Destination,
    home: Path,
    on_progress: OnProgress | None,
) -> KeptPicture:
    opened, result = render_fitting(keeper, entry, request, home=home, on_progress=on_progress)
    if on_progress is not None:
        on_progress(Progress("saving", 0, 1, None, None), None)
    started = time.perf_counter()
    record = picture_record(opened, request, result)
    path = keep(result.image, record)
    seconds = sum(result.timings_s.values()) + time.perf_counter() - started
    return KeptPicture(path, seconds, record)


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
