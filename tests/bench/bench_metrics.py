"""Texture metrics against scikit-image's loops, subbands against PyWavelets, on one real 4096 px picture.

    python -m tests.bench.bench_metrics [PICTURE]

Every line is a ratio of two times taken in this run, on all cores that it may use; exit code 1 says that a promise was
missed. Ours start from RGB, the loops from grey levels already made. Ours are the best of three calls after one on a
small part, which compiles the loops and is reported apart. The dense map by scikit-image takes minutes: it is timed on
every sixteenth window of every sixteenth row, and scaled.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pywt
import skimage
from PIL import Image
from skimage.feature import graycomatrix, graycoprops
from skimage.measure import shannon_entropy

from metrics.compression import compression_ratio
from metrics.evaluate import score_picture
from metrics.glcm import glcm_entropy, glcm_score, grey_levels, patch_scores
from metrics.glcm_map import glcm_map
from metrics.glcm_properties import glcm_properties
from metrics.pictures import read_picture
from metrics.subbands import decompose, luma, rebuild

DEFAULT_PICTURE = Path("/usr/share/backgrounds/gnome/wood-l.webp")
ANGLES = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
PROPERTY_NAMES = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation", "ASM")
WINDOW_PX, STRIDE_PX, SAMPLE = 64, 16, 16
FILE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Promise:
    """What is to be faster, by how much, and in how many seconds at most."""

    name: str
    ours: Callable[[], object]
    theirs: Callable[[], float]  # runs it, and returns seconds
    ratio: float
    seconds: float = float("inf")


def score_by_scikit_image(grey: np.ndarray) -> float:
    """The published score: one matrix and its entropy for each 64 px patch."""
    scores = [
        shannon_entropy(graycomatrix(grey[y : y + 64, x : x + 64], [1, 2, 3, 4], ANGLES, 64, normed=True))
        for y in range(0, grey.shape[0] - 63, 64)
        for x in range(0, grey.shape[1] - 63, 64)
    ]
    return float(np.mean(scores))


def map_by_scikit_image(grey: np.ndarray) -> float:
    """Seconds for all properties in all windows, from a sample of them."""
    rows, columns = ((side - WINDOW_PX) // STRIDE_PX + 1 for side in grey.shape)
    start, timed = time.perf_counter(), 0
    for row in range(0, rows, SAMPLE):
        for column in range(0, columns, SAMPLE):
            y, x = row * STRIDE_PX, column * STRIDE_PX
            shares = graycomatrix(grey[y : y + WINDOW_PX, x : x + WINDOW_PX], [1], ANGLES, 64, normed=True)
            for name in PROPERTY_NAMES:
                graycoprops(shares, name)
            np.sum(shares * np.log2(np.where(shares > 0, shares, 1)), axis=(0, 1))
            timed += 1
    return (time.perf_counter() - start) / timed * rows * columns


def seconds(call: Callable[[], object], times: int = 3) -> float:
    """The shortest of some calls."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)


def seconds_of_a_file(picture: np.ndarray) -> float:
    """Reading a PNG and scoring it by every metric that needs no weights, as `d4k score` does."""
    score_picture(picture[:256, :256])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        Image.fromarray(picture).save(path, compress_level=1)
        return seconds(lambda: score_picture(read_picture(path).pixels))


def compile_loops(part: np.ndarray) -> None:
    """Call everything once on a small part, and say what that took."""
    grey = np.zeros((64, 64), np.float32)
    calls: dict[str, Callable[[], object]] = {
        "luma": lambda: luma(part),
        "decompose": lambda: decompose(grey),
        "rebuild": lambda: rebuild(decompose(grey)),
        "glcm_score": lambda: patch_scores(part),
        "glcm_properties": lambda: glcm_properties(part),
        "glcm_map": lambda: glcm_map(part),
    }
    first = {name: seconds(call, times=1) for name, call in calls.items()}
    each = ", ".join(f"{name} {taken:.2f}" for name, taken in first.items())
    print(f"first calls, which compile: {sum(first.values()):.2f} s ({each})")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", nargs="?", type=Path, default=DEFAULT_PICTURE, help="an RGB picture file")
    path = parser.parse_args().picture
    with Image.open(path) as image:
        picture = np.asarray(image.convert("RGB"))
    print(
        f"{path.name}, {picture.shape[1]} x {picture.shape[0]} px, Python {platform.python_version()}, ",
        end="",
    )
    print(f"scikit-image {skimage.__version__}, PyWavelets {pywt.__version__}")
    compile_loops(picture[:128, :128])
    grey, levels = luma(picture), grey_levels(picture)
    bands = decompose(grey)
    promises = (
        Promise(
            "glcm_score",
            lambda: glcm_score(picture),
            lambda: seconds(lambda: score_by_scikit_image(levels), 1),
            15,
        ),
        Promise("glcm_map", lambda: glcm_map(picture), lambda: map_by_scikit_image(levels), 30, seconds=2),
        Promise(
            "haar, 5 levels",
            lambda: decompose(grey),
            lambda: seconds(lambda: pywt.wavedec2(grey, "haar", "symmetric", 5)),
            5,
        ),
        Promise(
            "db4, 5 levels",
            lambda: decompose(grey, wavelet="db4"),
            lambda: seconds(lambda: pywt.wavedec2(grey, "db4", "symmetric", 5)),
            2,
        ),
    )
    missed = 0
    for promise in promises:
        ours, theirs = seconds(promise.ours), promise.theirs()
        kept = theirs / ours >= promise.ratio and ours <= promise.seconds
        missed += not kept
        limit = "" if promise.seconds == float("inf") else f" and under {promise.seconds:.0f} s"
        print(
            f"{promise.name:16} {ours:7.3f} s against {theirs:8.3f} s: {theirs / ours:6.1f} times faster",
            end="  ",
        )
        print(f"(promised {promise.ratio:.0f}{limit}: {'kept' if kept else 'MISSED'})")
    taken = seconds_of_a_file(picture)
    missed += taken > FILE_SECONDS
    verdict = "kept" if taken <= FILE_SECONDS else "MISSED"
    print(
        f"every weight-free score of the file, read and all: {taken:.2f} s (promised {FILE_SECONDS:g}: {verdict})"
    )
    alone = {
        "glcm_entropy": lambda: glcm_entropy(picture),
        "glcm_properties": lambda: glcm_properties(picture),
        "rebuild of 5 haar levels": lambda: rebuild(bands),
        "compression_ratio": lambda: compression_ratio(picture),
        "luma": lambda: luma(picture),
    }
    print("alone: " + ", ".join(f"{name} {seconds(call):.3f} s" for name, call in alone.items()))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
