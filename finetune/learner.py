"""What learns: the network with its optimizer, one step at a time.

A step's order, noise and rate follow from its number. Not here: how many steps, what is saved (`finetune.loop`), what
is trained (`finetune.trained_model`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from finetune.config.run_config import FinetuneConfig
from finetune.data.batches import Batch, BatchPlan, load_batch, seed_of
from finetune.divergence import Diverged, DivergenceWatch
from finetune.ema import Ema
from finetune.memory.peak import peak_bytes
from finetune.objectives.losses import BANDS, Prediction, band_errors, make_objective
from finetune.optimizers import learning_rate, make_optimizer
from finetune.preparing import DTYPES, Prepared
from finetune.sharding import clip_divided, let_go
from finetune.trained_model import TrainedModel, open_model
from finetune.validation import validate

Row = dict[str, Any]


class Learner:
    """One process's part of it."""

    def __init__(self, config: FinetuneConfig, prepared: Prepared, accelerator: Accelerator) -> None:
        self.config, self.prepared, self.accelerator = config, prepared, accelerator
        self.device = accelerator.device
        self.model: TrainedModel = open_model(config, accelerator)
        self.parameters = self.model.parameters()
        optimizer = make_optimizer(config.optimizer, self.parameters.values())
        self.network = self.model.transformer
        if not self.model.divided:  # else its processes speak for themselves
            self.network = accelerator.prepare(self.network)
        self.optimizer = accelerator.prepare(optimizer)
        decay = config.optimizer.ema_decay
        self.ema = Ema(self.parameters, decay) if decay else None
        self.watch = DivergenceWatch()
        self._objective = make_objective(config.objective, band_energy=prepared.band_energy)
        self._plan = BatchPlan(
            prepared.data.sizes_px,
            prepared.train,
            batch_size=config.resources.batch_size,
            seed=config.schedule.seed,
        )

    def predict(self, batch: Batch) -> Prediction:
        """Call the network on a batch."""
        dtype = DTYPES[self.config.resources.precision]
        latents, noise = batch.latents.to(self.device), batch.noise.to(self.device)
        sigmas = batch.sigmas.to(self.device)
        sigma = sigmas.reshape(-1, 1, 1, 1)
        with self.accelerator.autocast() if self.model.divided else nullcontext():
            velocity = self.model.family.velocity(
                self.network,
                (1 - sigma) * latents + sigma * noise,
                sigmas,
                batch.prompt_embeds.to(self.device, dtype),
                batch.pooled_prompt_embeds.to(self.device, dtype),
                guidance_embed=self.config.model.guidance_embed if self.model.hears_guidance else None,
            )
        return Prediction(velocity.float(), latents, noise, sigmas)

    def measure(self) -> Row:
        """Validation, with the running mean of weights where one is kept."""
        self.network.eval()
        with self.mean_weights():
            return validate(
                self.prepared.data, self.prepared.validation, self.config.validation, self.predict
            )

    def try_step(self, step: int) -> Row:
        """Train on the batches of one step, without keeping count.

        Raises Diverged where the loss or the gradient is no number; no weight has moved then.
        """
        began, config = time.monotonic(), self.config
        accumulation, world = config.resources.accumulation, self.accelerator.num_processes
        rate = learning_rate(config.optimizer, step, config.schedule.num_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        told, odd_sigmas = torch.zeros(6, dtype=torch.float64), []
        for place in range(accumulation):
            number = ((step - 1) * accumulation + place) * world + self.accelerator.process_index
            batch = self._batch(number)
            torch.manual_seed(seed_of(config.schedule.seed, number, 1))  # of dropout
            with self.accelerator.accumulate(self.network):
                prediction = self.predict(batch)
                losses = self._objective(prediction)
                self.accelerator.backward(losses.mean())
            losses = losses.detach().double().cpu()
            bands = band_errors(prediction).double().mean(0).cpu()
            told += torch.stack([losses.mean(), *bands, batch.sigmas.double().mean()]) / accumulation
            odd_sigmas += batch.sigmas[~losses.isfinite()].tolist()
        loss, *errors, sigma = (summed(told, self.accelerator) / world).tolist()
        sigmas = ", ".join(f"{each:.3f}" for each in odd_sigmas) if odd_sigmas else f"{sigma:.3f} on average"
        where = f"step {step} (sigma {sigmas})"
        norm = self._clip()
        self.watch.check(loss, where)
        if not math.isfinite(float(norm)) and self.accelerator.scaler is None:
            raise Diverged(f"the gradient is {float(norm)} at {where}")
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.ema is not None:
            self.ema.update(step)
        return {
            "step": step,
            "time": time.time(),
            "loss": loss,
            "bands": dict(zip(BANDS, errors, strict=True)),
            "grad_norm": float(norm),
            "learning_rate": rate,
            "sigma": sigma,
            "seconds": round(time.monotonic() - began, 4),
            "peak_bytes": peak_bytes(self.device),
        }

    @contextmanager
    def mean_weights(self) -> Iterator[None]:
        """Within the block the network has the running mean of its weights, where one is kept."""
        with nullcontext() if self.ema is None else self.ema.worn():
            let_go(self.network)
            yield
        let_go(self.network)

    def _clip(self) -> Tensor:
        """Cut gradients to the longest allowed; returns their norm before."""
        limit = self.config.optimizer.max_grad_norm if self.config.optimizer.max_grad_norm else math.inf
        if self.model.divided:
            return clip_divided(self.parameters.values(), limit, self.accelerator)
        norm: Tensor = self.accelerator.clip_grad_norm_(self.parameters.values(), limit)
        return norm

    def _batch(self, number: int) -> Batch:
        indexes = self._plan.batch(number)
        size = self.prepared.data.sizes_px[indexes[0]]
        return load_batch(
            self.prepared.data,
            indexes,
            number=number,
            seed=self.config.schedule.seed,
            timesteps=self.config.timesteps,
            shift=self.model.family.timestep_shift(self.model.pipeline, *size),
            caption_dropout=self.config.data.caption_dropout,
        )


def summed(values: Tensor, accelerator: Accelerator) -> Tensor:
    """The sum over all processes, the same in each."""
    if accelerator.num_processes == 1:
        return values
    total: Tensor = accelerator.reduce(values.to(accelerator.device), "sum")
    return total.cpu()
