"""A run as a list shows it, from its folder and from the job that trains it. No torch.

Not here: what can be done with a run (`studio.training.runs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from finetune.config.run_config import FinetuneConfig
from finetune.run_folder import RunFolder
from finetune.run_status import Status
from studio.queue.job import Job
from studio.training.pace import last_rows, seconds_per_step

RunState = Literal[
    "new", "trial", "waiting", "starting", "running", "stalled", "interrupted", "stopped", "done", "failed"
]
"""Beside those of `finetune.run_folder`: trial (made by a dry run), waiting (in the queue), starting (its process is
about to speak)."""

ACTIVE: tuple[RunState, ...] = ("waiting", "starting", "running", "stalled")

TRIAL = "trial"
"""Its file marks the folder of a dry run."""

NOTES = "notes.txt"


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run as a list shows it."""

    name: str
    state: RunState
    sentence: str
    """What it does now, or how it ended."""

    step: int = 0
    num_steps: int = 0
    stage: str = ""
    seconds_per_step: float | None = None
    seconds_left: float | None = None
    """While it trains, from its last steps."""

    changed_at: float = 0.0
    """Seconds since 1970: the last word of its process, or when it was made."""

    parent: str = ""
    note: str = ""
    loss: float | None = None
    """Of its last step."""

    job: int | None = None
    """Of the job that waits or runs for it."""

    stopping: bool = False
    pid: int | None = None
    """Of its process while that lives."""

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE


def line_of(run: RunFolder, job: Job | None) -> RunLine:
    """`job` waits or runs for it, or ended last."""
    config, status, trouble = config_or_none(run), Status("new"), ""
    try:
        status = run.state()
        if config is None:
            run.config()
    except ValueError as error:
        trouble = str(error)
    state, sentence = _judged(run, status, job, trouble)
    active = job if job is not None and job.state in ("queued", "running") else None
    rows = last_rows(run.path / "steps.jsonl")
    pace = seconds_per_step(rows)
    num_steps = status.num_steps
    if not num_steps and config is not None:
        num_steps = config.schedule.num_steps
    left = pace * (num_steps - status.step) if pace is not None and state == "running" else None
    lives = state in ("running", "stalled")
    return RunLine(
        name=run.name,
        state=state,
        sentence=sentence,
        step=status.step,
        num_steps=num_steps,
        stage=status.stage,
        seconds_per_step=pace,
        seconds_left=left,
        changed_at=status.heartbeat_at if status.heartbeat_at else run.made_at,
        parent="" if config is None else config.output.parent,
        note=notes_of(run).strip().partition("\n")[0],
        loss=rows[-1]["loss"] if rows else None,
        job=None if active is None else active.id,
        stopping=run.asked("STOP") or (active is not None and active.cancel_requested),
        pid=status.pid if lives else None,
    )


def notes_of(run: RunFolder) -> str:
    """As they were written last; at first what the settings say."""
    try:
        return (run.path / NOTES).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        config = config_or_none(run)
        return "" if config is None else config.output.notes
    except OSError as error:
        return f"(notes.txt cannot be read: {error.strerror})"


def _judged(run: RunFolder, status: Status, job: Job | None, trouble: str) -> tuple[RunState, str]:
    """The state of a run and the sentence for it, from its folder and from the job that trains it."""
    if trouble:
        return "failed", trouble
    if status.state in ("running", "stalled"):
        words = " ".join(part for part in (status.stage, status.message) if part)
        return status.state, status.message if status.state == "stalled" else words
    if job is not None and job.state == "queued":
        return "waiting", "waits for its place in the queue"
    if job is not None and job.state == "running":
        died = status.state == "interrupted"
        return "starting", "its process died, it is started again" if died else "the process is starting"
    if job is not None and job.state == "failed" and job.error and status.state == "new":
        return "failed", job.error
    if status.state == "new":
        tried = (run.path / TRIAL).is_file()
        said = "a dry run, not started" if tried else "not started"
        return ("trial" if tried else "new"), status.message if status.message else said
    return status.state, status.message


def config_or_none(run: RunFolder) -> FinetuneConfig | None:
    try:
        return run.config()
    except ValueError:
        return None
