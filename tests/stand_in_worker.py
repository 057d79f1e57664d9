"""A worker that imports in a moment and draws a chart, one step after the other as far as the test lets it.

`python -m tests.stand_in_worker --home HOME`; `tests.stand_in_studio` is the studio over it. The table, the gallery,
the supervisor and the page are the real ones: what is stood in for is the model.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.home.locks import held_lock, write_lock_note
from studio.home.worker_log import say
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.previews import write_live_preview
from studio.pictures.record import PictureRecord
from studio.queue.job import Job, Progress
from studio.queue.table import JobTable
from studio.render_request import RenderRequest
from studio.work.worker import Worker

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Brake:
    """How far the stand-in may draw; a file, so that it holds across processes."""

    home: Path

    @property
    def file(self) -> Path:
        return self.home / "stand-in-brake"

    def hold(self, step: int, *, but: int | None = None) -> None:
        """Every job waits once it has done this many steps; the job `but` runs through."""
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps([step, but]))
        part.replace(self.file)

    def release(self) -> None:
        self.file.unlink(missing_ok=True)

    def holds(self, job_id: int, step: int) -> bool:
        try:
            last, but = json.loads(self.file.read_text())
        except FileNotFoundError:
            return False
        return job_id != but and step >= last


class StandIn:
    """Does render jobs."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.brake = workspace, Brake(workspace.root)
        self.jobs, self.gallery = JobTable(workspace.database), Gallery(workspace)

    def do(self, job: Job) -> bool:
        request = RenderRequest.from_dict(job.request)
        steps, step = request.num_inference_steps, 0
        while step < steps:
            held = self.brake.holds(job.id, step)
            if not self.jobs.report(job.id, Progress("denoising", step, steps, 0.1, 0.1 * (steps - step))):
                self.jobs.mark_cancelled(job.id)
                return False
            if held:
                time.sleep(POLL_S)
                continue
            step += 1
            preview = self.workspace.previews / f"job-{job.id}.jpg"
            write_live_preview(preview, np.full((32, 32, 3), 8 * step % 256, np.uint8))
            self.jobs.report(job.id, Progress("denoising", step, steps, 0.1, 0.0), str(preview))
        rng = np.random.default_rng(request.seed)
        image = rng.integers(0, 256, (request.height_px, request.width_px, 3), dtype=np.uint8)
        picture = self.gallery.add(image, PictureRecord(settings=request))
        self.jobs.finish(job.id, {"picture": picture.id})
        return True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    workspace = Workspace.open(parser.parse_args().home)
    with held_lock(workspace.worker_lock, about={"state": "ready"}) as holder:
        if holder is not None:
            sys.exit(3)
        write_lock_note(workspace.worker_lock, {"state": "ready"})
        say(f"stand-in {os.getpid()} is ready")
        stand_in = StandIn(workspace)
        Worker(workspace, stand_in.jobs, {"render": stand_in.do}).run(idle_exit_s=5.0)


if __name__ == "__main__":
    main()
