"""A render that ends with a picture wherever memory allows one: on the rung that should fit, else once on the next.

Not here: choosing the rung (`studio.memory.fitting`), drawing (`studio.pipeline.draw`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from studio.memory.fitting import learn_from, plan_render
from studio.memory_rungs import RUNG_TITLES, Rung
from studio.models.catalogue import ModelEntry
from studio.pipeline.denoising import OnProgress
from studio.pipeline.draw import RenderResult, render
from studio.pipeline.opening import OpenedModel, PipelineKeeper, best_device
from studio.render_request import RenderRequest


def render_fitting(
    keeper: PipelineKeeper,
    entry: ModelEntry,
    request: RenderRequest,
    *,
    home: Path,
    open_model: Callable[[Rung], OpenedModel] | None = None,
    latents_path: Callable[[OpenedModel], Path] | None = None,
    on_progress: OnProgress | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> tuple[OpenedModel, RenderResult]:
    """Open the model on its rung and draw.

    Args:
        home: Where footprints and measurements of this machine are kept, and what the request names.
        open_model: Opens it in the keeper; None for `keeper.open` itself.
        latents_path: Of what an interrupted render has saved.
        say: Told what did not fit.

    Raises ValueError, with the remedy, where the next rung has no room either.
    """
    plan = plan_render(entry, request, home=home, device=best_device(), opened=keeper.opened)
    tried: tuple[Rung, ...] = ()
    for rung in (plan.rung, *plan.below[:1]):
        try:
            opened = keeper.open(entry, rung) if open_model is None else open_model(rung)
            result = render(
                opened,
                request,
                latents_path=None if latents_path is None else latents_path(opened),
                home=home,
                on_progress=on_progress,
                gave_up=tried,
            )
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            learn_from(opened, request, result, home)
            return opened, result
        # Only here, where no traceback holds its tensors any more, does freeing it give the memory back.
        opened = None  # type: ignore[assignment]
        keeper.free()
        tried = (*tried, rung)
        say(f"{entry.id}: out of memory where {RUNG_TITLES[rung]}")
    words = ", nor where ".join(RUNG_TITLES[rung] for rung in tried)
    raise ValueError(
        f"{entry.title} ran out of memory at {request.width_px} x {request.height_px}: there was no room where "
        f"{words}; choose a smaller size or model, or close what else uses the memory, then try again"
    )


_NO_MEMORY = (
    "can't allocate memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """CUDA's allocator says so by its type; the CPU's, the driver and CUDA's libraries only in words."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
