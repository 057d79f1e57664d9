"""Objectives compared on Micro-4K with equal compute: `python -m finetune.micro.objective_study --work FOLDER`.

Each objective trains the same LoRA on the same pictures for as many steps, five seeds each; then its held-out velocity
error per band, and what its pictures look like in numbers. The pictures are rendered scenes, sharpened until their
finest detail has several times its energy: something to learn that is detail alone, with a known target. Begun again,
it goes on where it was stopped.
Writes assets/objective-study.json and prints the table: means with 95 % intervals over seeds (Student's t).
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import t as student

from finetune.config.files import from_values
from finetune.micro.architecture import COMPOSED_PX
from finetune.micro.bank import HELD_OUT_SEED
from finetune.micro.captions import caption
from finetune.micro.scenes.description import Scene, known_scenes
from finetune.micro.scenes.render import render
from finetune.run_folder import RunFolder, create_run
from finetune.train import main as train
from metrics.glcm import glcm_score
from metrics.spectrum import radial_spectrum
from metrics.subbands import detail_energies, luma

ASSETS = Path(__file__).parents[2] / "assets"
RADIUS_PX = 1.5
SCENES_SEED, PROMPTS_SEED = HELD_OUT_SEED + 9000, HELD_OUT_SEED + 9500

OBJECTIVES: dict[str, dict[str, Any]] = {
    "velocity": {"kind": "velocity"},
    "wlf, as published": {"kind": "wlf"},
    "wavelet, detail x 4": {"kind": "wavelet", "detail_weights": [[4.0, 4.0, 4.0]]},
    "wavelet, pseudo-Huber": {"kind": "wavelet", "penalty": "pseudo_huber", "huber_c": 0.3},
    "lwd": {"kind": "lwd"},
}

MEASURES = (
    "validation",
    "ll",
    "lh",
    "hl",
    "hh",
    "glcm_score",
    "energy_lh",
    "energy_hl",
    "energy_hh",
    "slope",
)
"""Velocity errors on held-out scenes (low is good), then of pictures: see `picture_numbers`."""

Numbers = dict[str, float]


def some_scene(seed: int) -> Scene:
    """One of those that the model was taught: what is to be learnt is their sharpening alone."""
    return random.Random(seed).choice(known_scenes())


def sharpened(scene: Scene, side_px: int) -> NDArray[np.uint8]:
    """(side, side, 3) uint8, with what a Gaussian of 1.5 px takes away added once more."""
    pixels = render(scene, side_px, side_px).astype(np.float32)
    detail = pixels - gaussian_filter(pixels, (RADIUS_PX, RADIUS_PX, 0))
    return np.clip((pixels + detail).round(), 0, 255).astype(np.uint8)


def write_scenes(folder: Path, *, count: int, side_px: int) -> None:
    """Sharpened scenes with captions, in the Aesthetic-4K layout; made once."""
    lines = []
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        scene = some_scene(SCENES_SEED + i)
        path = folder / f"{i:03d}.png"
        if not path.exists():
            Image.fromarray(sharpened(scene, side_px)).save(path, compress_level=1)
        words = caption(scene, random.Random(i), complete=True)
        lines.append(json.dumps({"file_name": path.name, "text": words}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def picture_numbers(pictures: list[NDArray[np.uint8]]) -> Numbers:
    """Means over (H, W, 3) uint8 pictures: GLCM Score, finest Haar energies of luma, slope of the spectrum."""
    greys = [luma(picture) for picture in pictures]
    energies = np.mean([detail_energies(grey, levels=1)[0] for grey in greys], axis=0)
    return {
        "glcm_score": float(np.mean([glcm_score(picture) for picture in pictures])),
        **{f"energy_{band}": float(e) for band, e in zip(("lh", "hl", "hh"), energies, strict=True)},
        "slope": float(np.mean([radial_spectrum(grey).slope for grey in greys])),
    }


def outcome(run: RunFolder, step: int) -> Numbers:
    """What a run had come to at a step where it was validated and drawn with."""
    row = next(row for row in run.rows("validation.jsonl") if row.get("step") == step)
    drawn = [row for row in run.rows("samples.jsonl") if row["step"] == step]
    failed = [row["error"] for row in drawn if row["error"] is not None]
    if failed or not drawn:
        raise ValueError(
            f"{run.path} has no pictures of step {step} ({failed[:1]}); delete it and begin again"
        )
    pictures = [np.asarray(Image.open(run.path / row["file"])) for row in drawn]
    return {"validation": row["loss"], **row["bands"], **picture_numbers(pictures)}


def interval(values: list[float]) -> tuple[float, float]:
    """(mean, half width of its 95 % interval)."""
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values)), float(half)


def table(found: Mapping[str, list[Numbers]], baseline: Numbers, scenes: Numbers) -> str:
    """Markdown, one objective a line."""
    head = ["objective", *MEASURES]
    rows = [
        ["the pictures themselves", *(f"{scenes[name]:.4g}" if name in scenes else "" for name in MEASURES)],
        ["before training", *(f"{baseline[name]:.4g}" for name in MEASURES)],
    ]
    for objective, seeds in found.items():
        cells = [interval([each[name] for each in seeds]) for name in MEASURES]
        rows.append([objective, *(f"{mean:.4g} ± {half:.2g}" for mean, half in cells)])
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(
    work: Annotated[Path, typer.Option(help="Folder for scenes and runs.")] = Path(".micro/objective-study"),
    steps: Annotated[int, typer.Option(help="Of each run.")] = 80,
    seeds: Annotated[int, typer.Option(help="Runs of each objective.")] = 5,
    side: Annotated[int, typer.Option(help="Of scenes and pictures, px.")] = COMPOSED_PX,
    scenes: Annotated[int, typer.Option(help="Rendered for it; four of them are held out.")] = 28,
    prompts: Annotated[int, typer.Option(help="Pictures drawn of each run.")] = 12,
) -> None:
    """Train, measure, and print the table."""
    write_scenes(work / "scenes", count=scenes, side_px=side)
    words = [caption(some_scene(PROMPTS_SEED + i), random.Random(i), complete=True) for i in range(prompts)]
    found: dict[str, list[Numbers]] = {name: [] for name in OBJECTIVES}
    baseline: Numbers = {}
    for seed in range(seeds):  # seed by seed, so that a study cut short is still a fair one
        for name, objective in OBJECTIVES.items():
            values: dict[str, dict[str, Any]] = {
                "model": {"base": str(ASSETS / "micro-4k")},
                "data": {"source": str(work / "scenes"), "resolution_px": side, "cache": str(work / "cache")},
                "objective": objective,
                "method": {"kind": "lora", "rank": 16},
                "optimizer": {"learning_rate": 1e-3, "warmup_steps": 5},
                "resources": {"precision": "fp32", "batch_size": 1, "gradient_checkpointing": False},
                "schedule": {"num_steps": steps, "checkpoint_every": steps, "seed": seed},
                "validation": {"every": steps, "num_examples": 4, "seed": 1},
                "samples": {
                    "every": steps,
                    "prompts": words,
                    "width_px": side,
                    "height_px": side,
                    "num_inference_steps": 14,
                    "guidance_scale": 1.75,
                },
                "output": {"name": f"{name}-{seed}".replace(",", "").replace(" ", "-")},
            }
            run = RunFolder(work / "runs" / values["output"]["name"])
            if not run.config_file.exists():
                run = create_run(work / "runs", from_values(values))
            if run.state().state != "done" and train([str(run.path)]):
                sys.exit(f"{run.path} failed, see its log.txt")
            found[name].append(outcome(run, steps))
            baseline = outcome(run, 0)
            print(f"seed {seed}, {name}: {found[name][-1]}", flush=True)
    rendered = picture_numbers([sharpened(some_scene(PROMPTS_SEED + i), side) for i in range(prompts)])
    report = {
        "steps": steps,
        "side_px": side,
        "baseline": baseline,
        "rendered": rendered,
        "objectives": found,
    }
    (ASSETS / "objective-study.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(found, baseline, rendered))


if __name__ == "__main__":
    typer.run(main)
