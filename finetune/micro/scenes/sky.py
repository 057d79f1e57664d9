"""The sky: gradient, sun or moon, clouds, stars. Screen coordinates in units of the short side, y downward."""

from __future__ import annotations

import math

from finetune.micro.scenes.description import SceneNumbers
from finetune.micro.scenes.noise import fbm, hash_unit, jit, noise, octaves_within, smoothstep

FOCAL = 1.15  # focal length in short sides
Colour = tuple[float, float, float]


@jit
def mix(a: Colour, b: Colour, t: float) -> Colour:
    return a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t


@jit
def haze(s: SceneNumbers, x: float, y: float) -> Colour:
    """Sky light without disc, clouds or stars; also the colour that distance fades to."""
    up = max(0.0, s.horizon - y)
    base = mix(s.sky_low, s.sky_top, 1.0 - math.exp(-up * (3.4 if s.fog < 0.1 else 1.0)))
    away = math.sqrt((x - s.sun_x) ** 2 + (y - s.sun_y) ** 2)
    glow = math.exp(-away * 3.4) * (0.26 if s.fog < 0.1 else 0.16)
    if s.horizon - s.sun_y > 0.22:  # a high sun whitens less of the sky
        glow *= 0.45
    if s.cover > 0.5:  # an overcast sky is greyer and darker
        grey = 0.3 * base[0] + 0.5 * base[1] + 0.2 * base[2]
        base = mix(base, (grey * 0.85, grey * 0.88, grey * 0.92), 0.45)
        glow *= 0.6
    if s.fog >= 0.1:
        grey = 0.35 * base[0] + 0.45 * base[1] + 0.2 * base[2]
        base = mix(base, (grey, grey, grey * 1.03), 0.5)
    return base[0] + glow * s.sun[0], base[1] + glow * s.sun[1], base[2] + glow * s.sun[2]


@jit
def sky_colour(s: SceneNumbers, x: float, y: float, pixel: float) -> Colour:
    """Linear RGB of the sky at a screen position; `pixel` is a pixel's width in short sides."""
    colour = haze(s, x, y)
    up = s.horizon - y
    if s.night and s.fog < 0.1:
        colour = _with_stars(s, x, y, pixel, colour, 1.0 if s.cover < 0.3 else 0.5)
    colour = _with_disc(s, x, y, pixel, colour)
    if s.cover > 0.0 and up > 0.0:
        colour = _with_clouds(s, x, y, pixel, colour)
    return colour


@jit
def _with_disc(s: SceneNumbers, x: float, y: float, pixel: float, colour: Colour) -> Colour:
    radius = 0.040 if s.night else 0.026
    dx, dy = x - s.sun_x, y - s.sun_y
    away = math.sqrt(dx * dx + dy * dy)
    inside = smoothstep(radius + pixel, radius - pixel, away)
    veil = 0.55 if s.fog >= 0.1 else 1.0
    if s.night:
        if inside > 0.0:
            seas = fbm(dx * 45.0, dy * 45.0, min(7.0, octaves_within(45.0, pixel)), 0.6, 77)
            limb = math.sqrt(max(0.0, 1.0 - (away / radius) ** 2))
            shine = (0.34 + 0.16 * limb + 0.16 * seas) * veil
            colour = mix(colour, (shine, shine * 0.98, shine * 0.90), inside * (0.55 + 0.45 * veil))
    else:
        strength = (3.0 * inside + 0.45 * math.exp(-away * 16.0)) * veil
        colour = (
            colour[0] + strength * s.sun[0],
            colour[1] + strength * s.sun[1],
            colour[2] + strength * s.sun[2],
        )
    return colour


@jit
def _with_stars(s: SceneNumbers, x: float, y: float, pixel: float, colour: Colour, share: float) -> Colour:
    band = fbm(x * 2.3 + y * 1.4, (y - x) * 0.8, min(6.0, octaves_within(2.3, pixel)), 0.55, s.seed + 60)
    milk = smoothstep(0.22, 0.0, abs(x * 0.7 + y + 0.15 + 0.12 * band)) * (0.6 + 0.5 * band)
    glow = 0.010 * max(0.0, milk) * share
    r, g, b = colour[0] + glow * 0.9, colour[1] + glow * 0.92, colour[2] + glow
    for level in range(3):
        cells = 24.0 * 2.3**level
        gx, gy = x * cells, y * cells
        bx, by = math.floor(gx - 0.5), math.floor(gy - 0.5)
        for i in range(2):
            for j in range(2):
                cx, cy = int(bx) + i, int(by) + j
                seed = s.seed + 61 + 5 * level
                if hash_unit(cx, cy, seed) > (0.12 + 0.3 * max(0.0, milk)) * share:
                    continue
                px, py = (
                    cx + 0.25 + 0.5 * hash_unit(cx, cy, seed + 1),
                    cy + 0.25 + 0.5 * hash_unit(cx, cy, seed + 2),
                )
                true_size = 0.0011 / (1.0 + 0.55 * level) * (0.5 + hash_unit(cx, cy, seed + 3))
                size = max(true_size, 0.75 * pixel)
                away = math.sqrt((gx - px) ** 2 + (gy - py) ** 2) / cells / size
                if away < 3.0:
                    light = (0.10 + 0.55 * hash_unit(cx, cy, seed + 4) ** 3) * (true_size / size) ** 1.2
                    light *= math.exp(-away * away)
                    warm = hash_unit(cx, cy, seed + 1)
                    r, g, b = (
                        r + light * (0.75 + 0.4 * warm),
                        g + light * 0.92,
                        b + light * (1.2 - 0.4 * warm),
                    )
    return r, g, b


@jit
def cloud_density(s: SceneNumbers, u: float, v: float, octaves: float) -> float:
    warp = noise(u * 0.7, v * 0.7, s.seed + 70)
    shape = fbm(u + 0.5 * warp, v - 0.4 * warp, octaves, 0.53, s.seed + 71)
    return smoothstep(0.52 - s.cover, 1.02 - s.cover * 0.75, shape + 0.18)


@jit
def _with_clouds(s: SceneNumbers, x: float, y: float, pixel: float, colour: Colour) -> Colour:
    up = s.horizon - y
    flat = 1.0 / (up + 0.10)
    u, v = x * flat * 0.62, flat * 0.95
    footprint = pixel * flat * 0.9
    octaves = min(9.5, octaves_within(1.0, footprint))
    density = cloud_density(s, u, v, octaves)
    if density <= 0.0:
        return colour
    toward_u = (s.sun_x - x) * flat * 0.35
    toward_v = -(s.sun_y - y) * flat * 0.5
    length = math.sqrt(toward_u * toward_u + toward_v * toward_v) + 1e-6
    beyond = cloud_density(s, u + 0.16 * toward_u / length, v + 0.16 * toward_v / length, min(octaves, 6.0))
    away = math.sqrt((x - s.sun_x) ** 2 + (y - s.sun_y) ** 2)
    lit = max(0.0, min(1.0, 0.62 + 0.9 * (density - beyond) - 0.30 * density)) + 0.5 * math.exp(-away * 4.5)
    bright = 0.62 * lit
    shade = mix(s.sky_low, s.sky_top, 0.45)
    red = 0.42 * shade[0] + 0.50 * s.ambient[0] + bright * s.sun[0]
    green = 0.42 * shade[1] + 0.50 * s.ambient[1] + bright * s.sun[1]
    blue = 0.42 * shade[2] + 0.50 * s.ambient[2] + bright * s.sun[2]
    fade = smoothstep(0.0, 0.10, up)
    return mix(colour, (red * 0.60, green * 0.60, blue * 0.62), density * (0.25 + 0.70 * fade))
