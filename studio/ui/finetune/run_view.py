"""One training run: its state in words, progress, chips, buttons, and the end of its log."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path

import psutil
from gradio.data_classes import GradioModel

from studio.home.disk import free_mib
from studio.memory.free import graphics_card
from studio.training.curves import RunCurves
from studio.training.run_lines import RunLine
from studio.training.runs import Trainings
from studio.ui.components import Drawn
from studio.ui.messages import short_seconds

CARD_FRESH_S = 2.0


class RunChip(GradioModel):
    name: str
    value: str
    hint: str = ""


class RunContent(GradioModel):
    name: str = ""
    state: str = ""
    sentence: str = ""
    progress: str = ""
    """Such as "step 34 of 60 · 2.1 s per step · 52 s left"."""
    fraction: float = 0.0
    parent: str = ""
    chips: tuple[RunChip, ...] = ()
    actions: tuple[str, ...] = ()
    checkpoints: tuple[int, ...] = ()


class RunView(Drawn):
    """Events: act (action, name, step), copy (name), use (name)."""

    data_model = RunContent
    scripts = ("run_view.js",)
    markup = """
<section class="run-none" aria-label="How a training begins" hidden>
  <h2>A run shows here</h2>
  <ol>
    <li><b>Choose pictures with captions</b>: a folder, a zip, or a dataset of the hub. Each is looked at first, and
      what is left out is named.</li>
    <li><b>Dry run</b>: a few steps of this very training tell how long the whole will take, and whether it fits into
      memory.</li>
    <li><b>Start</b>: loss by noise level and wavelet band, sample pictures and checkpoints appear as it goes. It can be
      stopped, and resumed to the same weights.</li>
  </ol>
</section>
<section class="run" aria-label="Chosen run" hidden>
  <header class="run-head"><h2></h2><span class="runs-state"></span><small class="run-parent"></small></header>
  <p class="run-sentence" role="status"></p>
  <div class="run-bar"><i></i></div>
  <p class="run-progress"></p>
  <div class="run-actions"></div>
  <dl class="run-chips"></dl>
</section>
"""


class LogContent(GradioModel):
    text: str = ""


class RunLog(Drawn):
    """The end of log.txt; it stays at its end unless the reader has scrolled up."""

    data_model = LogContent
    scripts = ("run_log.js",)
    markup = """
<details class="run-log" hidden><summary>Log</summary><pre tabindex="0" aria-label="End of the log"></pre></details>
"""


def run_content(trainings: Trainings, line: RunLine, curves: RunCurves) -> RunContent:
    return RunContent(
        name=line.name,
        state="stopping" if line.stopping and line.is_active else line.state,
        sentence=_sentence(line),
        progress=_progress(line),
        fraction=min(1.0, line.step / line.num_steps) if line.num_steps else 0.0,
        parent=line.parent,
        chips=_chips(trainings, line, curves),
        actions=trainings.actions(line),
        checkpoints=trainings.checkpoints(line.name),
    )


def _sentence(line: RunLine) -> str:
    if line.stopping and line.is_active:
        return "saves and stops after this step"
    return line.sentence


def _progress(line: RunLine) -> str:
    parts = [f"step {line.step:,} of {line.num_steps:,}"] if line.num_steps else []
    if line.seconds_per_step is not None:
        parts.append(f"{short_seconds(line.seconds_per_step)} per step")
    if line.seconds_left is not None:
        parts.append(f"{short_seconds(line.seconds_left)} left")
    return " · ".join(parts)


def _chips(trainings: Trainings, line: RunLine, curves: RunCurves) -> tuple[RunChip, ...]:
    """Of the run, then of the machine while it runs."""
    chips = []
    if len(curves.smooth.values):
        chips.append(RunChip(name="loss", value=f"{curves.smooth.values[-1]:.4g}", hint="running mean"))
    if len(curves.validation.values):
        first, last = curves.validation.values[0], curves.validation.values[-1]
        change = f"{100 * (last - first) / first:+.1f} % since step {curves.validation.steps[0]:.0f}"
        chips.append(RunChip(name="validation", value=f"{last:.4g}", hint=change if first else ""))
    if len(curves.gradient.values):
        chips.append(
            RunChip(name="gradient", value=f"{curves.gradient.values[-1]:.3g}", hint="norm, running mean")
        )
    if curves.learning_rate is not None:
        chips.append(RunChip(name="rate", value=f"{curves.learning_rate:.3g}", hint="learning rate now"))
    if curves.peak_bytes is not None:
        chips.append(
            RunChip(name="peak", value=_gib(curves.peak_bytes), hint="most memory that a step has taken")
        )
    if curves.damaged:
        hint = "lines of steps.jsonl and validation.jsonl that could not be read and are left out"
        chips.append(RunChip(name="damaged", value=f"{curves.damaged:,}", hint=hint))
    if line.pid is not None:
        chips += _machine(trainings.workspace.runs, line.pid)
    return tuple(chips)


def _machine(runs: Path, pid: int) -> list[RunChip]:
    memory = psutil.virtual_memory()
    chips = [
        RunChip(
            name="RAM",
            value=f"{memory.percent:.0f} %",
            hint=f"{_gib(memory.available)} of {_gib(memory.total)} free",
        ),
        RunChip(name="disk", value=f"{free_mib(runs) / 1024:.0f} GiB", hint="free where runs lie"),
    ]
    card = _card(int(time.monotonic() / CARD_FRESH_S))
    if card is not None:
        name, free, total = card
        hint = f"memory in use of {_gib(total)}, {name}"
        chips.insert(0, RunChip(name="GPU", value=_gib(total - free), hint=hint))
    try:
        used = psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return chips
    return [RunChip(name="process", value=_gib(used), hint=f"memory of process {pid}"), *chips]


@lru_cache(maxsize=1)
def _card(_moment: int) -> tuple[str, int, int] | None:
    """(name, free, total): asking takes a process, and several pages ask every second."""
    return graphics_card()


def _gib(number: float) -> str:
    return f"{number / 2**30:.1f} GiB"
