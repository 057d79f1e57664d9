"""Forecast against measured memory of Micro-4K on this CPU, in the dtype that the studio gives it there:
`python -m tests.bench.bench_render_memory`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from finetune.memory.render_memory import decode_bytes, denoise_bytes, hollow_autoencoder
from finetune.memory.training_memory import hollow_transformer
from studio.models.lookup import find_model
from studio.pipeline.opening import cpu_dtype

ROOT = Path(__file__).parents[2]
MICRO = ROOT / "assets" / "micro-4k"
TEXT_TOKENS = 333

MEASURE = """
import ctypes, gc, json, re, sys
import torch
from finetune.backbones.decoding import laid_out
from finetune.backbones import FAMILIES

def status(name):
    return int(re.search(rf"{name}:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024

def peak(call):
    "Bytes above what was there; the second call counts, when libraries have made their own."
    for _ in range(2):
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        open("/proc/self/clear_refs", "w").write("5")
        before = status("VmRSS")
        call()
        grown = status("VmHWM") - before
    return grown

side = int(sys.argv[1]) // 16
family = FAMILIES["sd3"]
kind = {"dtype": getattr(torch, sys.argv[3])}
pipeline, _ = family.load(sys.argv[2], **kind)
def denoise():
    latents = torch.randn(1, 16, side, side)
    twice = torch.cat([latents.to(**kind)] * 2)
    prompt, pooled = torch.randn(2, 333, 256, **kind), torch.randn(2, 256, **kind)
    sigmas = torch.tensor([0.5, 0.5], **kind)
    family.velocity(pipeline.transformer, twice, sigmas, prompt, pooled, guidance_embed=None)
def decode():
    pipeline.vae.decode(laid_out(torch.randn(1, 16, side, side, **kind)), return_dict=False)
with torch.inference_mode():
    print(json.dumps({"denoise": peak(denoise), "decode": peak(decode)}))
"""


def forecast_bytes(size_px: int) -> dict[str, int]:
    """By shapes alone: {"denoise": ..., "decode": ...}."""
    shape = (16, size_px // 16, size_px // 16)
    settings = {
        part: json.loads((MICRO / part / "config.json").read_text()) for part in ("transformer", "vae")
    }
    transformer = hollow_transformer("sd3", settings["transformer"])
    dtype = cpu_dtype(find_model("micro-4k"))
    return {
        "denoise": denoise_bytes(
            transformer, "sd3", shape, text_tokens=TEXT_TOKENS, guided=True, dtype=dtype
        ),
        "decode": decode_bytes(hollow_autoencoder(settings["vae"], f16=True), shape, dtype=dtype),
    }


def measured_bytes(size_px: int) -> dict[str, int]:
    """Growth of a fresh process's resident memory, in the second of two calls."""
    # Blocks of any size are given back to the system at once, so that what is resident is what is alive.
    dtype = str(cpu_dtype(find_model("micro-4k"))).removeprefix("torch.")
    settled = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(size_px), str(MICRO), dtype],
        env={**os.environ, **settled, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, int] = json.loads(done.stdout)
    return found


def main() -> None:
    print(f"{'size':>6}{'stage':>10}{'forecast MiB':>14}{'measured MiB':>14}{'ratio':>8}")
    for size_px in (1024, 2048, 4096):
        measured = measured_bytes(size_px)
        for stage, size in forecast_bytes(size_px).items():
            row = f"{size / 2**20:>14.1f}{measured[stage] / 2**20:>14.1f}{size / measured[stage]:>8.3f}"
            print(f"{size_px:>6}{stage:>10}{row}")


if __name__ == "__main__":
    main()
