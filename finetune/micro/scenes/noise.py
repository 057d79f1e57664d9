"""Gradient noise and its fractal sums, compiled, band-limited by the caller through a fractional octave count.

Not here: anything that knows of terrain or sky.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metrics.kernels import jit as kept_jit

jit: Any = kept_jit(fastmath=True, nogil=True)

# 256 unit vectors: the corner gradients of Perlin's noise.
_ANGLES = np.arange(256) * (2 * math.pi / 256)
_GRADIENT_X = np.cos(_ANGLES)
_GRADIENT_Y = np.sin(_ANGLES)

# Turning each octave hides the lattice; lacunarity a little off 2 keeps lattices from coinciding.
_TURN_COS, _TURN_SIN = math.cos(0.65), math.sin(0.65)
LACUNARITY = 2.03


@jit
def hash_cell(ix: int, iy: int, seed: int) -> int:
    """Mix a lattice cell and a seed into 32 well-stirred bits."""
    h = (ix * 374761393 + iy * 668265263 + seed * 2147483647) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 2246822519) & 0xFFFFFFFF
    return h ^ (h >> 16)


@jit
def hash_unit(ix: int, iy: int, seed: int) -> float:
    """A number in [0, 1) for a lattice cell."""
    return hash_cell(ix, iy, seed) * (1.0 / 4294967296.0)


@jit
def noise(x: float, y: float, seed: int) -> float:
    """Perlin's gradient noise, about [-1, 1], zero on the lattice, one feature per unit."""
    fx, fy = math.floor(x), math.floor(y)
    ix, iy = int(fx), int(fy)
    u, v = x - fx, y - fy
    g00 = hash_cell(ix, iy, seed) & 255
    g10 = hash_cell(ix + 1, iy, seed) & 255
    g01 = hash_cell(ix, iy + 1, seed) & 255
    g11 = hash_cell(ix + 1, iy + 1, seed) & 255
    a = _GRADIENT_X[g00] * u + _GRADIENT_Y[g00] * v
    b = _GRADIENT_X[g10] * (u - 1) + _GRADIENT_Y[g10] * v
    c = _GRADIENT_X[g01] * u + _GRADIENT_Y[g01] * (v - 1)
    d = _GRADIENT_X[g11] * (u - 1) + _GRADIENT_Y[g11] * (v - 1)
    su = u * u * u * (u * (u * 6 - 15) + 10)
    sv = v * v * v * (v * (v * 6 - 15) + 10)
    return 1.5 * (a + su * (b - a) + sv * ((c + su * (d - c)) - (a + su * (b - a))))


@jit
def fbm(x: float, y: float, octaves: float, gain: float, seed: int) -> float:
    """Fractional Brownian motion; the last octave fades in with the fraction of `octaves`."""
    total, amplitude = 0.0, 1.0
    while octaves > 0.0:
        total += amplitude * min(1.0, octaves) * noise(x, y, seed)
        x, y = (_TURN_COS * x - _TURN_SIN * y) * LACUNARITY, (_TURN_SIN * x + _TURN_COS * y) * LACUNARITY
        amplitude *= gain
        octaves -= 1.0
        seed += 1
    return total


@jit
def ridged(x: float, y: float, octaves: float, gain: float, seed: int) -> float:
    """Ridged multifractal in about [0, 1]: sharp crests, eroded flanks (after Musgrave)."""
    total, amplitude, weight, norm = 0.0, 1.0, 1.0, 0.0
    while octaves > 0.0:
        crest = 1.0 - abs(noise(x, y, seed))
        crest *= crest
        total += amplitude * min(1.0, octaves) * crest * weight
        norm += amplitude
        weight = min(1.0, crest * 1.6)
        x, y = (_TURN_COS * x - _TURN_SIN * y) * LACUNARITY, (_TURN_SIN * x + _TURN_COS * y) * LACUNARITY
        amplitude *= gain
        octaves -= 1.0
        seed += 1
    return total / max(norm, 1e-9)


@jit
def smoothstep(low: float, high: float, x: float) -> float:
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3 - 2 * t)


@jit
def octaves_within(frequency: float, footprint: float) -> float:
    """How many octaves from `frequency` (cycles per unit) stay below Nyquist of a pixel `footprint` units wide."""
    return max(0.0, math.log2(0.5 / (frequency * footprint)) + 1.0)
