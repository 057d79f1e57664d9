"""The ground: its height and what grows on it, as functions of world position (x right, z into the picture)."""

from __future__ import annotations

import math

from finetune.micro.scenes.description import SceneNumbers
from finetune.micro.scenes.noise import (
    fbm,
    hash_cell,
    hash_unit,
    jit,
    noise,
    octaves_within,
    ridged,
    smoothstep,
)

MOUNTAINS, DUNES, FOREST, SEA = 0, 1, 2, 3
NEAR, FAR = 0.55, 60.0  # where the ground begins and ends, world units from the eye


@jit
def ground_height(s: SceneNumbers, x: float, z: float, footprint: float) -> float:
    """Height of the bare ground; detail finer than `footprint` (world units) is left out."""
    if s.terrain == MOUNTAINS:
        far = smoothstep(3.0, 13.0, z)
        peaks = ridged(x * 0.085, z * 0.085, octaves_within(0.085, footprint), 0.5, s.seed)
        low = 0.16 * fbm(x * 0.33, z * 0.33, min(8.0, octaves_within(0.33, footprint)), 0.42, s.seed + 20)
        basin = -0.14 * smoothstep(6.5, 3.5, z) * smoothstep(1.2, 2.2, z) if s.water > -9.0 else 0.0
        return low + basin + s.relief * far * peaks**1.5 * (0.4 + 0.6 * smoothstep(8.0, 24.0, z))
    if s.terrain == DUNES:
        return _dune_height(s, x, z, footprint)
    if s.terrain == FOREST:
        far = smoothstep(2.5, 20.0, z)
        hills = fbm(x * 0.14, z * 0.14, min(9.0, octaves_within(0.14, footprint)), 0.40, s.seed + 5)
        low = 0.08 * fbm(x * 0.5, z * 0.5, min(8.0, octaves_within(0.5, footprint)), 0.45, s.seed + 25)
        basin = -0.13 * smoothstep(7.0, 4.0, z) * smoothstep(1.0, 2.0, z) if s.water > -9.0 else 0.0
        return low + basin + far * s.relief * (0.35 + hills)
    land = fbm(x * 0.07 + 3.1, z * 0.07, min(3.0, octaves_within(0.07, footprint)), 0.5, s.seed + 11)
    cliffs = ridged(x * 0.35, z * 0.35, min(9.0, octaves_within(0.35, footprint)), 0.5, s.seed + 12)
    rise = smoothstep(0.18, 0.75, land) * smoothstep(6.0, 12.0, z)
    return -0.12 + rise * s.relief * (0.35 + 0.9 * cliffs)


@jit
def _dune_height(s: SceneNumbers, x: float, z: float, footprint: float) -> float:
    """Asymmetric crests on a warped plane: a long windward slope, a short slip face."""
    warp = 0.9 * fbm(x * 0.10, z * 0.10, min(4.0, octaves_within(0.10, footprint)), 0.5, s.seed)
    total = 0.0
    for i in range(2):
        phase = (0.13 + 0.16 * i) * (z + 0.55 * x * (1 - 1.3 * i)) + (1.2 - 0.4 * i) * warp + 0.37 * i
        t = phase - math.floor(phase)
        rise = smoothstep(0.0, 0.72, t) if t < 0.72 else 1.0 - smoothstep(0.72, 1.0, t)
        strength = 0.55 + 0.45 * noise(x * 0.12 + 7 * i, z * 0.12, s.seed + 31 + i)
        total += rise * strength * (1.0 - 0.45 * i)
    return (
        s.relief * total * (0.35 + 0.65 * smoothstep(1.5, 9.0, z)) * (1.0 + 0.6 * smoothstep(10.0, 40.0, z))
    )


@jit
def tree_at(s: SceneNumbers, x: float, z: float, footprint: float) -> tuple[float, float, int]:
    """The tree over (x, z): height over ground, share of its own height (0 none), and a number that is its own."""
    if s.trees <= 0.0 or z < 1.6:
        return 0.0, 0.0, 0
    cell = s.tree_height * 0.62
    gx, gz = x / cell, z / cell
    bx, bz = math.floor(gx - 0.5), math.floor(gz - 0.5)
    best, share, who = 0.0, 0.0, 0
    for i in range(2):
        for j in range(2):
            cx, cz = int(bx) + i, int(bz) + j
            own = hash_cell(cx, cz, s.seed + 40)
            tx, tz = (
                cx + 0.3 + 0.4 * hash_unit(cx, cz, s.seed + 41),
                cz + 0.3 + 0.4 * hash_unit(cx, cz, s.seed + 42),
            )
            grove = 0.5 + 0.75 * noise(tx * cell * 0.30, tz * cell * 0.30, s.seed + 43)
            if s.terrain == FOREST:
                grove = grove * 0.5 + 0.62 * smoothstep(1.6, 3.8, tz * cell)
            if (own & 1023) / 1023.0 > s.trees * max(0.0, grove) * 1.5:
                continue
            height = s.tree_height * (0.55 + 0.6 * hash_unit(cx, cz, s.seed + 44))
            radius = (0.36 if s.broadleaf else 0.24) * height / cell
            distance = math.sqrt((gx - tx) ** 2 + (gz - tz) ** 2) / radius
            if distance >= 1.25:
                continue
            ragged = 0.0
            if footprint < 0.02:
                fine = 75.0 if s.broadleaf else 110.0
                ragged = fbm(x * fine, z * fine, min(3.0, octaves_within(fine, footprint)), 0.7, s.seed + 45)
            if s.broadleaf:
                profile = math.sqrt(max(0.0, 1.0 - distance * distance)) * (0.9 + 0.16 * ragged)
            else:
                profile = max(0.0, 1.0 - distance) * (1.0 + 0.22 * ragged)
            if height * profile > best:
                best, share, who = height * profile, min(1.0, profile), own
    return best, share, who


@jit
def surface_height(s: SceneNumbers, x: float, z: float, footprint: float) -> float:
    """Ground, or the tree on it, or the water over it: what an eye would see."""
    h = ground_height(s, x, z, footprint)
    if h < s.water:
        return s.water
    return h + grown_height(s, x, z, footprint, h)


@jit
def grown_height(s: SceneNumbers, x: float, z: float, footprint: float, ground: float) -> float:
    """Height of what grows at a place; nothing above the tree line or at the water's edge."""
    if s.trees <= 0.0 or footprint > s.tree_height * 0.5 or ground < s.water + 0.012:
        return 0.0
    if s.terrain == MOUNTAINS and ground > 0.9:
        return 0.0
    if s.terrain == SEA and ground < 0.10:
        return 0.0
    return tree_at(s, x, z, footprint)[0]
