"""A picture of each family, from the form to the gallery: with a LoRA, cancelled midway, taken up again; and the same
picture from the command line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from finetune.lora.files import save_adapter
from studio.cli.main import app
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.queue.job import Progress
from studio.queue.table import JobTable
from studio.rendering.job import RenderJobs
from studio.ui.generate.controls import CONTROL_NAMES
from studio.ui.generate.handlers import GenerateHandlers
from studio.ui.generate.init_picture import InitContent
from studio.ui.generate.lora_stack import LoraContent, LoraRow
from studio.ui.parts.refusal import NOTHING_REFUSED
from studio.work.worker import Worker
from studio.work.worker_state import WorkerState
from tests.finetune.lora.test_files import trained

STEPS, STOPPED_AT = 6, 3
FORM: dict[str, Any] = {
    "prompt": "sea at night",
    "as_list": False,
    "negative_prompt": "",
    "preset": "custom",
    "width_px": 320,
    "height_px": 256,
    "num_inference_steps": STEPS,
    "guidance_scale": 3.0,
    "seed": 7,
    "coarse_first": 0.0,
    "seed_mode": "fixed",
    "count": 1,
    "rope": "none",
    "speed": [],
    "memory": "auto",
    "init": InitContent(),
}


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_from_the_form_to_the_gallery(
    workspace: Workspace, family: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder: Path = request.getfixturevalue(f"{family}_folder")
    lora = save_adapter(trained(family).transformer, workspace.root / "loras", family=family, metadata={})
    jobs, gallery = JobTable(workspace.database), Gallery(workspace)
    handlers = GenerateHandlers(
        jobs, gallery, Settings(home=workspace.root), lambda: WorkerState("ready", "well")
    )
    worker = Worker(workspace, jobs, {"render": RenderJobs(workspace, jobs).do})

    def press(*uses: LoraRow) -> None:
        form = {**FORM, "model": str(folder), "adapters": LoraContent(rows=uses)}
        refused, *_ = handlers.generate(*(form[name] for name in CONTROL_NAMES), None)
        assert refused == NOTHING_REFUSED

    report = JobTable.report

    def report_and_cancel(table: JobTable, job: int, progress: Progress, preview: str | None = None) -> bool:
        if progress.step == STOPPED_AT:
            table.cancel(job)
        return report(table, job, progress, preview)

    press(LoraRow(path=lora.relative_to(workspace.root).as_posix(), weight=0.8))
    with monkeypatch.context() as midway:
        midway.setattr(JobTable, "report", report_and_cancel)
        assert worker.run_next()
    (job,) = jobs.jobs()
    assert (job.state, job.progress.step) == ("cancelled", STOPPED_AT)
    jobs.retry(job.id)
    assert worker.run_next()
    assert jobs.get(job.id).state == "done", jobs.get(job.id).error
    (picture,) = gallery.pictures()
    assert picture.record.resumed_from_step == STOPPED_AT
    (used,) = picture.record.adapters
    assert (used.weight, used.unused_keys) == (0.8, 0)
    assert used.layers > 0

    press()
    assert worker.run_next()
    plain = next(one for one in gallery.pictures() if one.id != picture.id)
    with_it, without = (np.asarray(Image.open(one.path)) for one in (picture, plain))
    assert (with_it != without).any(), "the LoRA changed nothing"

    out = workspace.root / "same.png"
    words = [
        "render",
        FORM["prompt"],
        "--model",
        folder,
        "--size",
        "320x256",
        "--steps",
        STEPS,
        "--guidance",
        3,
    ]
    words += ["--coarse-first", 0, "--seed", 7, "--lora", f"{lora}:0.8", "--out", out, "--json"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["seed"] == 7
    np.testing.assert_array_equal(np.asarray(Image.open(out)), with_it)
