"""Which of the known scenes a picture looks like most: whether it shows the place and the light that were asked for.

In pixels at a glance, by nothing that the model has learnt. Not here: what the shares must be (`promises`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finetune.micro.scenes.description import PLACES, SIDES, Scene
from finetune.micro.scenes.render import render

Pixels = NDArray[np.uint8]
_GLANCE_PX = 64
_RENDERED_PX = 256


def nearest(picture: Pixels, others: Sequence[Pixels]) -> int:
    """Index of the one with the least mean square difference, (H, W, 3) uint8 each, over means at 64 x 64."""
    seen = _glance(picture)
    return int(np.argmin([np.square(seen - _glance(other)).mean() for other in others]))


def seen_as(picture: Pixels, asked: Scene) -> Scene:
    """The nearest of `asked` at all places of its terrain, with sun or moon on all sides; all else as asked."""
    scenes = [
        replace(asked, seed=place, side=side)
        for place, side in itertools.product(PLACES[asked.terrain], SIDES)
    ]
    return scenes[nearest(picture, [render(scene, _RENDERED_PX, _RENDERED_PX) for scene in scenes])]


def _glance(picture: Pixels) -> NDArray[np.float32]:
    small = Image.fromarray(picture).resize((_GLANCE_PX, _GLANCE_PX), Image.Resampling.BOX)
    return np.asarray(small, np.float32)
