"""Benchmarks of two contenders on small pictures that stand for renders; shared by tests of the engine and the page."""

from __future__ import annotations

from typing import Any

import numpy as np

from studio.benchmark.folder import BenchmarkFolder, create_benchmark
from studio.benchmark.plan import BenchmarkPlan, Cell, Contender, Prompt
from studio.benchmark.progress import Standings, standings
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.pictures.record import PictureRecord
from studio.queue.table import JobTable
from studio.ui.benchmark.contenders import ContenderContent, ContenderRow
from studio.ui.benchmark.handlers import BenchmarkHandlers

PLAIN = (
    "as-published/glcm_score",
    "as-published/compression_ratio",
    "ours/glcm_entropy",
    "ours/texture_frechet",
)
"""Columns that need no network."""


def contender(name: str, **changes: object) -> Contender:
    usual: dict[str, object] = {"model": "micro-4k", "num_inference_steps": 2, "guidance_scale": 2.0}
    return Contender(name=name, **{**usual, **changes})  # type: ignore[arg-type]


def prompts(count: int) -> tuple[Prompt, ...]:
    return tuple(Prompt(name=str(i), text=f"a hill, number {i}") for i in range(count))


def a_plan(**changes: object) -> BenchmarkPlan:
    """Two contenders, six prompts, two seeds, unless changed."""
    usual: dict[str, object] = {
        "name": "first",
        "contenders": (contender("rough"), contender("smooth", guidance_scale=3.0)),
        "prompts": prompts(6),
        "prompt_set": "hills",
        "seeds": (1, 2),
        "width_px": 256,
        "height_px": 256,
        "columns": PLAIN,
    }
    return BenchmarkPlan(**{**usual, **changes})  # type: ignore[arg-type]


def pretend(gallery: Gallery, cell: Cell) -> Picture:
    """A picture such as the cell asks for: noise, the more of it the rougher the contender."""
    rng = np.random.default_rng(int(cell.prompt) * 100 + cell.seed)
    strength = 60 if cell.contender == "rough" else 12
    base = np.linspace(60, 160, cell.request.width_px)[None, :, None]
    noise = rng.normal(0, strength, (cell.request.height_px, cell.request.width_px, 3))
    pixels = (base + noise).clip(0, 255).astype(np.uint8)
    return gallery.add(pixels, PictureRecord(settings=cell.request))


def drawn_benchmark(workspace: Workspace, plan: BenchmarkPlan) -> tuple[BenchmarkFolder, Standings]:
    """A benchmark of which every cell has its picture."""
    folder, gallery = create_benchmark(workspace, plan), Gallery(workspace)
    for cell in plan.cells():
        pretend(gallery, cell)
    return folder, standings(plan, jobs=JobTable(workspace.database), gallery=gallery)


TWO = ContenderContent(
    rows=(
        ContenderRow(id=1, name="base", model="micro-4k", steps=4, guidance=2.0),
        ContenderRow(id=2, name="strong", model="micro-4k", steps=4, guidance=5.0),
    )
)


def start_benchmark(handlers: BenchmarkHandlers, **changes: Any) -> tuple[BenchmarkFolder, tuple[str, ...]]:
    """As the form does, three prompts and two seeds unless changed."""
    values: dict[str, Any] = {
        "name": "mine",
        "contenders": TWO,
        "prompts": "micro",
        "limit": "3",
        "seeds": "0, 1",
        "size": "256 × 256",
        "columns": ["ours/glcm_entropy"],
    }
    return handlers.start(**{**values, **changes})
