"""The promises of the bundled model, each measured beside what it must be.

Autoencoder and judge on held-out renders; prompts followed, in the eyes of the independent judge; pictures that hang
together; their distance from renders; texture at 4096 px. What is drawn are the known places, which it was taught,
asked for in phrases that it was not. Not here: the command and its report (`evaluate`).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import StableDiffusion3Pipeline
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm
from transformers import CLIPModel

from finetune.backbones import FAMILIES
from finetune.backbones.decoding import decode_latents, encode_image
from finetune.backbones.native_dtype import multiplies_bfloat16
from finetune.drawing.coarse_to_fine import draw_passes
from finetune.drawing.passes import composed_size, passes_of
from finetune.micro.architecture import COMPOSED_PX, TOKEN_PX
from finetune.micro.bank import HELD_OUT_SEED
from finetune.micro.captions import caption
from finetune.micro.clip import normalise, shrink
from finetune.micro.coherence import border_steps, count_discs, count_horizons
from finetune.micro.judge import ASKED, Judge, verdicts, wanted_answers
from finetune.micro.likeness import seen_as
from finetune.micro.scenes.description import SKIES, TERRAINS, TIMES, Scene, known_scenes, random_scene
from finetune.micro.scenes.render import render
from metrics.frechet import cmmd
from metrics.glcm import glcm_score
from metrics.subbands import detail_energies, luma

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


@dataclass(frozen=True, slots=True)
class Sampling:
    """How every picture is drawn."""

    steps: int
    guidance: float
    coarse_first: float
    """Noise level of the later passes of pictures larger than `COMPOSED_PX`; 0: one pass."""


def open_model(folder: Path) -> StableDiffusion3Pipeline:
    """As the studio opens it, on the CPU."""
    dtype = torch.bfloat16 if multiplies_bfloat16(torch.device("cpu")) else torch.float32
    pipeline, _ = FAMILIES["sd3"].load(folder, dtype=dtype)
    return cast(StableDiffusion3Pipeline, pipeline)


def draw(
    pipeline: StableDiffusion3Pipeline,
    prompt: str,
    *,
    size_px: int,
    seed: int,
    sampling: Sampling,
) -> Pixels:
    """One square picture, (H, W, 3) uint8, as the studio draws it."""
    size = (size_px, size_px)
    passes = passes_of(
        size,
        num_steps=sampling.steps,
        composed=composed_size(size, COMPOSED_PX, multiple_px=TOKEN_PX, min_side_px=COMPOSED_PX),
        coarse_first=sampling.coarse_first,
        multiple_px=TOKEN_PX,
    )
    latents = draw_passes(
        FAMILIES["sd3"],
        pipeline,
        passes,
        seed=seed,
        **FAMILIES["sd3"].prompt_arguments(
            pipeline, prompt=prompt, negative_prompt="", guidance_scale=sampling.guidance
        ),
    )
    return decode_latents(pipeline.vae, latents).image


def autoencoder_promises(pipeline: StableDiffusion3Pipeline, num_scenes: int) -> list[Promise]:
    """PSNR, and the energy of the finest detail bands against the input's, over held-out 1024 px scenes."""
    errors, made, wanted = [], np.zeros(3), np.zeros(3)
    for seed in tqdm(range(HELD_OUT_SEED, HELD_OUT_SEED + num_scenes), desc="autoencoder"):
        scene = render(random_scene(seed), 1024, 1024)
        decoded = decode_latents(pipeline.vae, encode_image(pipeline.vae, scene).latents).image
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


def prompt_promises(judge: Judge, scenes: list[Scene], pictures: list[Pixels]) -> list[Promise]:
    """How often pictures show what held-out phrasings asked for."""
    return [
        Promise(f"{name} as asked", share, 0.85) for name, share in _shares_right(judge, scenes, pictures)
    ]


def place_promises(scenes: list[Scene], pictures: list[Pixels]) -> list[Promise]:
    """How often pictures look most like the place, and the side of sun or moon, that words asked for."""
    pairs = list(zip(scenes, pictures, strict=True))
    seen = [(seen_as(picture, scene), scene) for scene, picture in tqdm(pairs, desc="places")]
    return [
        Promise("place as asked", float(np.mean([one.seed == asked.seed for one, asked in seen])), 0.85),
        Promise("side as asked", float(np.mean([one.side == asked.side for one, asked in seen])), 0.85),
    ]


def drawn_pictures(
    pipeline: StableDiffusion3Pipeline,
    scenes: list[Scene],
    *,
    size_px: int,
    sampling: Sampling,
) -> list[Pixels]:
    """A picture of each scene's complete caption, in held-out forms."""
    rng = random.Random(4242)
    return [
        draw(
            pipeline,
            caption(scene, rng, held_out=True, complete=True),
            size_px=size_px,
            seed=900_000 + i,
            sampling=sampling,
        )
        for i, scene in enumerate(tqdm(scenes, desc=f"{size_px} px"))
    ]


def rendered_pictures(scenes: list[Scene], size_px: int) -> list[Pixels]:
    return [render(scene, size_px, size_px) for scene in tqdm(scenes, desc=f"renders, {size_px} px")]


def border_promises(drawn: list[Pixels], rendered: list[Pixels]) -> list[Promise]:
    """Steps across the transformer's patch borders, and elsewhere, against renders'."""
    ours, theirs = (
        np.mean([border_steps(p, TOKEN_PX) for p in pictures], axis=0) for pictures in (drawn, rendered)
    )
    side = drawn[0].shape[0]
    return [
        Promise(f"steps {where} at {side} px, share of renders'", float(ratio), 0.8, 1.2)
        for where, ratio in zip(("across patch borders", "elsewhere"), ours / theirs, strict=True)
    ]


def distance_promise(clip: CLIPModel, drawn: list[Pixels], rendered: Sequence[list[Pixels]]) -> Promise:
    """Mean kernel distance in the small CLIP from the drawn to each set of renders, against that among those sets.

    It is unbiased, so among the sets it lies around 0: what counts there is its mean size.
    """
    ours, sets = _image_features(clip, drawn), [_image_features(clip, pictures) for pictures in rendered]
    among = np.mean([abs(cmmd(one, other)) for one, other in itertools.combinations(sets, 2)])
    distance = np.mean([max(0.0, cmmd(ours, one)) for one in sets])
    return Promise("distance to renders, share of renders' own", float(distance / among), 0.0, 2.0)


@torch.inference_mode()
def _image_features(clip: CLIPModel, pictures: list[Pixels]) -> NDArray[np.float64]:
    """(N, 128), of length 1."""
    pixels = normalise(torch.stack([shrink(picture) for picture in pictures]))
    embeds = clip.get_image_features(pixel_values=pixels)
    tensor = embeds if isinstance(embeds, torch.Tensor) else embeds.pooler_output
    return torch.nn.functional.normalize(tensor.double(), dim=-1).numpy()


def large_promises(
    pipeline: StableDiffusion3Pipeline,
    *,
    num_pictures: int,
    sampling: Sampling,
    sheet: Path,
) -> list[Promise]:
    """At 4096 x 4096: GLCM Score against renders of the same scenes; one sun or moon, one horizon as there."""
    scores, discs, horizons = np.zeros((num_pictures, 2)), [], []
    shown: list[Pixels] = []
    for i in tqdm(range(num_pictures), desc="4096 px"):
        scene = _known_scene(2000 + i, TERRAINS[i % 4], TIMES[i % 3], SKIES[i % 2])
        words = caption(scene, random.Random(i), held_out=True, complete=True)
        picture = draw(
            pipeline,
            words,
            size_px=4096,
            seed=i,
            sampling=sampling,
        )
        rendered = render(scene, 4096, 4096)
        scores[i] = glcm_score(picture), glcm_score(rendered)
        discs.append((count_discs(picture), count_discs(rendered)))
        horizons.append((count_horizons(picture), count_horizons(rendered)))
        if len(shown) < 16:
            shown += [np.asarray(Image.fromarray(picture).reduce(8)), picture[2560:3072, 1792:2304]]
    contact_sheet(shown, sheet, columns=4)
    ours, theirs = scores.mean(0)
    return [
        Promise("GLCM Score at 4096 px, share of renders'", float(ours / theirs), 0.6),
        *(
            Promise(f"at most one {what} at 4096 px", _singles(counts, 0), _singles(counts, 1) - 0.05)
            for what, counts in (("sun or moon", discs), ("horizon", horizons))
        ),
    ]


def _singles(counts: Sequence[tuple[int, int]], place: int) -> float:
    """Share of pictures that count at most one; place 0: drawn, 1: rendered."""
    return sum(pair[place] <= 1 for pair in counts) / len(counts)


def contact_sheet(pictures: list[Pixels], path: Path, *, columns: int) -> None:
    """Equal squares in rows, as JPEG."""
    side = pictures[0].shape[0]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * side, columns * side, 3), 24, np.uint8)
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        sheet[row * side : (row + 1) * side, column * side : (column + 1) * side] = picture
    Image.fromarray(sheet).save(path, quality=88)


def asked_scenes(count: int, first: int = 5000) -> Iterator[Scene]:
    """Scenes of the known places, every combination of terrain, time and sky in turn."""
    combinations = [(t, h, s) for t in TERRAINS for h in TIMES for s in SKIES]
    for i in range(count):
        yield _known_scene(first + i, *combinations[i % len(combinations)])


def _known_scene(number: int, *asked: str) -> Scene:
    """One of those of this terrain, time and sky, as the number decides."""
    fitting = [scene for scene in known_scenes() if (scene.terrain, scene.time, scene.sky) == asked]
    return random.Random(HELD_OUT_SEED + number).choice(fitting)


def _shares_right(judge: Judge, scenes: list[Scene], pictures: list[Pixels]) -> list[tuple[str, float]]:
    answers, wanted = verdicts(judge, pictures), wanted_answers(scenes)
    return [
        (name, float((answer == right).float().mean()))
        for (name, _), answer, right in zip(ASKED, answers, wanted, strict=True)
    ]
