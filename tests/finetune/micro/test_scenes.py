"""Scenes: the same world at every size, what the attributes promise, and noise that is what it says."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.micro.bank import GROUPS
from finetune.micro.scenes.description import PLACES, SKIES, TERRAINS, TIMES, known_scenes, random_scene
from finetune.micro.scenes.noise import noise, octaves_within
from finetune.micro.scenes.render import render


def test_a_larger_picture_shows_the_same_composition() -> None:
    scene = random_scene(11, terrain="mountains", time="noon", sky="clear")
    small = render(scene, 128, 128).astype(float)
    large = render(scene, 512, 512).reshape(128, 4, 128, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - large).mean() < 12
    assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.93


def test_a_strip_is_part_of_the_whole() -> None:
    scene = random_scene(5, terrain="dunes")
    np.testing.assert_array_equal(
        render(scene, 128, 128, columns=(32, 80)), render(scene, 128, 128)[:, 32:80]
    )


def test_the_same_seed_gives_the_same_pixels_and_another_does_not() -> None:
    first, again, other = (render(random_scene(seed, terrain="sea"), 96, 96) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 3


@pytest.mark.parametrize("terrain", TERRAINS)
def test_nights_are_darker_than_noons(terrain: str) -> None:
    night, noon = (
        render(random_scene(8, terrain=terrain, time=time), 96, 96).mean() for time in ("night", "noon")
    )
    assert night < 0.6 * noon


def test_the_sun_stands_where_it_is_said_to() -> None:
    for side, half in (("left", slice(0, 80)), ("right", slice(80, 160))):
        picture = render(random_scene(21, terrain="sea", time="noon", sky="clear", side=side), 160, 160)
        brightest = np.unravel_index(picture[:80].sum(axis=2).argmax(), (80, 160))
        assert half.start <= brightest[1] < half.stop, side


def test_noise_is_zero_on_its_lattice_and_bounded() -> None:
    values = [noise(x * 0.37, x * 0.73, 5) for x in range(2000)]
    assert noise(3.0, -7.0, 5) == 0.0
    assert 0.6 < max(np.abs(values)) < 1.6


def test_octaves_stop_at_the_pixel() -> None:
    assert octaves_within(1.0, 0.5) == pytest.approx(1.0)  # one cycle, two pixels: just at Nyquist
    assert octaves_within(1.0, 0.125) == pytest.approx(3.0)
    assert octaves_within(64.0, 0.5) == 0.0


def test_a_strip_outside_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="columns"):
        render(random_scene(1), 64, 64, columns=(32, 65))


def test_random_scenes_cover_every_attribute() -> None:
    scenes = [random_scene(seed) for seed in range(300)]
    assert {s.terrain for s in scenes} == set(TERRAINS)
    assert {s.time for s in scenes} == set(TIMES)
    assert {s.sky for s in scenes} == set(SKIES)
    assert all(s.terrain in ("mountains", "forest") for s in scenes if s.snow or s.lake)


def test_known_scenes_are_every_place_in_every_light_once() -> None:
    scenes = known_scenes()
    assert scenes == known_scenes()
    assert len(set(scenes)) == len(scenes)
    assert {(s.terrain, s.seed) for s in scenes} == {
        (t, seed) for t, places in PLACES.items() for seed in places
    }
    # 4 places x 4 times x 3 skies x 3 sides; with or without snow and a lake; forests in autumn too.
    counts = {terrain: sum(s.terrain == terrain for s in scenes) for terrain in TERRAINS}
    assert counts == {"mountains": 144 * 4, "dunes": 144, "forest": 144 * 6, "sea": 144}
    assert not any(s.autumn and (s.snow or s.terrain != "forest") for s in scenes)
    assert not any(s.snow or s.lake for s in scenes if s.terrain in ("dunes", "sea"))


def test_every_size_shows_every_terrain_alike() -> None:
    """But for squares of 512 px, which show all there is: whatever a size lacks is not learnt in its shape."""
    for group in GROUPS:
        scenes = known_scenes()[group.first : group.first + group.count]
        if not group.known or len(scenes) == len(known_scenes()):
            continue
        counts = [sum(scene.terrain == terrain for scene in scenes) for terrain in TERRAINS]
        assert sum(counts) == group.count
        assert max(counts) - min(counts) <= 1, group.name


def test_the_first_known_scenes_are_a_fair_sample() -> None:
    first = known_scenes()[:288]
    for attribute, values in (("terrain", TERRAINS), ("time", TIMES), ("sky", SKIES)):
        counts = [sum(getattr(scene, attribute) == value for scene in first) for value in values]
        assert min(counts) > 0.7 * 288 / len(values), attribute
