"""How a training process is started, the same from the page and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from finetune.processes import NEW_GROUP
from finetune.run_folder import RunFolder
from studio.home.settings import ROOT


def training_command(run: Path, *, dry_run: bool = False, from_step: int | None = None) -> tuple[str, ...]:
    """Of as many processes on this machine as the run says: one alone, several by `accelerate launch`.

    One needs no launcher, which loads torch once more before it begins, and reads settings that are not the run's.
    Several machines: see README.
    """
    return (
        *(sys.executable, "-u", *_launcher(RunFolder(run).config().resources.processes)),
        *("-m", "finetune.train", str(run)),
        *(("--dry-run",) if dry_run else ()),
        *(() if from_step is None else ("--from-step", str(from_step))),
    )


def _launcher(processes: int) -> tuple[str, ...]:
    if processes == 1:
        return ()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = max(1, (1 if cores is None else cores) // processes)
    return (
        *("-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--main_process_port", "0"),
        *("--num_processes", str(processes), "--num_machines", "1"),
        *("--mixed_precision", "no", "--dynamo_backend", "no"),
        *("--num_cpu_threads_per_process", str(threads)),
    )


def start_training(run: Path, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, so that it outlives us; what it prints is appended to the run's console.txt."""
    with (run / "console.txt").open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(run),
            start_new_session=True,
            creationflags=NEW_GROUP,
        )


def _environment(run: Path) -> dict[str, str]:
    """Our packages are found from wherever the studio was started."""
    cpu = RunFolder(run).config().resources.device == "cpu"
    root = str(ROOT)
    inherited = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([root, *inherited]),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **(
            {"ACCELERATE_USE_CPU": "1"} if cpu else {}
        ),  # several processes of it, which the launcher would refuse
    }
