"""What an objective costs in a training step, beside the plain velocity MSE: `python -m tests.bench.bench_objectives`.

One step of Micro-4K (LoRA, float32) on random latents, the objectives taken in turn so that a busy machine slows all of
them alike. Prints the median ratio of each to the first, taken within a turn.
"""

from __future__ import annotations

import statistics
import time
from typing import Annotated

import torch
import typer

from finetune.backbones import FAMILIES
from finetune.config.run_config import MethodConfig, ObjectiveConfig
from finetune.lora.layers import add_lora
from finetune.objectives.losses import Prediction, band_errors, make_objective
from finetune.preparing import base_folder

OBJECTIVES = {
    "velocity": ObjectiveConfig(),
    "wlf": ObjectiveConfig(kind="wlf"),
    "wavelet haar, 1 level": ObjectiveConfig(kind="wavelet", detail_weights=((4.0, 4.0, 4.0),)),
    "wavelet db4, 3 levels": ObjectiveConfig(
        kind="wavelet", wavelet="db4", levels=3, detail_weights=((4.0, 4.0, 4.0),) * 3
    ),
    "pseudo-Huber": ObjectiveConfig(kind="wavelet", penalty="pseudo_huber"),
    "lwd": ObjectiveConfig(kind="lwd"),
}


def main(
    side: Annotated[int, typer.Option(help="Of the picture, px.")] = 1024,
    rounds: Annotated[int, typer.Option(help="Steps of each objective.")] = 15,
) -> None:
    """Time whole steps: forward, objective, bands for the log, backward."""
    family = FAMILIES["sd3"]
    pipeline, _ = family.load(base_folder("assets/micro-4k"))
    transformer = pipeline.transformer
    add_lora(transformer, family, MethodConfig(), seed=0)
    generator = torch.Generator().manual_seed(0)
    shape = family.geometry(pipeline).latent_shape(side, side)
    latents, noise = (torch.randn(1, *shape, generator=generator) for _ in range(2))
    config = transformer.config
    embeds = torch.randn(1, 85, config.joint_attention_dim, generator=generator)
    pooled = torch.randn(1, config.pooled_projection_dim, generator=generator)
    sigmas = torch.tensor([0.6])
    seconds: dict[str, list[float]] = {name: [] for name in OBJECTIVES}
    alone: dict[str, list[float]] = {name: [] for name in OBJECTIVES}
    made = {name: make_objective(settings) for name, settings in OBJECTIVES.items()}
    for turn in range(rounds + 1):
        for name, objective in made.items():
            transformer.zero_grad()
            began = time.perf_counter()
            velocity = family.velocity(
                transformer, 0.4 * latents + 0.6 * noise, sigmas, embeds, pooled, guidance_embed=None
            )
            prediction = Prediction(velocity, latents, noise, sigmas)
            objective_began = time.perf_counter()
            loss = objective(prediction).mean()
            objective_took = time.perf_counter() - objective_began
            loss.backward()
            band_errors(prediction)
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - began)
                alone[name].append(objective_took)
    base = statistics.median(seconds["velocity"])
    print(f"{side} x {side} px, {base:.3f} s a step with velocity MSE, {rounds} rounds")
    print("| objective | step, ratio (quartiles) | objective's own forward, share of the step |")
    print("|---|---|---|")
    for name, times in seconds.items():
        share = statistics.median(alone[name]) / statistics.median(times)
        ratios = [mine / plain for mine, plain in zip(times, seconds["velocity"], strict=True)]  # of one turn
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"| {name} | {middle:.3f} ({low:.3f} to {high:.3f}) | {share:.2%} |")


if __name__ == "__main__":
    typer.run(main)
