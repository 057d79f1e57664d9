"""Numbers as grey PNG files of codes 0 to 255, whole and shrunken: quickly, since a person waits for them.

Not here: which numbers (`studio.inspection.layers`), colours (the page's).
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studio.home.disk import whole_file

COARSE_PX = 640
"""A file that is larger gets a shrunken one beside it: enough for a whole picture on most screens, and much sooner."""

Pool = Literal["largest", "farthest", "mean"]
"""How cells become one: for masks; for signed values, whose mean would be grey; for the rest."""


@dataclass(frozen=True, slots=True)
class GreyFile:
    """A map or band as a grey PNG: its value at code c is low + (high - low) * c / 255."""

    path: Path
    low: float
    high: float
    width: int
    height: int
    coarse: Path | None = None
    """The same shrunken, or None where the file is small itself."""

    def files(self) -> tuple[Path, ...]:
        return (self.path,) if self.coarse is None else (self.path, self.coarse)


def write_values(path: Path, values: NDArray[np.floating], low: float, high: float, pool: Pool) -> GreyFile:
    """(H, W) values; those beyond low and high become the nearest code. Files that are there already are kept."""
    if high <= low:
        codes = np.zeros(values.shape, np.uint8)
    else:
        scale = np.float32(255 / (high - low))
        scaled = np.multiply(values, scale, dtype=np.float32)
        # A half more than the offset, so that cutting off rounds to nearest.
        scaled += np.float32(0.5 - low * 255 / (high - low))
        codes = np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)
    return write_codes(path, codes, low, high, pool)


def write_codes(path: Path, codes: NDArray[np.uint8], low: float, high: float, pool: Pool) -> GreyFile:
    """(H, W) codes as they are."""
    height, width = codes.shape
    if not path.is_file():
        _save(path, codes)
    coarse = None
    if max(height, width) > COARSE_PX:
        coarse = path.with_stem(f"{path.stem}-coarse")
        if not coarse.is_file():
            _save(coarse, shrunken(codes, pool))
    return GreyFile(path, low, high, width, height, coarse)


def shrunken(codes: NDArray[np.uint8], pool: Pool) -> NDArray[np.uint8]:
    """(H, W) uint8 by the smallest power of two that brings its longer side to COARSE_PX; its edges are repeated."""
    factor = 2 ** math.ceil(math.log2(max(codes.shape) / COARSE_PX))
    padded = np.pad(codes, [(0, -side % factor) for side in codes.shape], mode="edge")
    height, width = (side // factor for side in padded.shape)
    if pool == "mean":
        cells = padded.reshape(height, factor, width, factor)
        return np.rint(cells.mean((1, 3), dtype=np.float32)).astype(np.uint8)
    highest = _extremes(padded, factor, np.maximum)
    if pool == "largest":
        return highest
    lowest = _extremes(padded, factor, np.minimum)
    return np.where(highest.astype(np.int16) + lowest > 255, highest, lowest)


def _extremes(codes: NDArray[np.uint8], factor: int, choose: np.ufunc) -> NDArray[np.uint8]:
    """Halved again and again: whole rows, then every other column, which is far quicker than short axes."""
    while factor > 1:
        codes = choose(codes[::2], codes[1::2])
        codes = choose(codes[:, ::2], codes[:, 1::2])
        factor //= 2
    return codes


def _save(path: Path, codes: NDArray[np.uint8]) -> None:
    """A grey PNG without row filters, its codes in the shortest bits and no more: noise has no runs to look for."""
    height, width = codes.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each begins with its filter, 0 for none
    lines[:, 1:] = codes
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    body = packer.compress(lines.data) + packer.flush()
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part, part.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        for kind, data in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b"")):
            file.write(struct.pack(">I", len(data)) + kind + data)
            file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))
