"""Judge the finished model: `python -m finetune.micro.evaluate`. Prints each promise beside what was measured.

Autoencoder on held-out scenes; prompts followed, in the eyes of the independent judge; texture at 4096 px against
renders. Writes evaluation.json and contact sheets. Exit code 1 where a promise is not kept.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from diffusers import StableDiffusion3Pipeline
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from finetune.backbones import FAMILIES
from finetune.backbones.autoencoder import use_f16
from finetune.backbones.decoding import decode_latents, encode_image
from finetune.backbones.native_dtype import multiplies_bfloat16
from finetune.backbones.sd3 import BLANK_TOKENS
from finetune.drawing.coarse_to_fine import enlarged, sigmas_as_they_stand
from finetune.drawing.redraw_sigmas import redraw_sigmas
from finetune.micro.bank import HELD_OUT_SEED
from finetune.micro.captions import caption
from finetune.micro.judge import ASKED, Judge, load_judge, verdicts, wanted_answers
from finetune.micro.scenes.description import SKIES, TERRAINS, TIMES, Scene, random_scene
from finetune.micro.scenes.render import render
from metrics.glcm import glcm_score
from metrics.subbands import detail_energies, luma

COMPOSED_AT_PX = 1024  # where it was taught most
ASSETS = Path(__file__).parents[2] / "assets"
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Promise:
    """One line of the report."""

    name: str
    measured: float
    low: float
    high: float | None = None

    @property
    def kept(self) -> bool:
        return bool(self.measured >= self.low and (self.high is None or self.measured <= self.high))


def open_model(folder: Path) -> StableDiffusion3Pipeline:
    """The stock call, and the one that makes it F16."""
    dtype = torch.bfloat16 if multiplies_bfloat16(torch.device("cpu")) else torch.float32
    pipeline = use_f16(StableDiffusion3Pipeline.from_pretrained(folder, torch_dtype=dtype))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(
    pipeline: StableDiffusion3Pipeline,
    prompt: str,
    *,
    size_px: int,
    seed: int,
    steps: int,
    guidance: float,
    coarse_first: float = 0.0,
) -> Pixels:
    """One square picture, (H, W, 3) uint8; composed at 1024 px first and drawn anew from that noise level, if any."""
    arguments = {
        "prompt": prompt,
        "guidance_scale": guidance,
        "max_sequence_length": BLANK_TOKENS,
        "output_type": "latent",
    }
    side = COMPOSED_AT_PX if coarse_first else size_px
    latents = pipeline(
        **arguments,
        height=side,
        width=side,
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(seed),
    ).images
    if coarse_first:
        sigmas = redraw_sigmas(steps, coarse_first)
        large = (size_px, size_px)
        begun = enlarged(FAMILIES["sd3"], pipeline, latents, (side, side), large, sigma=sigmas[0], seed=seed)
        with sigmas_as_they_stand(pipeline):
            latents = pipeline(
                **arguments,
                height=size_px,
                width=size_px,
                num_inference_steps=len(sigmas),
                sigmas=list(sigmas),
                latents=begun.to(latents.dtype),
            ).images
    return decode_latents(pipeline.vae, latents).image


def autoencoder_promises(pipeline: StableDiffusion3Pipeline, num_scenes: int) -> list[Promise]:
    """PSNR, and the energy of the finest detail bands against the input's, over held-out 1024 px scenes."""
    errors, made, wanted = [], np.zeros(3), np.zeros(3)
    for seed in tqdm(range(HELD_OUT_SEED, HELD_OUT_SEED + num_scenes), desc="autoencoder"):
        scene = render(random_scene(seed), 1024, 1024)
        decoded = decode_latents(pipeline.vae, encode_image(pipeline.vae, scene)).image
        errors.append(np.mean((decoded.astype(np.float64) - scene) ** 2))
        made += detail_energies(luma(decoded), levels=1)[0]
        wanted += detail_energies(luma(scene), levels=1)[0]
    psnr = float(np.mean(10 * np.log10(255**2 / np.array(errors))))
    bands = [
        Promise(f"level-1 {band} energy ratio", float(r), 0.5, 1.5)
        for band, r in zip(("LH", "HL", "HH"), made / wanted, strict=True)
    ]
    return [Promise("autoencoder PSNR, dB", psnr, 27.0), *bands]


def judge_promises(judge: Judge, num_scenes: int) -> list[Promise]:
    """How often the judge is right on held-out renders."""
    scenes = [random_scene(HELD_OUT_SEED + 1000 + i) for i in range(num_scenes)]
    pictures = [render(scene, 256, 256) for scene in tqdm(scenes, desc="judge")]
    return [
        Promise(f"judge right on {name} of renders", share, 0.97)
        for name, share in _shares_right(judge, scenes, pictures)
    ]


def prompt_promises(
    pipeline: StableDiffusion3Pipeline,
    judge: Judge,
    *,
    num_pictures: int,
    size_px: int,
    steps: int,
    guidance: float,
    sheet: Path,
) -> list[Promise]:
    """How often pictures show what held-out phrasings asked for."""
    scenes, pictures = list(_asked_scenes(num_pictures)), []
    rng = random.Random(4242)
    for i, scene in enumerate(tqdm(scenes, desc="prompts")):
        words = caption(scene, rng, held_out=True, complete=True)
        picture = draw(pipeline, words, size_px=size_px, seed=900_000 + i, steps=steps, guidance=guidance)
        pictures.append(np.asarray(Image.fromarray(picture).reduce(max(1, size_px // 256))))
    contact_sheet(pictures[:48], sheet, columns=8)
    return [
        Promise(f"{name} as asked", share, 0.85) for name, share in _shares_right(judge, scenes, pictures)
    ]


def texture_promises(
    pipeline: StableDiffusion3Pipeline,
    *,
    num_pictures: int,
    steps: int,
    guidance: float,
    coarse_first: float,
    sheet: Path,
) -> list[Promise]:
    """GLCM Score at 4096 x 4096, drawn against rendered, over the same scenes."""
    drawn, rendered, shown = [], [], []
    for i in tqdm(range(num_pictures), desc="4096 px"):
        scene = random_scene(
            HELD_OUT_SEED + 2000 + i, time=TIMES[i % 3], terrain=TERRAINS[i % 4], sky=SKIES[i % 2]
        )
        words = caption(scene, random.Random(i), held_out=True, complete=True)
        picture = draw(
            pipeline,
            words,
            size_px=4096,
            seed=i,
            steps=steps,
            guidance=guidance,
            coarse_first=coarse_first,
        )
        drawn.append(glcm_score(picture))
        rendered.append(glcm_score(render(scene, 4096, 4096)))
        shown += [np.asarray(Image.fromarray(picture).reduce(8)), picture[2560:3072, 1792:2304]]
    contact_sheet(shown, sheet, columns=4)
    return [
        Promise("GLCM Score at 4096 px, share of renders'", float(np.mean(drawn) / np.mean(rendered)), 0.6)
    ]


def contact_sheet(pictures: list[Pixels], path: Path, *, columns: int) -> None:
    """Equal squares in rows, as JPEG."""
    side = pictures[0].shape[0]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * side, columns * side, 3), 24, np.uint8)
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        sheet[row * side : (row + 1) * side, column * side : (column + 1) * side] = picture
    Image.fromarray(sheet).save(path, quality=88)


def _asked_scenes(count: int) -> Iterator[Scene]:
    """Every combination of terrain, time and sky in turn."""
    combinations = [(t, h, s) for t in TERRAINS for h in TIMES for s in SKIES]
    for i in range(count):
        terrain, hour, sky = combinations[i % len(combinations)]
        yield random_scene(HELD_OUT_SEED + 5000 + i, terrain=terrain, time=hour, sky=sky)


def _shares_right(judge: Judge, scenes: list[Scene], pictures: list[Pixels]) -> list[tuple[str, float]]:
    answers, wanted = verdicts(judge, pictures), wanted_answers(scenes)
    return [
        (name, float((answer == right).float().mean()))
        for (name, _), answer, right in zip(ASKED, answers, wanted, strict=True)
    ]


def main(
    model: Annotated[Path, typer.Option(help="Pipeline folder.")] = ASSETS / "micro-4k",
    pictures: Annotated[int, typer.Option(help="Pictures drawn for prompt following.")] = 240,
    size: Annotated[int, typer.Option(help="Their side, px.")] = 1024,
    scenes: Annotated[int, typer.Option(help="Held-out scenes for autoencoder and judge.")] = 32,
    large: Annotated[int, typer.Option(help="Pictures drawn at 4096 px.")] = 4,
    steps: Annotated[int, typer.Option(help="Denoising steps.")] = 14,
    guidance: Annotated[float, typer.Option(help="Guidance scale.")] = 2.5,
    coarse_first: Annotated[
        float, typer.Option(help="Noise level of the second pass at 4096 px; 0: one pass.")
    ] = 0.3,
) -> None:
    """Measure every promise of the bundled model."""
    started = time.perf_counter()
    pipeline, judge = open_model(model), load_judge(ASSETS / "micro-judge.safetensors")
    promises = autoencoder_promises(pipeline, scenes)
    promises += judge_promises(judge, max(240, scenes))
    if pictures:
        promises += prompt_promises(
            pipeline,
            judge,
            num_pictures=pictures,
            size_px=size,
            steps=steps,
            guidance=guidance,
            sheet=ASSETS / "contact-1024.jpg",
        )
    if large:
        promises += texture_promises(
            pipeline,
            num_pictures=large,
            steps=steps,
            guidance=guidance,
            coarse_first=coarse_first,
            sheet=ASSETS / "contact-4096.jpg",
        )
    for promise in promises:
        bound = f">= {promise.low:g}" + (f" and <= {promise.high:g}" if promise.high is not None else "")
        print(
            f"{'kept  ' if promise.kept else 'BROKEN'}  {promise.name:<42} {promise.measured:8.3f}   wanted {bound}"
        )
    report = {
        "seconds": round(time.perf_counter() - started),
        "promises": [asdict(p) | {"kept": p.kept} for p in promises],
    }
    (ASSETS / "micro-4k-evaluation.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if all(promise.kept for promise in promises) else 1)


if __name__ == "__main__":
    typer.run(main)
