"""`d4k benchmark` with a stand-in for the models, which draws noise at once, in processes that die at any moment.

`python -m tests.stand_in_benchmark LAST,LAST... HOME WORDS...`: each life ends at its last moment
(`tests.sudden_death`), 0 for a life that is let be. The command, the gallery, the measuring and the report are the real
ones. A prompt that says "impossible" cannot be drawn.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studio.cli.main import app
from studio.pictures.destination import Destination
from studio.pictures.record import PictureRecord
from studio.render_request import RenderRequest
from tests.sudden_death import Moments, lives


def render_in_place(
    _entry: object,
    requests: Sequence[RenderRequest],
    keep: Destination,
    *,
    on_failure: Callable[[RenderRequest, ValueError], None],
    **_: Any,
) -> Iterator[Path]:
    for request in requests:
        if "impossible" in request.prompt:
            on_failure(request, ValueError("no model draws that; ask for something else"))
            continue
        rng = np.random.default_rng([request.seed, request.num_inference_steps, len(request.prompt)])
        noise = rng.normal(128, 4 * request.num_inference_steps, (request.height_px, request.width_px, 3))
        yield keep.keep(noise.clip(0, 255).astype(np.uint8), PictureRecord(settings=request))


def live(home: str, words: Sequence[str], last: int) -> None:
    moments = Moments(Path(home), last=last)
    code = 0
    try:
        app(["benchmark", *words, "--home", home, "--device", "cpu"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    print("code", code)
    print("moments", moments.count)


def main() -> None:
    lasts, home, *words = sys.argv[1:]
    # In the place of a module that imports torch.
    module = types.ModuleType("studio.rendering.in_place")
    module.render_in_place = render_in_place  # type: ignore[attr-defined]
    module.kept_line = str  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    for heavy in ("studio.benchmark.report", "plotly.graph_objects"):
        importlib.import_module(heavy)
    lives([int(last) for last in lasts.split(",")], lambda last: live(home, words, last))


if __name__ == "__main__":
    main()
