"""Many pictures on one sheet, in rows and columns with their names: for a grid of checkpoints and strengths.

Not here: which pictures (`studio.training.adapter_grid`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

CELL_PX = 512
"""Of a picture's longer side on the sheet."""

GAP_PX, NAME_PX = 8, 40
PAPER, INK = (24, 24, 26), (225, 225, 225)

Place = tuple[int, int]
"""(row, column), from 0"""


def sheet_layout(rows: int, columns: int, cell: tuple[int, int]) -> tuple[int, int, int]:
    """(width, height, left edge of the first picture) in px, for cells of (width, height) px."""
    left = 3 * NAME_PX
    return (
        left + columns * (cell[0] + GAP_PX) + GAP_PX,
        NAME_PX * 2 + rows * (cell[1] + GAP_PX) + GAP_PX,
        left + GAP_PX,
    )


def cell_origin(place: Place, cell: tuple[int, int]) -> tuple[int, int]:
    """(left, top) in px of a picture on the sheet."""
    row, column = place
    return 3 * NAME_PX + GAP_PX + column * (cell[0] + GAP_PX), 2 * NAME_PX + row * (cell[1] + GAP_PX)


def shrunk(pixels: NDArray[np.uint8], longest_px: int = CELL_PX) -> NDArray[np.uint8]:
    """(H, W, 3) uint8, no side above `longest_px`; never enlarged."""
    image = Image.fromarray(pixels)
    image.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
    return np.asarray(image)


def contact_sheet(
    pictures: Mapping[Place, NDArray[np.uint8]],
    *,
    title: str,
    row_names: Sequence[str],
    column_names: Sequence[str],
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of the pictures, each (h, w, 3) uint8 and all of one size, shrunk to fit their cells.

    Raises ValueError for pictures of several sizes, or none. A place without a picture stays paper.
    """
    small = {place: shrunk(pixels) for place, pixels in pictures.items()}
    sizes = {pixels.shape for pixels in small.values()}
    if len(sizes) != 1:
        came = ", ".join(f"{shape[1]} x {shape[0]}" for shape in sorted(sizes)) if sizes else "none"
        raise ValueError(f"a sheet takes pictures of one size, got {came}; draw them anew at one size")
    height, width = sizes.pop()[:2]
    cell = (width, height)
    sheet_width, sheet_height, left = sheet_layout(len(row_names), len(column_names), cell)
    sheet = Image.new("RGB", (sheet_width, sheet_height), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    draw.text((GAP_PX, NAME_PX // 2), title, INK, font=font, anchor="lm")
    for column, name in enumerate(column_names):
        middle = left + column * (width + GAP_PX) + width // 2
        draw.text((middle, NAME_PX * 3 // 2), name, INK, font=font, anchor="mm")
    for row, name in enumerate(row_names):
        top = cell_origin((row, 0), cell)[1]
        draw.text((GAP_PX, top + height // 2), name, INK, font=font, anchor="lm")
    for place, pixels in small.items():
        sheet.paste(Image.fromarray(pixels), cell_origin(place, cell))
    return np.asarray(sheet)
