"""Memory and time of the F16 decoder's last layer, against the form that enlarges its features.

    python -m tests.bench.bench_f16_decode [--side 4096] [--channels 128] [--layout channels-last]

Each form runs in a fresh process on random features (1, channels, side / 2, side / 2) in float32. Memory is
the peak resident set during the layer less that before it, so the features themselves do not count.
The naive form needs channels * side^2 * 4 bytes more than that: 8 GiB at 4096 px and 128 channels, twice as
much where the layout makes oneDNN reorder its input (`--layout contiguous`).
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn
from torch.nn import functional as F

from finetune.backbones.autoencoder import SubPixelConvOut

Form = Literal["naive", "exact", "reference"]
Layout = Literal["channels-last", "contiguous"]
NUM_RUNS = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """What one form of the layer takes."""

    memory_mib: float
    seconds: float  # the best of `NUM_RUNS`


def measure(form: Form, side_px: int, channels: int, layout: Layout) -> Cost:
    """Run one form in this process; its peak is only right in a fresh one."""
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, 3, 3, padding=1)
    layer = nn.Identity() if form == "naive" else SubPixelConvOut(conv, alignment=form)
    memory_format = torch.channels_last if layout == "channels-last" else torch.contiguous_format
    shape = (1, channels, side_px // 2, side_px // 2)
    with torch.inference_mode():
        features = torch.empty(shape, memory_format=memory_format).normal_()
        before, seconds = _peak_mib(), []
        for _ in range(NUM_RUNS):
            start = time.perf_counter()
            if form == "naive":
                conv(F.interpolate(features, scale_factor=2.0, mode="nearest"))
            else:
                layer(features)
            seconds.append(time.perf_counter() - start)
    return Cost(_peak_mib() - before, min(seconds))


def measure_apart(form: Form, side_px: int, channels: int, layout: Layout) -> Cost:
    """`measure` in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (form, side_px, channels, layout))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=4096, help="side of the picture, px")
    parser.add_argument(
        "--channels", type=int, default=128, help="channels of the features; 128 in SD3 and Flux"
    )
    parser.add_argument("--layout", choices=get_args(Layout), default="channels-last")
    args = parser.parse_args()
    naive = measure_apart("naive", args.side, args.channels, args.layout)
    print(f"conv_out at {args.side} x {args.side}, {args.channels} channels, float32, {args.layout}")
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    for form in get_args(Form):
        cost = naive if form == "naive" else measure_apart(form, args.side, args.channels, args.layout)
        memory_ratio, time_ratio = naive.memory_mib / cost.memory_mib, naive.seconds / cost.seconds
        print(f"{form:10} {cost.memory_mib:8.0f} MiB {cost.seconds:7.2f} s", end="   ")
        print(f"{memory_ratio:.1f} times less memory, {time_ratio:.1f} times faster")


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    main()
