"""What a scan measures on one picture, once: size, real resolution, sharpness, how it looks from afar. No torch.

Facts know nothing of the training resolution, so that another one needs no second look. They are remembered in
`scan.json` beside the pictures, until a file changes. Not here: judging them (`finetune.data.scan`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.data.exclusions import write_json
from finetune.data.near_duplicates import look_hash
from finetune.json_text import parse_json
from metrics.pictures import read_picture

MEMORY = "scan.json"
VERSION = 1
MAX_MEGAPIXELS = 400.0
TILE_PX = 64
_REMEMBER_EVERY = 100
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """One picture. Of an unreadable one, only the error is known."""

    error: str | None = None
    """One sentence; None for a picture that can be read."""

    width_px: int = 0
    """As shown: EXIF rotation applied."""

    height_px: int = 0
    effective_scale: float = 1.0
    """Share of the side that is real, (0, 1]; see `metrics.effective_resolution`."""

    sharpness: tuple[float, ...] = ()
    """At full size, half, quarter: see `sharpness_of`."""

    look: str = ""
    """`near_duplicates.LookHash.to_text`."""


OnProgress = Callable[[int, int], bool]
"""(done, of how many); False asks to stop."""


def measure(path: Path) -> PictureFacts:
    """Measure one picture file."""
    try:
        pixels = read_picture(path, max_megapixels=MAX_MEGAPIXELS).pixels
    except ValueError as error:
        return PictureFacts(error=str(error))
    height, width = pixels.shape[:2]
    from metrics.effective_resolution import MIN_SIDE_PX, effective_resolution  # as in `near_duplicates`

    enough = min(width, height) >= MIN_SIDE_PX
    return PictureFacts(
        width_px=width,
        height_px=height,
        effective_scale=effective_resolution(pixels).scale if enough else 1.0,
        sharpness=sharpness_of(pixels),
        look=look_hash(pixels).to_text(),
    )


def sharpness_of(pixels: NDArray[np.uint8]) -> tuple[float, ...]:
    """How strong the finest detail is at full size, half and quarter, in grey levels; 0 is flat.

    The standard deviation of the 4-neighbour Laplacian of luma (Pech-Pacheco et al., 2000) in tiles of 64 px, and of
    all tiles the 95th percentile: a sharp subject before a soft background is sharp.
    """
    grey, found = pixels.astype(np.float32) @ _LUMA, []
    for _ in range(3):
        if min(grey.shape) < TILE_PX + 2:
            break
        inner = grey[1:-1, 1:-1]
        edges = 4 * inner - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
        rows, columns = edges.shape[0] // TILE_PX, edges.shape[1] // TILE_PX
        tiles = edges[: rows * TILE_PX, : columns * TILE_PX].reshape(rows, TILE_PX, columns, TILE_PX)
        found.append(round(float(np.percentile(tiles.std(axis=(1, 3)), 95)), 3))
        grey = grey[: grey.shape[0] // 2 * 2, : grey.shape[1] // 2 * 2]
        grey = (grey[::2, ::2] + grey[1::2, ::2] + grey[::2, 1::2] + grey[1::2, 1::2]) / 4
    return tuple(found)


def measure_all(
    root: Path, file_names: Sequence[str], *, workers: int = 2, on_progress: OnProgress | None = None
) -> dict[str, PictureFacts] | None:
    """Facts of each picture, from memory where its file did not change; None where `on_progress` asked to stop.

    What was measured until then is remembered, so that the next call goes on from there.
    """
    memory = _remembered(root)
    stamps = {name: _stamp(root / name) for name in file_names}
    facts = {n: memory[n][1] for n in file_names if n in memory and memory[n][0] == stamps[n]}
    waiting = [name for name in file_names if name not in facts]
    lock, stopped, saved = threading.Lock(), threading.Event(), len(facts)
    if on_progress is not None and not on_progress(len(facts), len(file_names)):
        return None

    def one(name: str) -> None:
        nonlocal saved
        if stopped.is_set():
            return
        found = measure(root / name)
        with lock:
            facts[name] = found
            if on_progress is not None and not on_progress(len(facts), len(file_names)):
                stopped.set()
            if len(facts) - saved >= _REMEMBER_EVERY:
                _remember(root, facts, stamps)
                saved = len(facts)

    with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="scan") as pool:
        for result in [pool.submit(one, name) for name in waiting]:
            result.result()
    if waiting:
        _remember(root, facts, stamps)
    return None if stopped.is_set() else {name: facts[name] for name in file_names}


def _stamp(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError:
        return (-1, -1)
    return state.st_size, state.st_mtime_ns


def _remembered(root: Path) -> dict[str, tuple[tuple[int, int], PictureFacts]]:
    """Nothing where the memory is missing, damaged or of another version: it can be made again."""
    try:
        content = parse_json((root / MEMORY).read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            return {}
        return {name: (tuple(entry["stamp"]), _facts(entry)) for name, entry in content["facts"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _facts(entry: Mapping[str, Any]) -> PictureFacts:
    values = {name: value for name, value in entry.items() if name != "stamp"}
    return PictureFacts(**{**values, "sharpness": tuple(values["sharpness"])})


def _remember(root: Path, facts: Mapping[str, PictureFacts], stamps: Mapping[str, tuple[int, int]]) -> None:
    entries = {name: {"stamp": stamps[name], **asdict(found)} for name, found in sorted(facts.items())}
    write_json(root / MEMORY, {"version": VERSION, "facts": entries})
