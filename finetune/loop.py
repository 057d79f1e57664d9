"""The steps of a run: predict, penalise, move; measure, draw and save in between.

A step's order, noise and rate follow from its number, so that a run goes on exactly from its last checkpoint.
Not here: the entry (`finetune.train`), what is trained (`finetune.trained_model`).
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import torch
from accelerate import Accelerator
from torch import Tensor

from finetune.checkpointing import load_checkpoint, newest_whole, prune, save_checkpoint, set_aside_after
from finetune.config.run_config import FinetuneConfig
from finetune.data.batches import Batch, BatchPlan, load_batch, seed_of
from finetune.divergence import Diverged, DivergenceWatch
from finetune.ema import Ema
from finetune.objectives.losses import BANDS, Prediction, band_errors, make_objective
from finetune.optimizers import learning_rate, make_optimizer
from finetune.preparing import DTYPES, Prepared
from finetune.reporting import Reporter
from finetune.run_folder import RunFolder
from finetune.samples import draw_samples
from finetune.sharding import clip_divided, let_go
from finetune.trained_model import TrainedModel, open_model, save_result
from finetune.training_state import gather_state, restore_state
from finetune.validation import validate

Row = dict[str, Any]


class Trainer:
    """One process's part of a run."""

    def __init__(
        self,
        run: RunFolder,
        config: FinetuneConfig,
        prepared: Prepared,
        accelerator: Accelerator,
        reporter: Reporter,
    ) -> None:
        self.run, self.config, self.prepared = run, config, prepared
        self.accelerator, self.reporter = accelerator, reporter
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
        self.objective = make_objective(config.objective, band_energy=prepared.band_energy)
        self.plan = BatchPlan(
            prepared.data.sizes_px,
            prepared.train,
            batch_size=config.resources.batch_size,
            seed=config.schedule.seed,
        )
        self.step = 0
        self._watch = DivergenceWatch()

    def restore(self, *, from_step: int | None = None) -> None:
        """Go on from the newest whole checkpoint, or from that of `from_step`; from nothing where there is none."""
        found = newest_whole(self.run.checkpoints, at=from_step)
        for complaint in () if found is None else found.complaints:
            self.reporter.say(complaint)
        if found is not None:
            tensors, numbers = load_checkpoint(found.folder)
            restore_state(tensors, numbers, self.parameters, self.optimizer.optimizer, self.ema)
            if self.accelerator.scaler is not None and numbers["scaler"] is not None:
                self.accelerator.scaler.load_state_dict(numbers["scaler"])
            self.step = found.step
        losses = [row["loss"] for row in self.run.rows() if 1 <= row.get("step", 0) <= self.step]
        self._watch = DivergenceWatch(losses)
        self.accelerator.wait_for_everyone()  # nobody reads any more: files may move
        if self.reporter.speaks and (found is not None or self.run.rows()):
            later = set_aside_after(self.run.checkpoints, self.step)
            for step in later:
                self.reporter.say(f"the checkpoint of step {step} was put into checkpoints/aside")
            self.run.mark_restart(self.step)
            self.reporter.say(f"going on after step {self.step}")
        self.reporter.now(step=self.step, checkpoint_step=self.step)

    def train(self) -> Literal["done", "stopped"]:
        """All remaining steps. Raises Diverged, and ValueError where a checkpoint cannot be written."""
        every, last = self.config.schedule.checkpoint_every, self.config.schedule.num_steps
        self._between(self.step)
        while self.step < last:
            row = self.try_step(self.step + 1)
            self.step += 1
            if self.reporter.speaks:
                self.run.append("steps.jsonl", row)
            self.reporter.now(stage="training", step=self.step)
            self._log(row)
            stop, save, sample = self._asked()
            if self.step % every == 0 or self.step == last or stop or save:
                self.save()
            if stop:
                self._finish()
                return "stopped"
            self._between(self.step, sample=sample)
        self._finish()
        return "done"

    def save(self) -> None:
        """A checkpoint of this step."""
        self.reporter.now(stage="saving")
        speaks = self.reporter.speaks
        if speaks or self.model.divided:
            tensors, numbers = gather_state(
                self.parameters, self.optimizer.optimizer, self.ema, device=self.device, keep=speaks
            )
        if speaks:
            scaler = self.accelerator.scaler
            numbers["scaler"] = None if scaler is None else scaler.state_dict()
            save_checkpoint(self.run.checkpoints, self.step, tensors=tensors, numbers=numbers)
            schedule = self.config.schedule
            prune(self.run.checkpoints, keep=schedule.keep_checkpoints, keep_every=schedule.keep_every)
            self.reporter.now(checkpoint_step=self.step)
        self.accelerator.wait_for_everyone()

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
        with self._mean_weights():
            return validate(
                self.prepared.data, self.prepared.validation, self.config.validation, self.predict
            )

    def try_step(self, step: int) -> Row:
        """Train on the batches of one step, without keeping count; nothing moves where the loss is no number."""
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
                losses = self.objective(prediction)
                self.accelerator.backward(losses.mean())
            losses = losses.detach().double().cpu()
            bands = band_errors(prediction).double().mean(0).cpu()
            told += torch.stack([losses.mean(), *bands, batch.sigmas.double().mean()]) / accumulation
            odd_sigmas += batch.sigmas[~losses.isfinite()].tolist()
        loss, *errors, sigma = self._mean(told).tolist()
        sigmas = ", ".join(f"{each:.3f}" for each in odd_sigmas) if odd_sigmas else f"{sigma:.3f} on average"
        where = f"step {step} (sigma {sigmas})"
        norm = self._clip()
        try:
            self._watch.check(loss, where)
            if not math.isfinite(float(norm)) and self.accelerator.scaler is None:
                raise Diverged(f"the gradient is {float(norm)} at {where}")
        except Diverged as error:
            raise Diverged(f"{error}; {self._remedy()}") from error
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

    def _clip(self) -> Tensor:
        """Cut gradients to the longest allowed; returns their norm before."""
        limit = self.config.optimizer.max_grad_norm if self.config.optimizer.max_grad_norm else math.inf
        if self.model.divided:
            return clip_divided(self.parameters.values(), limit, self.accelerator)
        norm: Tensor = self.accelerator.clip_grad_norm_(self.parameters.values(), limit)
        return norm

    def _batch(self, number: int) -> Batch:
        indexes = self.plan.batch(number)
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

    def _between(self, step: int, *, sample: bool = False) -> None:
        """Measure and draw where it is due and not done yet: a run may have died just after its checkpoint."""
        last, every = self.config.schedule.num_steps, self.config.validation.every
        if every and (step % every == 0 or step == last) and not self._has("validation.jsonl", step):
            self.reporter.now(stage="validating")
            row = self.measure()
            if self.reporter.speaks:
                self.run.append("validation.jsonl", {"step": step, "time": time.time(), **row})
            self._log({"step": step, "validation_loss": row["loss"]})
        every = self.config.samples.every
        due = every and (step % every == 0 or step == last) and not self._has("samples.jsonl", step)
        if (due or sample) and self.config.samples.prompts:
            self.reporter.now(stage="sampling")
            self._draw(step)
        self.accelerator.wait_for_everyone()

    def _draw(self, step: int) -> None:
        if not (self.reporter.speaks or self.model.divided):
            return
        self.model.transformer.eval()
        with self._mean_weights(), self.accelerator.autocast():
            failed = draw_samples(
                self.run,
                step,
                pipeline=self.model.pipeline,
                family=self.model.family,
                config=self.config.samples,
                prompts=self.prepared.prompts,
                empty_text=self.prepared.data.empty_text,
                device=self.device,
                writes=self.reporter.speaks,
            )
        if failed:
            self.reporter.say(f"{failed} samples of step {step} could not be drawn, see samples.jsonl")

    def _finish(self) -> None:
        self.reporter.now(stage="saving")
        if self.reporter.speaks or self.model.divided:
            with self._mean_weights():
                made = save_result(
                    self.model,
                    self.run,
                    self.config,
                    step=self.step,
                    dataset_digest=self.prepared.data.digest,
                    device=self.device,
                    writes=self.reporter.speaks,
                )
            if made is not None:
                self.reporter.say(f"written: {made.relative_to(self.run.path)}")
        self.accelerator.wait_for_everyone()

    def _has(self, file_name: str, step: int) -> bool:
        """Whether there is a row of this step; told by the first process to all."""
        there = self.reporter.speaks and any(row.get("step") == step for row in self.run.rows(file_name))
        return bool(self._sum(torch.tensor([float(there)])).item())

    def _asked(self) -> tuple[bool, bool, bool]:
        """(stop, save, sample), the same in every process."""
        grant = self.reporter.grant
        stop, save, sample = self._sum(
            torch.tensor([float(grant("STOP")), float(grant("SAVE")), float(grant("SAMPLE"))])
        ).tolist()
        return bool(stop), bool(save), bool(sample)

    def _remedy(self) -> str:
        kept = newest_whole(self.run.checkpoints) if self.reporter.speaks else None
        stands = (
            f"the checkpoint of step {kept.step} stands" if kept is not None else "no checkpoint was made yet"
        )
        return f"{stands}; duplicate the run with a lower optimizer.learning_rate or a longer warm-up"

    @contextmanager
    def _mean_weights(self) -> Iterator[None]:
        with nullcontext() if self.ema is None else self.ema.worn():
            let_go(self.network)
            yield
        let_go(self.network)

    def _mean(self, values: Tensor) -> Tensor:
        return self._sum(values) / self.accelerator.num_processes

    def _sum(self, values: Tensor) -> Tensor:
        if self.accelerator.num_processes == 1:
            return values
        summed: Tensor = self.accelerator.reduce(values.to(self.device), "sum")
        return summed.cpu()

    def _log(self, row: Row) -> None:
        if self.config.output.trackers:
            flat = {key: value for key, value in row.items() if isinstance(value, int | float)}
            flat |= {f"band_{name}": value for name, value in row.get("bands", {}).items()}
            self.accelerator.log(flat, step=row["step"])


def peak_bytes(device: torch.device) -> int:
    """The most memory held so far: of the GPU, or on a CPU of the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
