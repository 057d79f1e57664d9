"""Train a run: `accelerate launch -m finetune.train RUN`, or `python -m finetune.train RUN`. Again is to go on.

The run's folder says what is trained; its config.json was written when it was made (`finetune.run_folder`).
Exit code 0 where it is done or stopped as asked, 1 where it failed: the reason is in status.json and log.txt.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.config.files import to_values
from finetune.config.run_config import FinetuneConfig
from finetune.reporting import Reporter, RunStopped
from finetune.run_folder import RunFolder
from finetune.run_status import State

if TYPE_CHECKING:
    from accelerate import Accelerator

    from finetune.loop import Trainer

PATIENCE = timedelta(hours=24)
"""That the other processes wait for the first to encode the dataset."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m finetune.train", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument(
        "--dry-run", action="store_true", help="three steps that change nothing, and a forecast"
    )
    parser.add_argument("--from-step", type=int, help="go on from this checkpoint instead of the newest")
    given = parser.parse_args(arguments)
    run, speaks = RunFolder(given.run), int(os.environ.get("RANK", "0")) == 0
    try:
        config = run.config()
        # Held by the first process alone, and let go of by the system however it ends.
        with run.held() if speaks else nullcontext():
            before = run.state().state
            reporter = Reporter(run, config.schedule.num_steps, speaks=speaks)
            for request in ("STOP", "SAVE", "SAMPLE"):  # what was asked of a process that is gone
                reporter.grant(request)
            with reporter.beating():
                if given.dry_run:
                    return _told(reporter, config, lambda: (before, _try(run, config, reporter)))
                return _told(reporter, config, lambda: _train(run, config, reporter, given.from_step))
    except ValueError as error:  # no run, one of a newer version, one that is being trained
        print(f"{error}", file=sys.stderr)
        return 1


def _told(reporter: Reporter, config: FinetuneConfig, work: Callable[[], tuple[State, str]]) -> int:
    """Do the work, and say how it ended."""
    try:
        reporter.end(*work())
        return 0
    except RunStopped:
        reporter.end("stopped", "stopped before its first step; what was encoded is kept")
        return 0
    except ValueError as error:
        reporter.end("failed", str(error))
    except Exception as error:
        reporter.say(traceback.format_exc())
        reporter.end("failed", _in_words(error, config))
    return 1


def _train(
    run: RunFolder, config: FinetuneConfig, reporter: Reporter, from_step: int | None
) -> tuple[State, str]:
    """All remaining steps; how it ended, and a sentence."""
    trainer = _opened(run, config, reporter, trackers=config.output.trackers)
    trainer.restore(from_step=from_step)
    how = trainer.train()
    # With the last one done: a process that ends while gloo's threads still run is aborted.
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()
    place = f"after step {trainer.step} of {config.schedule.num_steps}"
    return how, "all steps are done" if how == "done" else f"stopped {place}; resume it to go on"


def _try(run: RunFolder, config: FinetuneConfig, reporter: Reporter) -> str:
    from finetune.dry_run import dry_run

    # It leaves nothing behind, elsewhere neither: no tracker is told.
    found = dry_run(_opened(run, config, reporter, trackers=()))
    return (
        f"dry run: {found.seconds_per_step:.2f} s a step, {found.peak_bytes / 2**30:.1f} GiB at the peak, "
        f"the whole run about {found.seconds_forecast / 60:.0f} minutes"
    )


def _opened(
    run: RunFolder, config: FinetuneConfig, reporter: Reporter, *, trackers: tuple[str, ...]
) -> Trainer:
    for tracker in trackers:  # Accelerate would go on without it, and say nothing
        if find_spec(tracker) is None:
            raise ValueError(
                f"{tracker} is not installed; pip install 'diffusion-4k-studio[trackers]', or take it out of "
                "output.trackers"
            )
    reporter.stage("opening the model", "loading torch")
    from finetune.loop import Trainer
    from finetune.memory.cpu_memory import keep_freed_memory
    from finetune.preparing import open_prepared, prepare

    accelerator = _accelerator(run, config, trackers)
    if accelerator.device.type == "cpu":
        keep_freed_memory()
    if accelerator.is_main_process:
        prepare(run, config, device=accelerator.device, on_stage=reporter.stage)
    accelerator.wait_for_everyone()
    reporter.stage("opening the model", config.model.base)
    return Trainer(run, config, open_prepared(run, config), accelerator, reporter)


def _accelerator(run: RunFolder, config: FinetuneConfig, trackers: tuple[str, ...]) -> Accelerator:
    from accelerate import Accelerator, InitProcessGroupKwargs
    from accelerate.utils import DistributedType, ProjectConfiguration

    resources = config.resources
    accelerator = Accelerator(
        mixed_precision="no" if resources.precision == "fp32" else resources.precision,
        gradient_accumulation_steps=resources.accumulation,
        cpu=resources.device == "cpu",
        log_with=list(trackers) or None,
        project_config=ProjectConfiguration(logging_dir=str(run.path / "trackers")),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
    )
    if resources.precision == "fp16" and accelerator.device.type != "cuda":
        raise ValueError("resources.precision = 'fp16' needs a GPU; use fp32 on a CPU")
    if accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        raise ValueError(
            f"the launcher asks for {accelerator.distributed_type.value}, and how a run is divided is a setting of "
            "the run: set resources.sharded = true (or cpu_offload) and launch with --multi_gpu"
        )
    if trackers:
        flat = {
            f"{section}.{name}": str(value)
            for section, values in to_values(config).items()
            for name, value in values.items()
        }
        accelerator.init_trackers("diffusion-4k-studio", flat)
    return accelerator


def _in_words(error: Exception, config: FinetuneConfig) -> str:
    """One sentence, with the remedy where one is known."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full; free some space, then resume: it goes on from its last checkpoint"
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        resources = config.resources
        small = not resources.divided and resources.device != "cpu"  # what bitsandbytes can do
        ways = [
            *(() if resources.gradient_checkpointing else ("resources.gradient_checkpointing = true",)),
            *(() if resources.batch_size == 1 else ("resources.batch_size = 1 with more accumulation",)),
            *(() if resources.precision != "fp32" else ("resources.precision = 'bf16'",)),
            *(() if config.method.kind == "lora" else ("method.kind = 'lora'",)),
            *(("optimizer.kind = 'adamw8bit'",) if small and config.optimizer.kind != "adamw8bit" else ()),
            *(
                ("method.quantise_base = 'nf4'",)
                if small and config.method.kind == "lora" and config.method.quantise_base != "nf4"
                else ()
            ),
            *(() if resources.sharded or resources.processes == 1 else ("resources.sharded = true",)),
            *(
                ()
                if resources.cpu_offload or resources.device == "cpu"
                else ("resources.cpu_offload = true",)
            ),
            f"data.resolution_px below {config.data.resolution_px}",
        ]
        return f"memory ran out; change, in this order: {'; '.join(ways)}; then duplicate the run and begin again"
    return f"{type(error).__name__}: {error} (an error of the trainer, see log.txt)"


if __name__ == "__main__":
    sys.exit(main())
