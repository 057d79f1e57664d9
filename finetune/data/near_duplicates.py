"""Pictures that are nearly the same: two hashes of how a picture looks when it is tiny. No torch.

A pair must agree in both. One hash takes the signs of the lowest cosine frequencies about their median (Zauner,
"Implementation and benchmarking of perceptual image hash functions", 2010), which skies and fogs share with each
other; the other one, whether each cell of a 16 x 17 mosaic is brighter than its neighbour. Scaling, JPEG, brightness
and light crops keep both; mirrored and turned pictures count as different.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_COSINE_BITS = 8
"""Of 63 that may differ; unlike pictures differ in about 31."""

MAX_MOSAIC_BITS = 48
"""Of 256 that may differ; unlike pictures differ in about 120."""

_FLAT = 0.75  # grey levels: a smaller step from cell to cell is rounding, not a picture
_ROWS = 512


@dataclass(frozen=True, slots=True)
class LookHash:
    """How one picture looks from afar."""

    cosine: int
    """63 bits."""

    mosaic: int
    """256 bits."""

    def to_text(self) -> str:
        return f"{self.cosine:016x}{self.mosaic:064x}"

    @classmethod
    def from_text(cls, text: str) -> LookHash:
        return cls(int(text[:16], 16), int(text[16:], 16))


def look_hash(pixels: NDArray[np.uint8]) -> LookHash:
    """Hash (H, W, 3) RGB uint8."""
    grey = Image.fromarray(pixels).reduce(max(1, min(pixels.shape[:2]) // 256)).convert("L")
    small = np.asarray(grey.resize((32, 32), Image.Resampling.BOX), np.float64)
    import scipy.fft  # here, since the page imports this module at its start

    lowest = scipy.fft.dctn(small, norm="ortho")[:8, :8].ravel()[1:]  # without the mean
    mosaic = np.asarray(grey.convert("F").resize((17, 16), Image.Resampling.BOX), np.float64)
    steps = np.diff(mosaic, axis=1).ravel()
    return LookHash(_number(lowest > np.median(lowest)), _number(steps > _FLAT))


def near_duplicates(hashes: list[LookHash]) -> list[tuple[int, ...]]:
    """Groups of two and more that are nearly the same, as positions in `hashes`, each group and all ascending.

    Who resembles a member belongs to the group. Compares all pairs: 12,000 pictures in 0.7 s on one core.
    """
    if not hashes:
        return []
    words = np.array([_words(h) for h in hashes], np.uint64)  # (N, 5)
    parent = list(range(len(hashes)))
    for start in range(0, len(hashes), _ROWS):
        rows = words[start : start + _ROWS]
        near = _differing(rows[:, None, 0], words[None, :, 0]) <= MAX_COSINE_BITS
        near &= np.arange(len(hashes))[None] > np.arange(start, start + len(rows))[:, None]
        first, second = np.nonzero(near)
        unlike = _differing(rows[first, 1:], words[second, 1:]).sum(1, dtype=np.int64)
        for i, j in zip(first[unlike <= MAX_MOSAIC_BITS], second[unlike <= MAX_MOSAIC_BITS], strict=True):
            _join(parent, int(i) + start, int(j))
    groups: dict[int, list[int]] = {}
    for member in range(len(hashes)):
        groups.setdefault(_root(parent, member), []).append(member)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _differing(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint8]:
    return np.bitwise_count(a ^ b)


def _number(bits: NDArray[np.bool_]) -> int:
    return int("".join("1" if bit else "0" for bit in bits), 2)


def _words(look: LookHash) -> list[int]:
    return [look.cosine, *(look.mosaic >> shift & (2**64 - 1) for shift in (192, 128, 64, 0))]


def _root(parent: list[int], member: int) -> int:
    while parent[member] != member:
        parent[member] = parent[parent[member]]
        member = parent[member]
    return member


def _join(parent: list[int], a: int, b: int) -> None:
    low, high = sorted((_root(parent, a), _root(parent, b)))
    parent[high] = low
