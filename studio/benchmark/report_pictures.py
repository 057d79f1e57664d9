"""The pictures of a benchmark's report, as data URLs: a sheet of them small, and pairs at 1:1 where they differ most.

Not here: the page (`studio.benchmark.report`).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metrics.pictures import read_picture
from studio.benchmark.folder import BenchmarkFolder
from studio.benchmark.plan import Cell
from studio.benchmark.progress import Standings
from studio.benchmark.words import number
from studio.comparison.differences import where_they_differ
from studio.pictures.gallery_rows import Picture

THUMBNAIL_PX, CROP_PX, MAX_PAIRS = 256, 384, 6
MAX_PICTURES = 400
"""On the sheet; of more prompts the first ones are shown."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture inside the page."""

    name: str
    data: str
    """A data URL."""

    seed: int = 0
    value: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """The place where two contenders differ most on one prompt."""

    prompt: str
    left: Shown
    right: Shown


def contact_sheet(found: Standings) -> list[tuple[str, list[Shown]]]:
    """(prompt, its pictures small), prompt by prompt."""
    sheet: list[tuple[str, list[Shown]]] = []
    count = 0
    for prompt in found.plan.prompts:
        shown = []
        for cell, standing in found.cells:
            if cell.prompt != prompt.name or standing.picture is None or count >= MAX_PICTURES:
                continue
            small = _small(standing.picture)
            if small:
                shown.append(Shown(cell.contender, small, cell.seed))
                count += 1
        if shown:
            sheet.append((prompt.text, shown))
    return sheet


def largest_differences(found: Standings, folder: BenchmarkFolder) -> list[Pair]:
    """The prompts on which the first two contenders differ most in the first column of pictures, at their place."""
    column = next(
        (c for c in found.plan.protocol_columns() if c.is_of_pictures and "clip" not in c.metric), None
    )
    names = [contender.name for contender in found.plan.contenders]
    if column is None or len(names) < 2:
        return []
    known = folder.scores()
    ours, theirs = ({(c.prompt, c.seed): (c, p) for c, p in found.pictures(name)} for name in names[:2])
    apart: list[tuple[float, Cell, Picture, Picture, float, float]] = []
    for place in ours.keys() & theirs.keys():
        (cell, first), (_, second) = ours[place], theirs[place]
        a, b = (known.get(one.id, {}).get("values", {}).get(column.key) for one in (first, second))
        if a is not None and b is not None:
            apart.append((abs(a - b), cell, first, second, a, b))
    apart.sort(key=lambda one: (-one[0], one[1].prompt, one[1].seed))
    texts = {prompt.name: prompt.text for prompt in found.plan.prompts}
    pairs = []
    for _, cell, first, second, a, b in apart[:MAX_PAIRS]:
        try:
            pixels = read_picture(first.path).pixels, read_picture(second.path).pixels
            left, right = crops(*pixels, column.metric)
        except ValueError:  # named in the table already
            continue
        title = column.card.title
        pairs.append(
            Pair(
                texts[cell.prompt],
                Shown(names[0], _data(left, quality=95), value=f"{title} {number(a)}"),
                Shown(names[1], _data(right, quality=95), value=f"{title} {number(b)}"),
            )
        )
    return pairs


def crops(
    first: NDArray[np.uint8], second: NDArray[np.uint8], metric: str, side_px: int = CROP_PX
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The same place of two pictures of one size, (side, side, 3) uint8, around where they differ most."""
    place = where_they_differ(first, second, metric)
    height, width = first.shape[:2]
    side = min(side_px, height, width)
    top = min(max(0, place.y + place.height // 2 - side // 2), height - side)
    left = min(max(0, place.x + place.width // 2 - side // 2), width - side)
    return first[top : top + side, left : left + side], second[top : top + side, left : left + side]


def _small(picture: Picture) -> str:
    try:
        with Image.open(picture.thumbnail_path) as image:
            image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
            return _data(np.asarray(image.convert("RGB")), quality=82)
    except OSError:
        return ""


def _data(pixels: NDArray[Any], *, quality: int) -> str:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
