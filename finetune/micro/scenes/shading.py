"""How ground and water look: material, light, fog. Linear RGB out."""

from __future__ import annotations

import math

from finetune.micro.scenes.description import SceneNumbers
from finetune.micro.scenes.noise import fbm, jit, noise, octaves_within, smoothstep
from finetune.micro.scenes.sky import FOCAL, Colour, haze, mix
from finetune.micro.scenes.terrain import (
    DUNES,
    FOREST,
    MOUNTAINS,
    SEA,
    ground_height,
    grown_height,
    surface_height,
    tree_at,
)


@jit
def ground_colour(s: SceneNumbers, x: float, y: float, z: float, unit: float, eye: float) -> Colour:
    """Colour of the ground seen at screen (x, y), depth z."""
    footprint = unit * z / FOCAL
    world_x = x / FOCAL * z
    coarse = 1.6 * footprint  # slopes a little softer than the pixel: the material brings the finest grain
    step = max(coarse, 1e-4)
    ground = ground_height(s, world_x, z, coarse)
    h = max(ground, s.water) + grown_height(s, world_x, z, coarse, ground)
    tree = h - ground
    if tree > 0.002:
        step = max(step, 0.008)  # a tree is lit as a whole, not by each needle
        right = surface_height(s, world_x + step, z, coarse)
        beyond = surface_height(s, world_x, z + step, coarse)
    else:
        right = ground_height(s, world_x + step, z, coarse)
        beyond = ground_height(s, world_x, z + step, coarse)
    nx, nz = (h - right) / step, (h - beyond) / step
    length = math.sqrt(nx * nx + nz * nz + 1.0)
    slope = 1.0 / length
    facing = (nx * s.light[0] + s.light[1] + nz * s.light[2]) / length
    if tree > 0.002:
        share, who = tree_at(s, world_x, z, footprint)[1:]
        albedo = _tree_colour(s, world_x, z, tree, share, who, footprint)
        facing = 0.35 + 0.65 * facing
        shelter = 0.25 + 0.75 * share
    else:
        albedo = _bare_colour(s, world_x, z, h, slope, footprint)
        shelter = 0.55 + 0.45 * slope
    direct = max(0.0, facing) * (0.45 if s.cover > 0.5 else 1.0) * (0.35 if s.fog >= 0.1 else 1.0)
    red = albedo[0] * (s.sun[0] * direct + s.ambient[0] * shelter) * s.exposure
    green = albedo[1] * (s.sun[1] * direct + s.ambient[1] * shelter) * s.exposure
    blue = albedo[2] * (s.sun[2] * direct + s.ambient[2] * shelter) * s.exposure
    return fogged(s, (red, green, blue), x, y, z)


@jit
def fogged(s: SceneNumbers, colour: Colour, x: float, y: float, z: float) -> Colour:
    thick = s.fog
    if s.fog >= 0.1:
        thick *= 1.0 + 0.5 * noise(x * 3.0 + 5.0, z * 0.35, s.seed + 80)
    veil = 1.0 - math.exp(-thick * max(0.0, z - 0.8))
    return mix(colour, haze(s, x, s.horizon - 0.02), min(1.0, veil))


@jit
def _tree_colour(
    s: SceneNumbers, x: float, z: float, height: float, share: float, who: int, footprint: float
) -> Colour:
    own = (who >> 10 & 255) / 255.0
    fine = fbm(
        x * 45.0 + own * 90.0, height * 45.0, min(8.0, octaves_within(45.0, footprint)), 0.92, s.seed + 46
    )
    tier = 11.0 * (height / s.tree_height) + 0.8 * noise(x * 30.0, height * 20.0, s.seed + 54)
    boughs = (
        (tier - math.floor(tier) - 0.5) * smoothstep(0.03, 0.008, footprint) * (0.25 if s.broadleaf else 0.9)
    )
    tint = max(0.12, (0.65 + 0.7 * own) * (1.0 + 0.42 * fine + boughs))
    base = s.leaf[0] * (0.75 + 0.6 * own), s.leaf[1], s.leaf[2] * (1.25 - 0.5 * own)
    leaf = base[0] * tint, base[1] * tint, base[2] * tint
    if s.snow > 0.0 and not s.broadleaf:
        dusted = smoothstep(0.05, 0.5, s.snow * (0.45 + 0.6 * fine) * (0.5 + share))
        leaf = mix(leaf, (0.72, 0.76, 0.82), dusted * (0.75 if s.terrain == FOREST else 0.35))
    return leaf


@jit
def _bare_colour(s: SceneNumbers, x: float, z: float, h: float, slope: float, footprint: float) -> Colour:
    fold = z + 1.7 * h  # so that cliffs are not streaked downward
    fine = fbm(x * 9.0, fold * 9.0, min(6.0, octaves_within(9.0, footprint)), 0.86, s.seed + 47)
    if s.terrain == DUNES:
        return _sand_colour(s, x, z, h, slope, fine, footprint)
    broad = fbm(x * 0.8, fold * 0.8, min(4.0, octaves_within(0.8, footprint)), 0.6, s.seed + 48)
    strata = 1.0 + 0.25 * noise(h * 9.0 + 0.7 * broad, x * 0.4, s.seed + 49)
    chips = fbm(x * 60.0, fold * 60.0, min(8.0, octaves_within(60.0, footprint)), 0.95, s.seed + 57)
    tint = max(0.15, 1.0 + 0.28 * fine + 0.15 * chips)
    rock = s.rock[0] * tint * strata, s.rock[1] * tint * strata, s.rock[2] * tint * strata
    blades = fbm(x * 120.0, fold * 45.0, min(7.0, octaves_within(80.0, footprint)), 0.95, s.seed + 55)
    meadow = max(0.2, 1.0 + 0.26 * fine + 0.20 * blades)
    dry = smoothstep(-0.2, 0.6, broad)
    grass = mix(s.grass, (0.26, 0.20, 0.09), 0.55 * dry)
    grass = grass[0] * meadow, grass[1] * meadow, grass[2] * meadow
    steep = smoothstep(0.80, 0.60, slope + 0.10 * fine)
    colour = mix(grass, rock, steep if s.terrain != SEA else max(steep, 0.55))
    if s.terrain == MOUNTAINS:
        colour = mix(colour, rock, smoothstep(0.55, 1.1, h + 0.25 * fine))
    if s.water > -9.0:
        colour = mix(
            (0.20 * tint, 0.17 * tint, 0.12 * tint), colour, smoothstep(0.0, 0.035, h - s.water + 0.01 * fine)
        )
    if s.snow > 0.0:
        line = 0.75 if s.terrain == MOUNTAINS else -0.4
        lies = smoothstep(line - 0.2, line + 0.5, h * s.snow + 0.22 * broad + 0.10 * fine)
        lies *= smoothstep(0.38, 0.62, slope + 0.10 * fine)
        bright = 0.82 + 0.07 * fine
        colour = mix(colour, (bright, bright * 1.02, bright * 1.06), lies)
    return colour


@jit
def _sand_colour(
    s: SceneNumbers, x: float, z: float, h: float, slope: float, fine: float, footprint: float
) -> Colour:
    bend = 0.5 * noise(x * 1.7, z * 1.7, s.seed + 50) + 0.12 * noise(x * 7.0, z * 7.0, s.seed + 51)
    ripple_frequency = 26.0
    visible = smoothstep(0.4, 0.1, ripple_frequency * footprint)
    ripple = math.sin((z * 1.6 + 0.5 * x + bend) * ripple_frequency) * visible
    ripple += (
        0.5
        * math.sin((z * 2.2 + 0.9 * x + bend * 1.3) * 2.6 * ripple_frequency)
        * smoothstep(0.4, 0.1, 2.6 * ripple_frequency * footprint)
    )
    grain = fbm(x * 150.0, z * 150.0, min(8.0, octaves_within(150.0, footprint)), 1.0, s.seed + 56)
    tint = max(0.2, 0.95 + 0.16 * ripple * smoothstep(0.70, 0.92, slope) + 0.13 * fine + 0.07 * grain)
    return 0.52 * tint, 0.33 * tint, 0.16 * tint


@jit
def water_colour(
    s: SceneNumbers, x: float, y: float, z: float, unit: float, eye: float
) -> tuple[tuple[float, float], Colour, float]:
    """Where a water pixel's mirror image is displaced to (short sides), its own colour, and how much it mirrors."""
    footprint = unit * z / FOCAL * math.sqrt(max(1.0, z / (FOCAL * (eye - s.water))))
    world_x = x / FOCAL * z
    sea = s.terrain == SEA
    frequency, steep = (2.2, 0.16) if sea else (6.0, 0.005)
    octaves = min(10.0, octaves_within(frequency, footprint))
    e = 0.35 * max(footprint, 1e-4)
    u, v = world_x * frequency * 0.6, z * frequency
    wave = fbm(u, v, octaves, 0.48, s.seed + 52)
    across = (fbm(u + e * frequency * 0.6, v, octaves, 0.48, s.seed + 52) - wave) / e * steep
    along = (fbm(u, v + e * frequency, octaves, 0.48, s.seed + 52) - wave) / e * steep
    down = max(1e-3, (y - s.horizon) / FOCAL)
    grazing = min(1.0, max(0.02, down + 0.35 * along))
    fresnel = 0.03 + 0.97 * (1.0 - grazing) ** 5
    fresnel = min(0.92, fresnel) * (0.9 if sea else 1.0)
    swell = 0.5 + 0.5 * wave
    deep = (0.010 + 0.012 * swell, 0.045 + 0.040 * swell, 0.060 + 0.045 * swell)
    light = (s.sun[1] * 0.45 + s.ambient[1]) * s.exposure
    colour = deep[0] * light, deep[1] * light, deep[2] * light
    if sea:
        crest = smoothstep(
            0.72,
            1.25,
            wave
            + 0.35
            * fbm(u * 9.0, v * 9.0, min(6.0, octaves_within(frequency * 9.0, footprint)), 0.8, s.seed + 53),
        )
        foam = crest * 0.55 * light
        colour = colour[0] + foam * 0.9, colour[1] + foam * 0.95, colour[2] + foam
        fresnel *= 1.0 - 0.7 * crest
    glint = _glint(s, x, y, across, along)
    colour = colour[0] + glint * s.sun[0], colour[1] + glint * s.sun[1], colour[2] + glint * s.sun[2]
    stretch = min(0.9, down * 2.0 + 0.15)
    return (
        (across * 0.25 * stretch, -abs(along) * 0.55 * stretch),
        fogged(s, colour, x, y, z * 0.6),
        fresnel * math.exp(-s.fog * z * 0.6),
    )


@jit
def _glint(s: SceneNumbers, x: float, y: float, across: float, along: float) -> float:
    """Sparkle of the sun's path: wave facets that happen to mirror the disc."""
    miss_x = (x - s.sun_x) - across * 0.35
    miss_y = (2 * s.horizon - y - s.sun_y) + along * 0.6
    width = 0.050 + 0.05 * (y - s.horizon)
    path = math.exp(-((miss_x / width) ** 2)) * math.exp(-((miss_y / 0.30) ** 2))
    clear = 0.3 if s.fog >= 0.1 else (0.5 if s.cover > 0.5 else 1.0)
    return 0.9 * path * clear * (3.0 if s.night else 1.0)
