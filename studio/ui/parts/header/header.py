"""The bar at the top and the status line above the stage."""

from __future__ import annotations

from gradio.data_classes import GradioModel

from studio.queue.job import Job
from studio.ui.components import Drawn
from studio.ui.icons import WORDMARK, icon
from studio.ui.messages import state_sentence
from studio.ui.parts.header.shortcuts import shortcuts_markup
from studio.ui.parts.queue.queue_panel import fraction_done
from studio.work.worker_state import Mood, WorkerState


class WorkerStatus(GradioModel):
    """What the worker does, in the supervisor's words."""

    text: str = ""
    mood: Mood = "well"


class Header(Drawn):
    data_model = WorkerStatus
    scripts = ("header.js",)
    markup = f"""
<header class="bar">
  <button class="bar-button bar-rail" type="button" title="Show or hide the controls"
    aria-label="Controls" aria-expanded="true">{icon("panel")}</button>
  <h1 class="bar-name">{WORDMARK}<span>Diffusion-4K <em>Studio</em></span></h1>
  <div class="bar-space"></div>
  <div class="bar-status" role="status"><i></i><span></span></div>
  <button class="bar-button bar-keys" type="button" title="Keyboard (?)" aria-label="Keyboard shortcuts"
    aria-haspopup="dialog">?</button>
  <button class="bar-button bar-models" type="button" title="Models: sizes, downloads, memory"
    aria-label="Models">{icon("models")}</button>
  <button class="bar-button bar-theme" type="button" title="Dark or light"
    aria-label="Dark or light">{icon("half")}</button>
</header>
{shortcuts_markup()}
"""


class StageStatus(GradioModel):
    """One sentence about the watched job."""

    text: str = ""
    state: str = "idle"
    fraction: float = 0.0
    job: int = 0
    watched: bool = True


class StatusLine(Drawn):
    """Event: act (action "cancel" or "watch", id)."""

    data_model = StageStatus
    scripts = ("status.js", "notices.js")
    markup = f"""
<div class="status-line" data-state="idle"><span class="status-text"></span>
  <span class="status-told" role="status"></span>
  <button class="text-button status-notice" type="button" aria-label="Tell me at the end" hidden>{icon("bell")}</button>
  <button class="text-button status-show" type="button" hidden>Watch it</button>
  <button class="text-button status-cancel" type="button" hidden>Cancel</button>
  <div class="status-bar" hidden><i></i></div></div>
"""


def worker_status(state: WorkerState) -> WorkerStatus:
    """For the header: an ill worker is red, one at work teal."""
    return WorkerStatus(text=state.words, mood=state.mood)


def stage_status(job: Job | None, *, num_waiting: int, watched: bool) -> StageStatus:
    """The running job if there is one, else the one that the reader watches."""
    if job is None:
        return StageStatus(text="Ready")
    others = num_waiting - (job.state == "queued")
    behind = f"  ·  {others} more waiting" if others else ""
    state = (
        "failed"
        if job.state in ("failed", "interrupted") or (job.state == "queued" and job.error)
        else job.state
    )
    return StageStatus(
        text=state_sentence(job) + behind,
        state=state,
        fraction=fraction_done(job),
        job=job.id,
        watched=watched,
    )
