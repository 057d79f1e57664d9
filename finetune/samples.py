"""Pictures drawn while training, from the same noise each time, as Generate would draw them.

A picture that cannot be drawn is told in samples.jsonl and never stops the run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image
from torch import Tensor

from finetune.backbones import Family
from finetune.backbones.text_embeddings import TextEmbeddings
from finetune.config.run_config import SampleConfig
from finetune.run_folder import RunFolder


def draw_samples(
    run: RunFolder,
    step: int,
    *,
    pipeline: DiffusionPipeline,
    family: Family,
    config: SampleConfig,
    prompts: Sequence[TextEmbeddings],
    empty_text: TextEmbeddings,
    device: torch.device,
    writes: bool = True,
) -> int:
    """One picture for each prompt into samples/; returns how many failed. Mode and weights are the caller's.

    With `writes=False` a process only takes its part in the calls of a divided transformer.
    """
    if not writes:
        for text in prompts:
            with suppress(Exception):  # as in the process that writes, which tells it
                _denoise(pipeline, family, config, text, empty_text, device)
        return 0
    run.samples.mkdir(exist_ok=True)
    failed = 0
    for index, (words, text) in enumerate(zip(config.prompts, prompts, strict=True)):
        began = time.monotonic()
        row = {
            "step": step,
            "index": index,
            "prompt": words,
            "seed": config.seed,
            "file": None,
            "error": None,
        }
        try:
            latents = _denoise(pipeline, family, config, text, empty_text, device)
            picture = _decode(pipeline, family, config, latents, device)
            path = run.samples / f"{step:06d}-{index:02d}.png"
            Image.fromarray(picture).save(path, compress_level=1)
            row["file"] = f"samples/{path.name}"
        except Exception as error:  # whatever it is, a run of hours must not end for a picture
            failed += 1
            row["error"] = f"{type(error).__name__}: {error}"
            if device.type == "cuda":
                torch.cuda.empty_cache()
        run.append(
            "samples.jsonl", {**row, "seconds": round(time.monotonic() - began, 3), "time": time.time()}
        )
    return failed


@torch.no_grad()
def _denoise(
    pipeline: DiffusionPipeline,
    family: Family,
    config: SampleConfig,
    text: TextEmbeddings,
    empty_text: TextEmbeddings,
    device: torch.device,
) -> Tensor:
    size = (config.width_px, config.height_px)
    pipeline.vae.to(device)  # so that the pipeline computes there, wherever the transformer rests
    arguments = {
        "prompt_embeds": text.prompt_embeds[None].to(device),
        "pooled_prompt_embeds": text.pooled_prompt_embeds[None].to(device),
    }
    if family.takes_negative_prompt:
        arguments["negative_prompt_embeds"] = empty_text.prompt_embeds[None].to(device)
        arguments["negative_pooled_prompt_embeds"] = empty_text.pooled_prompt_embeds[None].to(device)
    steps = config.num_inference_steps
    latents: Tensor = pipeline(
        **arguments,
        width=size[0],
        height=size[1],
        num_inference_steps=steps,
        sigmas=np.linspace(1.0, 1.0 / steps, steps).tolist(),
        guidance_scale=config.guidance_scale,
        latents=family.initial_latents(pipeline, *size, seed=config.seed).to(device),
        output_type="latent",
    ).images
    return latents


@torch.no_grad()
def _decode(
    pipeline: DiffusionPipeline, family: Family, config: SampleConfig, latents: Tensor, device: torch.device
) -> np.ndarray:
    pipeline.vae.to(device)
    try:
        return family.decode(pipeline, latents, config.width_px, config.height_px).image
    finally:
        if device.type != "cpu":  # the decoder makes room for training
            pipeline.vae.to("cpu")
