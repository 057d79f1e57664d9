"""Judge the finished model: `python -m finetune.micro.evaluate`. Prints each promise beside what was measured.

Writes micro-4k-evaluation.json and contact sheets into assets/. Exit code 1 where a promise is not kept. Not here: how
each is measured (`promises`).
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from transformers import CLIPModel

from finetune.micro import promises as measured
from finetune.micro.judge import load_judge

ASSETS = Path(__file__).parents[2] / "assets"
BORDER_PICTURES = 64
"""Of each size, for steps across patch borders."""


def main(
    model: Annotated[Path, typer.Option(help="Pipeline folder.")] = ASSETS / "micro-4k",
    pictures: Annotated[int, typer.Option(help="Pictures drawn for prompts and distance.")] = 256,
    size: Annotated[int, typer.Option(help="Their side, px.")] = 1024,
    scenes: Annotated[int, typer.Option(help="Held-out scenes for the autoencoder.")] = 32,
    large: Annotated[int, typer.Option(help="Pictures drawn at 4096 px.")] = 40,
    steps: Annotated[int, typer.Option(help="Denoising steps.")] = 14,
    guidance: Annotated[float, typer.Option(help="Guidance scale.")] = 1.75,
    coarse_first: Annotated[
        float, typer.Option(help="Noise level of the later passes of larger pictures; 0: one pass.")
    ] = 0.5,
    sheets: Annotated[Path, typer.Option(help="Where report and contact sheets are written.")] = ASSETS,
) -> None:
    """Measure every promise of the bundled model."""
    started = time.perf_counter()
    pipeline, judge = measured.open_model(model), load_judge(ASSETS / "micro-judge.safetensors")
    clip = CLIPModel.from_pretrained(model.with_name(f"{model.name}-clip")).float().eval()
    sampling = measured.Sampling(steps, guidance, coarse_first)
    kept = measured.autoencoder_promises(pipeline, scenes) + measured.judge_promises(judge, 240)
    if pictures:
        asked = list(measured.asked_scenes(pictures))
        some = asked[: min(BORDER_PICTURES, pictures)]
        small = measured.drawn_pictures(pipeline, some, size_px=512, sampling=sampling)
        kept += measured.border_promises(small, measured.rendered_pictures(some, 512))
        measured.contact_sheet([_shrunk(p, 256) for p in small[:48]], sheets / "contact-512.jpg", columns=8)
        drawn = measured.drawn_pictures(pipeline, asked, size_px=size, sampling=sampling)
        rendered = measured.rendered_pictures(asked, size)
        kept += measured.border_promises(drawn[: len(some)], rendered[: len(some)])
        kept += measured.prompt_promises(judge, asked, drawn) + measured.place_promises(asked, drawn)
        # Not those that were asked for: a picture out of memory would be nearer to its own scene than renders are.
        others = [
            measured.rendered_pictures(list(measured.asked_scenes(pictures, first)), 256)
            for first in (50_000, 60_000, 70_000)
        ]
        kept.append(measured.distance_promise(clip, drawn, others))
        measured.contact_sheet([_shrunk(p, 256) for p in drawn[:48]], sheets / "contact-1024.jpg", columns=8)
    if large:
        kept += measured.large_promises(
            pipeline,
            num_pictures=large,
            sampling=sampling,
            sheet=sheets / "contact-4096.jpg",
        )
    for promise in kept:
        bound = f">= {promise.low:g}" + (f" and <= {promise.high:g}" if promise.high is not None else "")
        print(
            f"{'kept  ' if promise.kept else 'BROKEN'}  {promise.name:<48} {promise.measured:8.3f}   wanted {bound}"
        )
    report = {
        "seconds": round(time.perf_counter() - started),
        "promises": [asdict(p) | {"kept": p.kept} for p in kept],
    }
    (sheets / "micro-4k-evaluation.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if all(promise.kept for promise in kept) else 1)


def _shrunk(picture: measured.Pixels, side_px: int) -> measured.Pixels:
    return np.asarray(Image.fromarray(picture).reduce(max(1, picture.shape[0] // side_px)))


if __name__ == "__main__":
    typer.run(main)
