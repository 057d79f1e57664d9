"""Artefacts planted in real pictures, and the same pictures clean: the README's table of what is found.

    python -m tests.bench.artefact_roc [--json FILE] [PICTURES...]

Pictures: the most detailed 1024 px of gnome-backgrounds, and scikit-image's photographs, all as in
`tests.bench.resolution_table`. Clean means as they are and as JPEG of quality 85. `grid` (discs), `pixels` (a relief),
`truchet` (arcs), `symbolic` (dots) and `wood` (upright laths) hold patterns of their own: they count as clean, the hard
ones. Planted at 1, 2, 4 and 8 grey levels: stripes (a sine of that amplitude, period 2 to 8 px), a grid (lines of one
pixel, or cells each offset by as much on average), a seam (one side brighter by as much). Thresholds were chosen on
these pictures; PICTURES that took no part, given by path, take their place.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metrics.artefacts import Artefact, find_artefacts
from tests.bench.resolution_table import damaged, jobs, most_detailed, one_core

KINDS = ("stripes", "grid", "seam")
STRENGTHS = (1, 2, 4, 8)
PLANTS = {"stripes": ("vertical", "horizontal"), "grid": ("lines", "cells"), "seam": ("either way",)}


@dataclass(frozen=True, slots=True)
class Trial:
    source: str
    planted: str  # a kind, or "clean" or "jpeg"
    how: str
    strength: int
    scores: dict[str, float]
    periods: dict[str, float | None]
    right_place: bool  # where a seam was planted, whether it is within 2 px


def plant(
    pixels: NDArray[np.uint8], kind: str, how: str, strength: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], int]:
    """The picture with a mark in it, and the mark's period or, for a seam, its place along y or x (negative)."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width]
    if kind == "stripes":
        period = float(rng.choice([2.0, 2.7, 3.6, 5.0, 8.0]))
        phase = 0.0 if period == 2 else rng.uniform(0, 2 * np.pi)
        mark, key = (
            strength * np.cos(2 * np.pi * (x if how == "vertical" else y) / period + phase),
            round(period),
        )
    elif kind == "grid":
        key = int(rng.choice([16, 32]))
        dy, dx = rng.integers(0, key, 2)
        if how == "lines":
            mark = strength * (((y + dy) % key == 0) | ((x + dx) % key == 0)).astype(np.float64)
        else:
            rows, columns = (y + dy) // key, (x + dx) // key
            cells = rng.standard_normal((rows.max() + 1, columns.max() + 1)) * strength * np.sqrt(np.pi / 2)
            mark = cells[rows, columns]
    else:
        across = bool(rng.integers(2))
        at = int(rng.integers(100, (height if across else width) - 100))
        mark, key = strength * ((y if across else x) >= at).astype(np.float64), at if across else -at
    return np.clip(np.rint(pixels + mark[..., None]), 0, 255).astype(np.uint8), key


def trial(source: str, planted: str, how: str, strength: int, picture: NDArray[np.uint8], key: int) -> Trial:
    found: dict[str, Artefact] = {a.kind: a for a in find_artefacts(picture)}
    x, y, _, _ = found["seam"].place
    horizontal = found["seam"].direction == "horizontal"
    right = horizontal == (key > 0) and abs((y if horizontal else x) + 1 - abs(key)) <= 2
    scores = {kind: found[kind].score for kind in KINDS}
    return Trial(source, planted, how, strength, scores, {k: found[k].period_px for k in KINDS}, right)


def trials(path: str) -> list[Trial]:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    if min(pixels.shape[:2]) > 1024:
        pixels = np.ascontiguousarray(most_detailed(pixels, 1024))
    source = Path(path).stem
    rng = np.random.default_rng(zlib.crc32(source.encode()))
    done = [
        trial(source, "clean", "", 0, pixels, 0),
        trial(source, "jpeg", "", 0, damaged(pixels, "jpeg 85"), 0),
    ]
    for kind in KINDS:
        for how in PLANTS[kind]:
            for strength in STRENGTHS:
                done.append(trial(source, kind, how, strength, *plant(pixels, kind, how, strength, rng)))
    return done


def area_under_curve(clean: list[float], planted: list[float]) -> float:
    """How often a planted picture scores above a clean one; ties count half."""
    c, p = np.array(clean)[:, None], np.array(planted)[None]
    return float((p > c).mean() + (p == c).mean() / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description="What the artefact meter finds.")
    parser.add_argument("pictures", nargs="*", metavar="PICTURES")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    paths = options.pictures if options.pictures else [path for path, crop, _ in jobs([]) if crop != "2048"]
    cores: Any = multiprocessing.Queue()
    for core in os.sched_getaffinity(0):
        cores.put(core)
    with ProcessPoolExecutor(cores.qsize(), initializer=one_core, initargs=(cores,)) as pool:
        done = [t for several in pool.map(trials, paths) for t in several]
    clean = [t for t in done if t.planted in ("clean", "jpeg")]
    table: dict[str, dict[str, float]] = {}
    print(
        "| mark | 1 | 2 | 4 | 8 | area under ROC at 1 / 2 / 4 / 8 | clean accused |\n|---|---|---|---|---|---|---|"
    )
    for kind in KINDS:
        accused = [t for t in clean if t.scores[kind] >= 0.5]
        for how in PLANTS[kind]:
            row: dict[str, float] = {"clean accused": len(accused) / len(clean)}
            for strength in STRENGTHS:
                here = [t for t in done if (t.planted, t.how, t.strength) == (kind, how, strength)]
                row[f"found at {strength}"] = float(np.mean([t.scores[kind] >= 0.5 for t in here]))
                row[f"area at {strength}"] = area_under_curve(
                    [t.scores[kind] for t in clean], [t.scores[kind] for t in here]
                )
            table[f"{kind}, {how}"] = row
            found = " | ".join(f"{row[f'found at {s}']:.0%}" for s in STRENGTHS)
            areas = " / ".join(f"{row[f'area at {s}']:.3f}" for s in STRENGTHS)
            print(f"| {kind}, {how} | {found} | {areas} | {len(accused)} of {len(clean)} |")
        print(f"  {kind} accused:", [(t.source, t.planted, round(t.scores[kind], 2)) for t in accused])
        missed = [(t.source, t.how, t.strength, round(t.scores[kind], 2)) for t in done if t.planted == kind]
        print("  missed at 4 or 8:", [m for m in missed if m[2] >= 4 and m[3] < 0.5])
        print(
            "  clean, highest:", sorted((round(t.scores[kind], 2), t.source, t.planted) for t in clean)[-8:]
        )
    seams = [t for t in done if t.planted == "seam" and t.scores["seam"] >= 0.5]
    placed = sum(t.right_place for t in seams) / max(1, len(seams))
    print(f"Seams found at the right place: {placed:.1%} of {len(seams)}")
    if options.json:
        names = [Path(p).stem for p in options.pictures]
        result = {
            "pictures": names if names else "those the thresholds were chosen on",
            "clean": len(clean),
            "seams_found_in_place": placed,
            "table": table,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
