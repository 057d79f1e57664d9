"""The steps of a run, with what lies between them: measure, draw, save, go on from a checkpoint.

What a step does follows from its number, so that a run goes on exactly from its last checkpoint.
Not here: the entry (`finetune.train`), a step itself (`finetune.learner`).
"""

from __future__ import annotations

import time
from typing import Literal

import torch
from accelerate import Accelerator

from finetune.checkpointing import load_checkpoint, newest_whole, prune, save_checkpoint, set_aside_after
from finetune.config.run_config import FinetuneConfig
from finetune.divergence import Diverged, DivergenceWatch
from finetune.learner import Learner, Row, summed
from finetune.preparing import Prepared
from finetune.reporting import Reporter
from finetune.run_folder import RunFolder
from finetune.samples import draw_samples
from finetune.trained_model import save_result
from finetune.training_state import gather_state, restore_state


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
        self.learner = Learner(config, prepared, accelerator)
        self.step = 0

    def restore(self, *, from_step: int | None = None) -> None:
        """Go on from the newest whole checkpoint, or from that of `from_step`; from nothing where there is none."""
        found = newest_whole(self.run.checkpoints, at=from_step)
        for complaint in () if found is None else found.complaints:
            self.reporter.say(complaint)
        if found is not None:
            tensors, numbers = load_checkpoint(found.folder)
            learner = self.learner
            restore_state(tensors, numbers, learner.parameters, learner.optimizer.optimizer, learner.ema)
            if self.accelerator.scaler is not None and numbers["scaler"] is not None:
                self.accelerator.scaler.load_state_dict(numbers["scaler"])
            self.step = found.step
        losses = [row["loss"] for row in self.run.rows() if 1 <= row.get("step", 0) <= self.step]
        self.learner.watch = DivergenceWatch(losses)
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
            row = self._step()
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
        learner, speaks = self.learner, self.reporter.speaks
        if speaks or self.learner.model.divided:
            tensors, numbers = gather_state(
                learner.parameters,
                learner.optimizer.optimizer,
                learner.ema,
                device=learner.device,
                keep=speaks,
            )
        if speaks:
            scaler = self.accelerator.scaler
            numbers["scaler"] = None if scaler is None else scaler.state_dict()
            save_checkpoint(self.run.checkpoints, self.step, tensors=tensors, numbers=numbers)
            schedule = self.config.schedule
            prune(self.run.checkpoints, keep=schedule.keep_checkpoints, keep_every=schedule.keep_every)
            self.reporter.now(checkpoint_step=self.step)
        self.accelerator.wait_for_everyone()

    def _between(self, step: int, *, sample: bool = False) -> None:
        """Measure and draw where it is due and not done yet: a run may have died just after its checkpoint."""
        last, every = self.config.schedule.num_steps, self.config.validation.every
        if every and (step % every == 0 or step == last) and not self._has("validation.jsonl", step):
            self.reporter.now(stage="validating")
            row = self.learner.measure()
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
        if not (self.reporter.speaks or self.learner.model.divided):
            return
        self.learner.model.transformer.eval()
        with self.learner.mean_weights(), self.accelerator.autocast():
            failed = draw_samples(
                self.run,
                step,
                pipeline=self.learner.model.pipeline,
                family=self.learner.model.family,
                config=self.config.samples,
                prompts=self.prepared.prompts,
                empty_text=self.prepared.data.empty_text,
                device=self.learner.device,
                writes=self.reporter.speaks,
            )
        if failed:
            self.reporter.say(f"{failed} samples of step {step} could not be drawn, see samples.jsonl")

    def _finish(self) -> None:
        self.reporter.now(stage="saving")
        if self.reporter.speaks or self.learner.model.divided:
            with self.learner.mean_weights():
                made = save_result(
                    self.learner.model,
                    self.run,
                    self.config,
                    step=self.step,
                    dataset_digest=self.prepared.data.digest,
                    device=self.learner.device,
                    writes=self.reporter.speaks,
                )
            if made is not None:
                self.reporter.say(f"written: {made.relative_to(self.run.path)}")
        self.accelerator.wait_for_everyone()

    def _has(self, file_name: str, step: int) -> bool:
        """Whether there is a row of this step; told by the first process to all."""
        there = self.reporter.speaks and any(row.get("step") == step for row in self.run.rows(file_name))
        return bool(summed(torch.tensor([float(there)]), self.accelerator).item())

    def _asked(self) -> tuple[bool, bool, bool]:
        """(stop, save, sample), the same in every process."""
        grant = self.reporter.grant
        asked = torch.tensor([float(grant("STOP")), float(grant("SAVE")), float(grant("SAMPLE"))])
        stop, save, sample = summed(asked, self.accelerator).tolist()
        return bool(stop), bool(save), bool(sample)

    def _step(self) -> Row:
        try:
            return self.learner.try_step(self.step + 1)
        except Diverged as error:
            raise Diverged(f"{error}; {self._remedy()}") from error

    def _remedy(self) -> str:
        kept = newest_whole(self.run.checkpoints) if self.reporter.speaks else None
        stands = (
            f"the checkpoint of step {kept.step} stands" if kept is not None else "no checkpoint was made yet"
        )
        return f"{stands}; duplicate the run with a lower optimizer.learning_rate or a longer warm-up"

    def _log(self, row: Row) -> None:
        if self.config.output.trackers:
            flat = {key: value for key, value in row.items() if isinstance(value, int | float)}
            flat |= {f"band_{name}": value for name, value in row.get("bands", {}).items()}
            self.accelerator.log(flat, step=row["step"])
