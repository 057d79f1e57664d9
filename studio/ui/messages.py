"""Sentences on screen: where an exception becomes one, and how a job's state reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import gradio as gr

from studio.queue.job import Job, Progress

P = ParamSpec("P")
T = TypeVar("T")


def shows_errors(handler: Callable[P, T]) -> Callable[P, T]:
    """Show a ValueError's own words; let every other exception crash loudly."""

    @wraps(handler)
    def shown(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return handler(*args, **kwargs)
        except ValueError as error:
            raise gr.Error(str(error), duration=12, print_exception=False) from error

    return shown


def progress_sentence(progress: Progress) -> str:
    """Such as "denoising, step 5 of 16, 1.4 s per step, 12 s left"."""
    parts = [progress.stage]
    if progress.num_steps > 1:
        parts.append(f"step {progress.step} of {progress.num_steps}")
    if progress.seconds_per_step is not None and progress.num_steps > 1:
        parts.append(f"{short_seconds(progress.seconds_per_step)} per step")
    if progress.seconds_left is not None:
        parts.append(f"{short_seconds(progress.seconds_left)} left")
    return ", ".join(part for part in parts if part)


def state_sentence(job: Job) -> str:
    """One line that says where a job stands, with the reason where it went wrong."""
    if job.state == "running":
        return "stopping after this step" if job.cancel_requested else progress_sentence(job.progress)
    if job.state == "queued":
        return f"waiting again after: {job.error}" if job.error else "waiting"
    if job.state == "done":
        return f"done in {short_seconds(elapsed_seconds(job))}"
    if job.state == "cancelled":
        if not job.progress.step:
            return "cancelled before it began"
        return f"cancelled at step {job.progress.step} of {job.progress.num_steps}"
    return f"{job.state}: {job.error}" if job.error else job.state


def elapsed_seconds(job: Job) -> float:
    """From the last start to the end, in seconds; 0 before that."""
    if job.started_at is None or job.finished_at is None:
        return 0.0
    return max(0.0, job.finished_at - job.started_at)


def kept_together(text: str) -> str:
    """The same words, no line broken between a number and its unit."""
    return re.sub(r"(?<=\d) (?=\w)", "\N{NO-BREAK SPACE}", text)


def short_seconds(seconds: float) -> str:
    """Such as "0.45 s", "12 s", "2 min 05 s", "1 h 20 min"."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
