"""A few steps that change nothing: what one costs, and what the whole run will."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

import torch

from finetune.config.run_config import FinetuneConfig
from finetune.loop import Trainer
from finetune.memory.peak import peak_bytes
from finetune.run_folder import write_whole

WARM_STEPS, TIMED_STEPS = 1, 2
_MOMENTS = {"adamw": 2.0, "adamw8bit": 0.5, "prodigy": 4.0}
"""float32 copies of the trained weights that an optimizer keeps."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """Written to dry_run.json."""

    seconds_per_step: float
    peak_bytes: int
    device: str
    num_trained: int
    num_steps: int
    seconds_forecast: float
    """Of all steps, validations and samples."""

    bytes_forecast: int
    """Disk that checkpoints and the result will take."""

    time: float


def dry_run(trainer: Trainer) -> DryRun:
    """Take three steps, time the last two, and forget them; the process should end after it."""
    for step in range(1, WARM_STEPS + 1):
        trainer.learner.try_step(step)
    began = time.monotonic()
    for step in range(WARM_STEPS + 1, WARM_STEPS + TIMED_STEPS + 1):
        trainer.learner.try_step(step)
    per_step = (time.monotonic() - began) / TIMED_STEPS
    began = time.monotonic()
    trainer.learner.measure()
    per_validation = time.monotonic() - began
    config = trainer.config
    forwards = len(config.validation.sigmas) * len(trainer.prepared.validation)
    cuda = trainer.learner.device.type == "cuda"
    found = DryRun(
        seconds_per_step=per_step,
        peak_bytes=peak_bytes(trainer.learner.device),
        device=torch.cuda.get_device_name(trainer.learner.device) if cuda else "CPU",
        num_trained=sum(parameter.numel() for parameter in trainer.learner.parameters.values()),
        num_steps=config.schedule.num_steps,
        seconds_forecast=_seconds(config, per_step, per_validation, per_validation / forwards),
        bytes_forecast=checkpoint_bytes(config, trainer.learner.parameters.values())
        * (config.schedule.keep_checkpoints + 1),
        time=time.time(),
    )
    if trainer.reporter.speaks:
        write_whole(trainer.run.path / "dry_run.json", json.dumps(asdict(found)))
    return found


def checkpoint_bytes(config: FinetuneConfig, parameters: object) -> int:
    """Of one checkpoint: weights, what the optimizer keeps of them, and their running mean."""
    weights = sum(p.numel() * 4 for p in parameters)  # type: ignore[attr-defined]
    return int(weights * (1 + _MOMENTS[config.optimizer.kind] + bool(config.optimizer.ema_decay)))


def _seconds(config: FinetuneConfig, per_step: float, per_validation: float, per_forward: float) -> float:
    """The whole run, where a sample is its forward passes at the size it is drawn."""
    steps, samples = config.schedule.num_steps, config.samples
    validations = 1 + -(-steps // config.validation.every) if config.validation.every else 0
    drawings = (1 + -(-steps // samples.every)) * len(samples.prompts) if samples.every else 0
    enlarged = samples.width_px * samples.height_px / config.data.resolution_px**2
    twice = 2 if samples.guidance_scale > 1 else 1
    per_drawing = per_forward * enlarged * twice * samples.num_inference_steps
    return steps * per_step + validations * per_validation + drawings * per_drawing
