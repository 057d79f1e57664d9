"""Measure a model on this device, stage by stage, beside what its shapes foretell. Random weights will do.

Not here: building random pipelines (`finetune.backbones.random_pipeline`), the forecasts (`studio.memory_rungs`,
`finetune.memory.training_memory`), the command (`studio.cli.probe`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import psutil
import torch
from diffusers import DiffusionPipeline

from finetune.backbones import Family
from finetune.config.run_config import FinetuneConfig
from finetune.lora.layers import add_lora
from finetune.memory.peak import forget_peak, peak_bytes
from finetune.memory.training_memory import TEXT_TOKENS, TrainingMemory
from finetune.optimizers import make_optimizer
from studio.memory.fit_note import rungs_of
from studio.memory_rungs import RenderMemory, Rung
from studio.pipeline.taking_rungs import settle, text_encoders_at_work

_ENCODER_PLACES = ("text_encoder", "text_encoder_2", "text_encoder_3")
_CLIP_TOKENS, _T5_TOKENS = 77, 512


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: seconds of the whole of it, and the most bytes on the device."""

    name: str
    seconds: float
    peak_bytes: int
    """CUDA: what torch allocated. CPU: the process's growth since before the model."""

    forecast_bytes: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Probe:
    """What was measured of one model, size and rung, or of its training."""

    seconds_per_step: float
    """The median, the first step left out."""

    stages: tuple[Stage, ...]


def probe_render(
    pipeline: DiffusionPipeline,
    family: Family,
    forecast: RenderMemory,
    *,
    device: torch.device,
    size_px: tuple[int, int],
    num_steps: int,
    guided: bool,
    base_bytes: int,
) -> Probe:
    """Read a prompt of random tokens, denoise, decode.

    Args:
        pipeline: Weights on the CPU, or on the device for the rung "resident".
        size_px: (width, height).
        base_bytes: What the process held before the pipeline was made; taken off a CPU's peaks.
    """
    rung, stages, times = forecast.rung, list[Stage](), list[float]()
    settle(pipeline, rung, device)
    measure = _Meter(device, base_bytes)

    with torch.no_grad(), text_encoders_at_work(pipeline, rung, device):
        seconds, peak, _ = measure(lambda: _read_prompt(pipeline, device))
    if any(getattr(pipeline, place, None) is not None for place in _ENCODER_PLACES):
        stages.append(Stage("encode", seconds, peak, forecast.encode))

    def step_done(_: Any, index: int, *rest: Any) -> dict[str, Any]:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter())
        return {}

    noise = family.initial_latents(pipeline, *size_px, seed=0)
    seconds, peak, done = measure(
        lambda: pipeline(
            **_random_embeds(pipeline, family, device, guided),
            guidance_scale=4.0 if guided or family.name == "flux" else 1.0,
            width=size_px[0],
            height=size_px[1],
            num_inference_steps=num_steps + 1,
            latents=noise.to(device),
            output_type="latent",
            callback_on_step_end=step_done,
        )
    )
    stages.append(Stage("denoise", seconds, peak, forecast.denoise))
    seconds, peak, _ = measure(lambda: family.decode(pipeline, done.images, *size_px))
    stages.append(Stage("decode", seconds, peak, forecast.decode))
    return Probe(median(after - before for before, after in pairwise(times)), tuple(stages))


def probe_training(
    transformer: Any,
    family: Family,
    config: FinetuneConfig,
    forecast: TrainingMemory,
    *,
    device: torch.device,
    latent_shape: tuple[int, int, int],
    num_steps: int,
    base_bytes: int,
) -> Probe:
    """Take optimizer steps on random latents, as `finetune.loop` does: float32 masters, autocast, checkpointing."""
    if config.method.kind == "lora":
        add_lora(transformer, family, config.method, seed=0)
    else:
        transformer.float().requires_grad_(True)
    if config.resources.gradient_checkpointing:
        transformer.enable_gradient_checkpointing()
    transformer.to(device).train()
    trained = [parameter for parameter in transformer.parameters() if parameter.requires_grad]
    optimizer = make_optimizer(config.optimizer, trained)
    dtype = torch.bfloat16 if config.resources.precision == "bf16" else torch.float32
    settings, count = transformer.config, config.resources.batch_size
    tokens = TEXT_TOKENS[family.name]

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, device=device, dtype=dtype)

    times = list[float]()

    def steps() -> None:
        for _ in range(num_steps + 1):
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                velocity = family.velocity(
                    transformer,
                    random(*latent_shape),
                    torch.full((count,), 0.5, device=device, dtype=dtype),
                    random(tokens, settings.joint_attention_dim),
                    random(settings.pooled_projection_dim),
                    guidance_embed=1.0 if settings.get("guidance_embeds", False) else None,
                )
            velocity.float().square().mean().backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter())

    seconds, peak, _ = _Meter(device, base_bytes)(steps)
    per_step = median(after - before for before, after in pairwise(times))
    return Probe(per_step, (Stage("train", seconds, peak, forecast.total),))


def resident_bytes() -> int:
    """Of this process, for `base_bytes`."""
    return int(psutil.Process().memory_info().rss)


class _Meter:
    """Runs something and tells (seconds, peak bytes, result)."""

    def __init__(self, device: torch.device, base_bytes: int) -> None:
        self._device, self._base = device, base_bytes

    def __call__(self, call: Callable[[], Any]) -> tuple[float, int, Any]:
        forget_peak(self._device)
        began = time.perf_counter()
        result = call()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        seconds = time.perf_counter() - began
        peak = peak_bytes(self._device)
        return seconds, peak - (self._base if self._device.type == "cpu" else 0), result


def _read_prompt(pipeline: DiffusionPipeline, device: torch.device) -> None:
    for place in _ENCODER_PLACES:
        encoder = getattr(pipeline, place, None)
        if encoder is not None:
            has_places = hasattr(encoder.config, "max_position_embeddings")
            count = encoder.config.max_position_embeddings if has_places else _T5_TOKENS
            encoder(torch.ones(1, count, dtype=torch.long, device=device))


def _random_embeds(
    pipeline: DiffusionPipeline, family: Family, device: torch.device, guided: bool
) -> dict[str, torch.Tensor]:
    config, dtype = pipeline.transformer.config, pipeline.vae.dtype
    generator = torch.Generator("cpu").manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(1, *shape, generator=generator).to(device, dtype)

    embeds = {
        "prompt_embeds": random(TEXT_TOKENS[family.name], config.joint_attention_dim),
        "pooled_prompt_embeds": random(config.pooled_projection_dim),
    }
    if guided:
        embeds |= {f"negative_{name}": random(*value.shape[1:]) for name, value in embeds.items()}
    return embeds


def probe_rungs(device: torch.device, *, random: bool) -> tuple[Rung, ...]:
    """Those of this machine that can be measured: bitsandbytes makes its 4 bits of files, not of random weights."""
    found = rungs_of(on_cpu=device.type == "cpu")
    return tuple(rung for rung in found if not (random and rung == "nf4"))
