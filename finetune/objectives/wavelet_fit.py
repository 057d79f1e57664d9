"""Whether a wavelet can be an objective, and whether crops can be split as often as it asks. No torch.

Asked before anything is encoded: otherwise a run would end at its first crop of an awkward shape, hours later.
Not here: the transform (`finetune.objectives.wavelets`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from finetune.config.run_config import ObjectiveConfig

Taps = tuple[float, ...]

GREATEST_DEFECT = 1e-9
"""Of orthonormality. PyWavelets' tables hold 10 digits and more, but for dmey, which is cut off and errs by 0.002."""


@lru_cache(maxsize=32)
def orthonormal_taps(wavelet: str) -> tuple[Taps, Taps]:
    """(low, high) analysis filters. Raises ValueError for no wavelet, and for one that is not orthonormal."""
    import pywt  # with its compiled parts a quarter of a second: not while the page starts

    try:
        found = pywt.Wavelet(wavelet)
    except ValueError as error:
        raise ValueError(f"{wavelet!r} is no wavelet of PyWavelets; try haar, db2, sym4 or coif1") from error
    low: Taps = tuple(found.dec_lo)
    if not found.orthogonal or defect(low) > GREATEST_DEFECT:
        raise ValueError(f"{wavelet!r} is not orthonormal; try haar, db2, sym4 or coif1")
    return low, tuple(found.dec_hi)


def defect(low: Taps) -> float:
    """How far a low filter is from orthonormal to its own shifts by two: 0 for an exact one."""
    products = [sum(a * b for a, b in zip(low[shift:], low, strict=False)) for shift in range(0, len(low), 2)]
    return max(abs(products[0] - 1), *(abs(product) for product in products[1:]), 0.0)


def check_wavelet(
    objective: ObjectiveConfig, sizes_px: Iterable[tuple[int, int]], px_per_latent: int
) -> None:
    """Raise ValueError, with the remedy, for a wavelet that cannot be and for crops that cannot be split so often.

    Args:
        sizes_px: (width, height) of every kind of crop.
        px_per_latent: 8 for F8 models, 16 for F16.
    """
    if objective.kind != "wavelet":
        return
    orthonormal_taps(objective.wavelet)
    for width, height in sizes_px:
        sides = (width // px_per_latent, height // px_per_latent)
        most = min(_halvings(side) for side in sides)
        if most < objective.levels:
            raise ValueError(
                f"objective.levels = {objective.levels} halves latents {objective.levels} times, and those of a crop "
                f"of {width} x {height} px are {sides[0]} x {sides[1]}; set objective.levels to {most}, or "
                "data.square_only"
            )


def _halvings(side: int) -> int:
    """How often it divides by 2."""
    return (side & -side).bit_length() - 1
