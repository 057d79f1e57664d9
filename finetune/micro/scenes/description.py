"""What a scene shows: named attributes, the numbers that place them, and how to draw one at random.

Standard library only. Not here: pixels (`render`), words (`finetune.micro.captions`).
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple, get_args

Terrain = Literal["mountains", "dunes", "forest", "sea"]
Time = Literal["dawn", "noon", "dusk", "night"]
Sky = Literal["clear", "cloudy", "foggy"]
Side = Literal["left", "centre", "right"]

TERRAINS: tuple[Terrain, ...] = get_args(Terrain)
TIMES: tuple[Time, ...] = get_args(Time)
SKIES: tuple[Sky, ...] = get_args(Sky)
SIDES: tuple[Side, ...] = get_args(Side)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A landscape, the same at every size: only the detail that fits changes."""

    terrain: Terrain
    time: Time
    sky: Sky
    side: Side
    """Where the sun, or at night the moon, stands."""
    snow: bool = False
    """Snow on the heights (mountains) or on everything (forest)."""
    lake: bool = False
    """Still water in the foreground of mountains or forest."""
    autumn: bool = False
    """Red and gold foliage in a forest."""
    seed: int
    """Of the land and its colours: the place."""


PLACES: dict[Terrain, tuple[int, ...]] = {
    "mountains": (906, 912, 927, 939),
    "dunes": (911, 912, 922, 927),
    "forest": (907, 920, 924, 928),
    "sea": (914, 917, 920, 933),
}
"""Seeds of the places that the bundled transformer is taught: a world that two CPU cores can teach it."""


@cache
def known_scenes() -> tuple[Scene, ...]:
    """Every place of `PLACES` at every time, under every sky, in every season; in one shuffled order for ever.

    Terrains take turns as long as all have scenes left, so that the first scenes are a fair sample.
    """
    rng = random.Random(0)
    turns = []
    for terrain, places in PLACES.items():
        grown = terrain in ("mountains", "forest")
        scenes = [
            Scene(
                terrain=terrain, time=time, sky=sky, side=side, snow=snow, lake=lake, autumn=autumn, seed=seed
            )
            for time, sky, side in itertools.product(TIMES, SKIES, SIDES)
            for snow, lake, autumn in itertools.product((False, True), repeat=3)
            for seed in places
            if (grown or not (snow or lake)) and (not autumn or (terrain == "forest" and not snow))
        ]
        rng.shuffle(scenes)
        turns.append(scenes)
    return tuple(scene for row in itertools.zip_longest(*turns) for scene in row if scene is not None)


def random_scene(seed: int, **fixed: object) -> Scene:
    """Draw a scene; attributes given by name stay as given."""
    rng = random.Random(seed)
    terrain = str(fixed.get("terrain", rng.choice(TERRAINS)))
    drawn: dict[str, object] = {
        "terrain": terrain,
        "time": rng.choice(TIMES),
        "sky": rng.choice(SKIES),
        "side": rng.choice(SIDES),
        "snow": terrain in ("mountains", "forest")
        and rng.random() < (0.45 if terrain == "mountains" else 0.2),
        "lake": terrain in ("mountains", "forest") and rng.random() < 0.3,
        "seed": seed,
    }
    drawn["autumn"] = terrain == "forest" and not drawn["snow"] and rng.random() < 0.3
    return Scene(**{**drawn, **fixed})  # type: ignore[arg-type]


class SceneNumbers(NamedTuple):
    """A scene as the compiled renderer reads it. Lengths are in world units, screen in units of the short side."""

    terrain: int
    seed: int
    night: bool
    horizon: float  # screen y of the horizon, from the centre, downward
    camera: float  # eye height over the ground
    relief: float  # height of the terrain's great forms
    water: float  # level of the water plane; far below everything where there is none
    trees: float  # share of cells that bear a tree, 0 to 1
    tree_height: float
    broadleaf: bool
    snow: float  # 0 none, 1 much
    sun_x: float  # screen position of sun or moon
    sun_y: float
    light: tuple[float, float, float]  # unit vector towards the light that shades the ground
    cover: float  # cloud cover, 0 to 1
    fog: float  # extinction per world unit
    sky_top: tuple[float, float, float]  # linear RGB
    sky_low: tuple[float, float, float]
    sun: tuple[float, float, float]
    ambient: tuple[float, float, float]
    grass: tuple[float, float, float]
    rock: tuple[float, float, float]
    leaf: tuple[float, float, float]
    exposure: float


class _Light(NamedTuple):
    sky_top: tuple[float, float, float]
    sky_low: tuple[float, float, float]
    sun: tuple[float, float, float]
    ambient: tuple[float, float, float]
    elevation: float  # of the sun over the horizon, in short sides
    slant: float  # elevation of the light on the ground, sine


_LIGHTS: dict[str, _Light] = {
    "dawn": _Light(
        (0.10, 0.20, 0.42), (0.78, 0.42, 0.33), (1.25, 0.74, 0.52), (0.24, 0.25, 0.36), 0.09, 0.30
    ),
    "noon": _Light(
        (0.025, 0.11, 0.40), (0.26, 0.42, 0.62), (1.50, 1.40, 1.22), (0.24, 0.32, 0.44), 0.44, 0.62
    ),
    "dusk": _Light(
        (0.030, 0.022, 0.11), (0.62, 0.15, 0.035), (1.10, 0.33, 0.10), (0.11, 0.075, 0.15), 0.06, 0.22
    ),
    "night": _Light(
        (0.0020, 0.0045, 0.016), (0.010, 0.020, 0.048), (0.13, 0.165, 0.26), (0.010, 0.016, 0.036), 0.34, 0.45
    ),
}


def numbers(scene: Scene) -> SceneNumbers:
    """Place everything: the same scene always gives the same numbers.

    Land and colours follow from the seed alone, so that a place stays the same in every light and season.
    """
    rng = random.Random(scene.seed * 7919 + 17)
    jitter = rng.uniform
    light = _LIGHTS[scene.time]
    across = {"left": -1.0, "centre": 0.0, "right": 1.0}[scene.side]
    aside, middle = jitter(0.24, 0.32), jitter(-0.04, 0.04)
    sun_x = across * aside if across else middle
    horizon = {"mountains": jitter(0.08, 0.18), "dunes": jitter(0.0, 0.1), "forest": jitter(0.0, 0.1)}.get(
        scene.terrain, jitter(-0.02, 0.12)
    )
    elevation = light.elevation * jitter(0.85, 1.15) + (0.14 if scene.terrain == "mountains" else 0.03)
    sun_y = max(-0.40, horizon - elevation)
    centre_lean = rng.choice((-0.8, 0.8))
    much_snow, is_broadleaf = jitter(0.75, 1.0), rng.random() < 0.35
    slant = light.slant
    lean = across or centre_lean
    length = (lean**2 + slant**2 + 0.45**2) ** 0.5
    night = scene.time == "night"
    autumn_leaf = rng.choice([(0.27, 0.085, 0.018), (0.30, 0.15, 0.022), (0.22, 0.05, 0.022)])
    green_leaf = rng.choice([(0.034, 0.062, 0.026), (0.050, 0.075, 0.022)])
    return SceneNumbers(
        terrain=TERRAINS.index(scene.terrain),
        seed=scene.seed % 1_000_003 * 64,
        night=night,
        horizon=horizon,
        camera={"mountains": 0.42, "dunes": 0.8, "forest": 0.55, "sea": 0.38}[scene.terrain]
        * jitter(0.9, 1.2),
        relief={"mountains": 7.0, "dunes": 1.15, "forest": 1.5, "sea": 0.9}[scene.terrain] * jitter(0.8, 1.2),
        water={"sea": 0.0}.get(scene.terrain, 0.02 if scene.lake else -99.0),
        trees={"mountains": jitter(0.25, 0.6), "forest": jitter(0.8, 0.97), "sea": 0.25}.get(
            scene.terrain, 0.0
        ),
        tree_height=0.26 if scene.terrain == "forest" else 0.15,
        broadleaf=scene.autumn or (scene.terrain == "forest" and not scene.snow and is_broadleaf),
        snow=much_snow if scene.snow else 0.0,
        sun_x=sun_x,
        sun_y=sun_y,
        light=(lean / length, slant / length, -0.45 / length),
        cover={"clear": 0.0, "cloudy": jitter(0.55, 0.8), "foggy": jitter(0.1, 0.3)}[scene.sky],
        fog={"clear": 0.010, "cloudy": 0.016, "foggy": jitter(0.13, 0.2)}[scene.sky],
        sky_top=light.sky_top,
        sky_low=light.sky_low,
        sun=light.sun,
        ambient=light.ambient,
        grass=rng.choice([(0.085, 0.115, 0.034), (0.12, 0.12, 0.045), (0.07, 0.10, 0.038)]),
        rock=rng.choice([(0.20, 0.18, 0.17), (0.24, 0.19, 0.15), (0.17, 0.18, 0.20)]),
        leaf=autumn_leaf if scene.autumn else green_leaf,
        exposure=1.1 if not night else 2.0,
    )
