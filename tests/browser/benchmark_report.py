"""A report of a benchmark as wide and as long as they get: every column, 200 pictures of noise, long names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.benchmark.duels import cast, duels
from studio.benchmark.folder import create_benchmark
from studio.benchmark.plan import BenchmarkPlan, Prompt, all_columns
from studio.benchmark.progress import standings
from studio.benchmark.report import write_report
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.record import AdapterUsed, ModelUsed, PictureRecord
from studio.queue.table import JobTable
from studio.render_request import AdapterUse
from tests.benchmark_home import contender

NUM_PICTURES = 200
LORA = "loras/oil-on-canvas-and-other-paintings-v2.safetensors"


def a_long_report(home: Path) -> Path:
    """The page's path."""
    workspace = Workspace.open(home)
    texts = [f"a hill, number {i}, seen from the shore in the last light" for i in range(NUM_PICTURES // 4)]
    texts[1] = "a-word-without-any-space-" * 12
    plan = BenchmarkPlan(
        name="wide",
        contenders=(
            contender("Micro-4K"),
            contender("Micro-4K, oil on canvas", adapters=(AdapterUse(LORA, 0.8),), guidance_scale=3.0),
        ),
        prompts=tuple(Prompt(name=str(i), text=text) for i, text in enumerate(texts)),
        prompt_set="Aesthetic-Eval@4096",
        seeds=(1, 2),
        width_px=256,
        height_px=256,
        columns=all_columns(),
    )
    folder, gallery, rng = create_benchmark(workspace, plan), Gallery(workspace), np.random.default_rng(0)
    (workspace.root / LORA).parent.mkdir(exist_ok=True)
    (workspace.root / LORA).write_bytes(b"")
    for cell in plan.cells():
        oil = "oil" in cell.contender
        record = PictureRecord(
            settings=cell.request,
            model=ModelUsed(id="micro-4k", source="assets/micro-4k", weights_hash="5c3a9d0e1f2b4a68"),
            adapters=(AdapterUsed(path=LORA, weight=0.8, digest="e3b0c44298fc1c14", layers=24),)
            if oil
            else (),
            versions={"torch": "2.8.0", "diffusers": "0.42.0", "studio": "0.1.0", "python": "3.11.2"},
            device="NVIDIA H100",
            dtype="bfloat16",
        )
        picture = gallery.add(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8), record)
        values = {
            column.key: float(rng.normal(3 + oil, 1))
            for column in plan.protocol_columns()
            if column.is_of_pictures and column.metric != "aesthetics"
        }
        why = "the aesthetic predictor's weights are not at ~/.cache/torch/hub/checkpoints/sac+logos+ava1.pth"
        folder.add_scores(
            picture.id, values, dict.fromkeys(("as-published/aesthetics", "ours/aesthetics"), why)
        )
    sets = [column.key for column in plan.protocol_columns() if not column.is_of_pictures]
    notes = ["ours/fid_crops: redrawn sets give 151.2 to 163.9 (95 %)"]
    folder.write_sets(
        {
            one.name: {"of": "", "values": {key: float(rng.uniform(20, 160)) for key in sets}, "notes": notes}
            for one in plan.contenders
        }
    )
    found = standings(plan, jobs=JobTable(workspace.database), gallery=gallery)
    for duel in duels(found)[:12]:
        cast(folder, duel, "left")
    return write_report(folder, found)
