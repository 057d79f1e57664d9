"""A picture is seen as the scene that it shows, also when it is blurred, noisy or of another size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from finetune.micro.likeness import nearest, seen_as
from finetune.micro.scenes.description import SKIES, TERRAINS, known_scenes
from finetune.micro.scenes.render import render


def test_the_nearest_is_the_least_different() -> None:
    grey = [np.full((96, 96, 3), level, np.uint8) for level in (40, 90, 200)]
    assert nearest(np.full((256, 256, 3), 110, np.uint8), grey) == 1


@pytest.mark.parametrize("terrain", TERRAINS)
@pytest.mark.parametrize("sky", SKIES)
def test_a_scene_is_seen_as_itself(terrain: str, sky: str) -> None:
    """Fog too leaves the place and the light to be told, but for what noise adds at 64 px, which is little."""
    rng = np.random.default_rng(0)
    scene = next(scene for scene in known_scenes() if (scene.terrain, scene.sky) == (terrain, sky))
    blurred = Image.fromarray(render(scene, 512, 512)).filter(ImageFilter.GaussianBlur(8))
    noisy = np.asarray(blurred) + rng.normal(0, 12, (512, 512, 3))
    assert seen_as(noisy.clip(0, 255).astype(np.uint8), replace(scene, seed=0)) == scene
