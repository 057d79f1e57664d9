"""Effective resolution on pictures shrunk and enlarged again: the README's confusion table.

    python -m tests.bench.resolution_table [--keep FILE.npz] [--json FILE] [PICTURES...]

Every picture is measured as it is, and shrunk (Lanczos and area in turn) to 1/2, 1/4 and 1/8 and enlarged back by four
kernels; each clean, as JPEG of quality 75, 85 and 95 and under Gaussian noise of 1 and 2 grey levels. Natives:
the most detailed 1024 px of gnome-backgrounds' fourteen 4096 px pictures (renders and drawings, stored as lossy WebP),
the middle 2048 px of five of them, and nine of scikit-image's photographs, some of which have been JPEG before.
`pixels` and `grid` are drawn with patterns, not enlarged: they count as natives like all others. `--keep` writes the
traces of every case, or reads them if the file is there, so that thresholds are judged without measuring again. They
were chosen on these pictures; PICTURES that took no part, given by path, take their place: the held-out check.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image

from metrics.effective_resolution import conclude
from metrics.resampling import Traces, traces

FOLDER = Path("/usr/share/backgrounds/gnome")
PHOTOGRAPHS = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "retina.jpg",
)
KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
FACTORS = (2, 4, 8)
DAMAGES = ("none", "jpeg 75", "jpeg 85", "jpeg 95", "noise 1", "noise 2")
COLUMNS = ("native", "1/2", "1/4", "1/8", "other")


@dataclass(frozen=True, slots=True)
class Case:
    source: str
    crop: str
    factor: int  # 1 is native
    kernel: str
    damage: str
    scale: float  # as estimated

    @property
    def right(self) -> bool:
        """Within 20 % of the true scale; a native must be called native."""
        return self.scale == 1.0 if self.factor == 1 else abs(self.scale * self.factor - 1) <= 0.2

    @property
    def column(self) -> str:
        if self.scale == 1.0:
            return "native"
        return next((f"1/{f}" for f in FACTORS if abs(self.scale * f - 1) <= 0.2), "other")


def damaged(pixels: NDArray[np.uint8], damage: str) -> NDArray[np.uint8]:
    kind, _, amount = damage.partition(" ")
    if kind == "jpeg":
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=int(amount))
        return np.asarray(Image.open(file).convert("RGB"))
    if kind == "noise":
        noise = np.random.default_rng(0).standard_normal(pixels.shape, np.float32) * float(amount)
        return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)
    return pixels


def enlarged(pixels: NDArray[np.uint8], factor: int, kernel: str) -> NDArray[np.uint8]:
    """Shrunk by the factor and back again; sides must be multiples of it."""
    height, width = pixels.shape[:2]
    shrink = Image.Resampling.LANCZOS if list(KERNELS).index(kernel) % 2 else Image.Resampling.BOX
    small = Image.fromarray(pixels).resize((width // factor, height // factor), shrink)
    return np.asarray(small.resize((width, height), KERNELS[kernel]))


def most_detailed(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The square with the largest mean gradient, on a grid of 128 px."""
    steps = np.abs(np.diff(pixels[::4, :, 1].astype(np.int16), axis=1, append=0))
    height, width = (length // 128 for length in pixels.shape[:2])
    cells = steps[: height * 32, : width * 128].reshape(height, 32, width, 128).mean((1, 3))
    count = side // 128
    total = np.lib.stride_tricks.sliding_window_view(cells, (count, count)).sum((2, 3))
    top, left = (int(i) * 128 for i in np.unravel_index(total.argmax(), total.shape))
    return pixels[top : top + side, left : left + side]


def jobs(pictures: list[str]) -> list[tuple[str, str, tuple[str, ...]]]:
    """(path, crop, damages) of every picture."""
    if pictures:
        return [(path, "whole", DAMAGES) for path in pictures]
    drawn = sorted(str(p) for p in FOLDER.glob("*.webp") if not p.name.startswith("vnc"))
    photographs = [str(Path(skimage.__file__).parent / "data" / name) for name in PHOTOGRAPHS]
    return [
        *((path, "1024", DAMAGES) for path in drawn),
        *((path, "whole", DAMAGES) for path in photographs),
        *((path, "2048", DAMAGES[::2]) for path in drawn[::3]),
    ]


def cases(path: str, crop: str, damages: tuple[str, ...]) -> Iterator[tuple[str, tuple[Traces, Traces]]]:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    if crop == "1024":
        pixels = most_detailed(pixels, 1024)
    elif crop == "2048":
        pixels = pixels[1024:3072, 1024:3072]
    height, width = (side // 8 * 8 for side in pixels.shape[:2])
    pixels = np.ascontiguousarray(pixels[:height, :width])
    made = [(1, "", pixels)] + [(f, k, enlarged(pixels, f, k)) for f in FACTORS for k in KERNELS]
    for factor, kernel, picture in made:
        for damage in damages:
            name = "|".join((Path(path).stem, crop, str(factor), kernel, damage))
            yield name, traces(damaged(picture, damage))


def measured(job: tuple[str, str, tuple[str, ...]]) -> list[tuple[str, tuple[Traces, Traces]]]:
    return list(cases(*job))


def judged(name: str, axes: tuple[Traces, Traces]) -> Case:
    source, crop, factor, kernel, damage = name.split("|")
    return Case(source, crop, int(factor), kernel, damage, conclude(axes)[0])


def one_core(cores: Any) -> None:
    os.sched_setaffinity(0, {cores.get()})


def measure_all(pictures: list[str]) -> dict[str, tuple[Traces, Traces]]:
    # A core each, with threads of their own switched off: pictures are many and small.
    cores: Any = multiprocessing.Queue()
    for core in os.sched_getaffinity(0):
        cores.put(core)
    with ProcessPoolExecutor(cores.qsize(), initializer=one_core, initargs=(cores,)) as pool:
        return dict(pair for several in pool.map(measured, jobs(pictures)) for pair in several)


def kept(file: Path | None, pictures: list[str]) -> dict[str, tuple[Traces, Traces]]:
    if file is not None and file.is_file():
        with np.load(file) as arrays:
            names, values = arrays["names"], {f.name: arrays[f.name] for f in fields(Traces)}
        return {
            str(name): (
                Traces(**{k: v[i, 0] for k, v in values.items()}),
                Traces(**{k: v[i, 1] for k, v in values.items()}),
            )
            for i, name in enumerate(names)
        }
    found = measure_all(pictures)
    if file is not None:
        stacked: dict[str, Any] = {
            f.name: np.array([[getattr(a, f.name) for a in axes] for axes in found.values()])
            for f in fields(Traces)
        }
        np.savez(file, names=np.array(list(found)), **stacked)
    return found


def markdown(found: list[Case]) -> str:
    lines = ["| made | " + " | ".join(COLUMNS) + " | right |", "|---" * (len(COLUMNS) + 2) + "|"]
    groups = [(1, "")] + [(f, k) for f in FACTORS for k in KERNELS]
    for factor, kernel in groups:
        row = [c for c in found if (c.factor, c.kernel) == (factor, kernel)]
        counted = Counter(c.column for c in row)
        name = "native" if factor == 1 else f"1/{factor} {kernel}"
        cells = " | ".join(str(counted[column]) for column in COLUMNS)
        lines.append(f"| {name} | {cells} | {share(row):.0%} |")
    return "\n".join(lines)


def share(found: list[Case]) -> float:
    return sum(case.right for case in found) / len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description="Effective resolution's confusion table.")
    parser.add_argument("pictures", nargs="*", metavar="PICTURES")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    damages = DAMAGES
    found = [judged(name, axes) for name, axes in kept(options.keep, options.pictures).items()]
    natives = [c for c in found if c.factor == 1]
    shrunk = [c for c in found if c.factor > 1]
    print(markdown(found))
    print(
        f"\nEnlarged: {share(shrunk):.1%} of {len(shrunk)} within 20 %. "
        f"Natives accused: {1 - share(natives):.1%} of {len(natives)}."
    )
    by_damage = {
        d: [share([c for c in part if c.damage == d]) for part in (natives, shrunk)] for d in damages
    }
    by_crop = {
        k: [share([c for c in part if c.crop == k]) for part in (natives, shrunk)]
        for k in {c.crop for c in found}
    }
    for name, (native, other) in (by_damage | by_crop).items():
        print(f"{name}: natives right {native:.1%}, enlarged right {other:.1%}")
    print("accused:", [(c.source, c.crop, c.damage, round(c.scale, 3)) for c in natives if not c.right])
    missed = Counter(c.source + " " + c.crop for c in shrunk if not c.right)
    print("missed:", missed.most_common())
    if options.json:
        table = {
            f"{f} {k}".strip(): dict(Counter(c.column for c in found if (c.factor, c.kernel) == (f, k)))
            for f, k in [(1, "")] + [(f, k) for f in FACTORS for k in KERNELS]
        }
        result = {
            "pictures": [Path(p).stem for p in options.pictures]
            if options.pictures
            else "those the thresholds were chosen on",
            "enlarged_right": share(shrunk),
            "enlarged_cases": len(shrunk),
            "natives_accused": 1 - share(natives),
            "native_cases": len(natives),
            "right_by_damage": {d: {"native": n, "enlarged": e} for d, (n, e) in by_damage.items()},
            "right_by_crop": {d: {"native": n, "enlarged": e} for d, (n, e) in by_crop.items()},
            "table": table,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
