"""Progress in a terminal, by tqdm; in a pipe or a log, a line now and then.

Not here: what is done meanwhile (`studio.rendering.in_place`, `studio.models.hub`).
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tqdm import tqdm

from studio.queue.job import Progress

if TYPE_CHECKING:
    from studio.pipeline.denoising import Preview

_LINE = "{desc} {bar:24} {n_fmt}/{total_fmt}{postfix}"


class _Bar:
    """A tqdm on stderr that is gone when it is left."""

    def __init__(self, **look: Any) -> None:
        # disable=None: not in a pipe.
        self._bar: tqdm[None] = tqdm(file=sys.stderr, disable=None, leave=False, **look)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    @property
    def _in_terminal(self) -> bool:
        return not self._bar.disable

    def clear(self) -> None:
        """Leave the line to what is printed next."""
        self._bar.clear()


class RenderBar(_Bar):
    """The stage, the step and how long it takes yet; in a log, one line a stage."""

    def __init__(self) -> None:
        super().__init__(total=1, bar_format=_LINE)
        self._stage = ""

    def show(self, progress: Progress, preview: Preview | None = None) -> bool:
        """Fits `studio.pipeline.denoising.OnProgress`; never asks to stop."""
        if self._in_terminal:
            bar, total = self._bar, max(1, progress.num_steps)
            bar.set_description_str(progress.stage, refresh=False)
            bar.total, bar.n = total, progress.step
            step_s, left_s = progress.seconds_per_step, progress.seconds_left
            parts = [f"{step_s:.2f} s/step" if step_s else "", f"{left_s:.0f} s left" if left_s else ""]
            bar.set_postfix_str("  ".join(part for part in parts if part), refresh=False)
            bar.refresh()
        elif progress.stage != self._stage:
            print(progress.stage, file=sys.stderr, flush=True)
        self._stage = progress.stage
        return True


class DownloadBar(_Bar):
    """Bytes that are here, of all, and how fast they come; in a log, one line each ten percent."""

    def __init__(self, *, total_bytes: int, here_bytes: int) -> None:
        super().__init__(total=max(1, total_bytes), initial=here_bytes, unit="B", unit_scale=True)
        self._total = max(1, total_bytes)
        self._tenths = -1

    def show(self, here_bytes: int) -> bool:
        """Never asks to stop."""
        if self._in_terminal:
            self._bar.update(here_bytes - self._bar.n)
        elif (tenths := 10 * here_bytes // self._total) > self._tenths:
            self._tenths = tenths
            line = f"{10 * tenths:3d} %  {here_bytes / 1e9:.2f} of {self._total / 1e9:.2f} GB"
            print(line, file=sys.stderr, flush=True)
        return True
