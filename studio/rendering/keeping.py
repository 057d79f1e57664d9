"""From a finished render to its kept picture: the same for a worker's job and for the command line."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from studio.pictures.record import PictureRecord
from studio.pipeline.denoising import OnProgress
from studio.pipeline.draw import RenderResult
from studio.pipeline.opening import OpenedModel
from studio.queue.job import Progress
from studio.render_request import RenderRequest
from studio.rendering.drawn_record import drawn_record

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """One picture that was drawn and kept."""

    place: T
    """As its keeper says where it is."""

    record: PictureRecord
    seconds: float
    """Of encoding, denoising, decoding and saving; the model was open already."""


def keep_drawn(
    opened: OpenedModel,
    request: RenderRequest,
    result: RenderResult,
    keep: Callable[[NDArray[np.uint8], PictureRecord], T],
    *,
    on_progress: OnProgress | None = None,
) -> Kept[T]:
    """`keep` is given (H, W, 3) uint8 and the record, and raises ValueError where it cannot."""
    if on_progress is not None:
        on_progress(Progress("saving", 0, 1, None, None), None)
    started = time.perf_counter()
    record = drawn_record(opened, request, result)
    place = keep(result.image, record)
    return Kept(place, record, sum(result.timings_s.values()) + time.perf_counter() - started)
