"""The loss of Micro-4K's transformer: error of the velocity, with more weight on what is seen first."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool2d

LOW_BANDS = ((2, 2.0), (4, 4.0), (8, 8.0))
"""Sides of squares of latents, and the weight of the error of their means: composition is in few of its numbers."""


def banded_loss(wrong: Tensor) -> Tensor:
    """Mean square of an error (N, C, h, w), plus those of its means over squares, weighted; a scalar.

    The means over squares of 2, 4 and 8 are the low bands of three levels of a Haar transform, up to a factor.
    """
    loss = wrong.square().mean()
    for side, weight in LOW_BANDS:
        loss = loss + weight * avg_pool2d(wrong, side).square().mean()
    return loss
