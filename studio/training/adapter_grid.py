"""Checkpoints of a LoRA run against strengths: every cell one picture, all of one prompt and one seed. No torch.

Cells are drawn as ordinary render jobs, and nothing is drawn twice (`studio.pictures.standing`).
Not here: a checkpoint's LoRA (`finetune.checkpoint_adapter`), the sheet (`studio.pictures.contact_sheet`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from finetune.checkpoint_adapter import adapter_path, adapter_steps, export_step
from finetune.json_text import parse_json
from finetune.run_folder import RunFolder, write_whole
from studio.models.catalogue import CATALOGUE, ModelEntry
from studio.models.lookup import check_size, find_model
from studio.pictures.gallery import Gallery
from studio.pictures.standing import Standing, ask_for_missing, standing_of
from studio.queue.table import JobTable
from studio.render_request import AdapterUse, RenderRequest

FILE = "grid.json"
USUAL_STRENGTHS = (0.0, 0.5, 1.0)
USUAL_ROWS, MAX_CELLS = 6, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSettings:
    """What is drawn in every cell."""

    prompt: str
    steps: tuple[int, ...]
    """Rows: checkpoints, in order."""

    strengths: tuple[float, ...]
    """Columns. At 0 there is only the base model, and one picture serves every row."""

    seed: int
    width_px: int
    height_px: int
    num_inference_steps: int
    guidance_scale: float

    def __post_init__(self) -> None:
        if not self.steps or not self.strengths:
            raise ValueError("a grid has at least one checkpoint and one strength; name both")
        for what, values in (("checkpoint", self.steps), ("strength", self.strengths)):
            if len(set(values)) != len(values):
                raise ValueError(
                    f"a {what} is named twice in {', '.join(f'{v:g}' for v in values)}; once is enough"
                )
        if len(self.steps) * len(self.strengths) > MAX_CELLS:
            raise ValueError(
                f"{len(self.steps)} x {len(self.strengths)} cells were asked for, and a grid has at most {MAX_CELLS}; "
                "leave some out"
            )


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of a grid."""

    step: int
    strength: float
    request: RenderRequest


@dataclass(frozen=True, slots=True)
class Grid:
    """Every cell, row by row."""

    run: str
    settings: GridSettings
    cells: tuple[Cell, ...]

    def requests(self) -> tuple[RenderRequest, ...]:
        """Each once, in the order of the cells."""
        return tuple(dict.fromkeys(cell.request for cell in self.cells))


@dataclass(frozen=True, slots=True)
class CellState:
    """How one cell stands."""

    cell: Cell
    standing: Standing


def usual_settings(run: RunFolder) -> GridSettings:
    """As the run's own samples are drawn: their first prompt, seed and size; some of its checkpoints.

    Raises ValueError for a run that has no checkpoint yet.
    """
    samples, steps = run.config().samples, adapter_steps(run)
    if not steps:
        raise ValueError(f"{run.name} has no checkpoint yet; wait for the first, or save one now")
    return GridSettings(
        prompt=samples.prompts[0] if samples.prompts else "",
        steps=evenly(steps, USUAL_ROWS),
        strengths=USUAL_STRENGTHS,
        seed=samples.seed,
        width_px=samples.width_px,
        height_px=samples.height_px,
        num_inference_steps=samples.num_inference_steps,
        guidance_scale=samples.guidance_scale,
    )


def drawable_steps(run: RunFolder) -> tuple[int, ...]:
    """Checkpoints that a grid may have as rows, in order."""
    return adapter_steps(run)


def evenly(steps: Sequence[int], count: int) -> tuple[int, ...]:
    """At most `count` of `steps`, the first and the last among them."""
    if len(steps) <= count:
        return tuple(steps)
    last = len(steps) - 1
    return tuple(dict.fromkeys(steps[round(i * last / (count - 1))] for i in range(count)))


def parse_strengths(text: str) -> tuple[float, ...]:
    """Read 0,0.5,1."""
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"strengths read 0,0.5,1, got {text[:60]!r}") from error


def plan_grid(run: RunFolder, settings: GridSettings, *, home: Path) -> Grid:
    """The requests of all cells; nothing is written. Raises ValueError for what no render takes."""
    entry = base_of(run)
    check_size(entry, settings.width_px, settings.height_px)
    plain = RenderRequest(
        prompt=settings.prompt,
        model=entry.id,
        width_px=settings.width_px,
        height_px=settings.height_px,
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale,
        seed=settings.seed,
    )
    cells = []
    for step in settings.steps:
        file = adapter_path(run, step).resolve()
        inside = file.is_relative_to(home.resolve())
        path = file.relative_to(home.resolve()).as_posix() if inside else str(file)
        for strength in settings.strengths:
            worn = (AdapterUse(path, strength),) if strength else ()
            cells.append(Cell(step, strength, replace(plain, adapters=worn)))
    return Grid(run.name, settings, tuple(cells))


def export_rows(run: RunFolder, settings: GridSettings) -> None:
    """Write the LoRA of every row's checkpoint. Raises ValueError for a checkpoint that is gone or damaged."""
    if any(settings.strengths):
        family = base_of(run).family
        for step in settings.steps:
            export_step(run, step, family=family)


def submit_grid(run: RunFolder, grid: Grid, *, jobs: JobTable, gallery: Gallery) -> int:
    """Remember the grid as the run's, export its LoRAs and queue what is not drawn yet; returns how many jobs."""
    export_rows(run, grid.settings)
    write_whole(run.path / FILE, json.dumps(asdict(grid.settings)))
    return len(ask_for_missing(grid.requests(), jobs=jobs, gallery=gallery))


def remembered_settings(run: RunFolder) -> GridSettings | None:
    """Of the grid that was asked for last; None where none was, or where the file is not to be read."""
    try:
        values = parse_json((run.path / FILE).read_text(encoding="utf-8"))
        return GridSettings(
            **{**values, "steps": tuple(values["steps"]), "strengths": tuple(values["strengths"])}
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def grid_states(grid: Grid, *, jobs: JobTable, gallery: Gallery) -> tuple[CellState, ...]:
    """Of every cell, in their order."""
    standing = standing_of(grid.requests(), jobs=jobs, gallery=gallery)
    return tuple(CellState(cell, standing[cell.request]) for cell in grid.cells)


def base_of(run: RunFolder) -> ModelEntry:
    """The model that a run trains, by its catalogue name where it has one."""
    base = run.config().model.base
    for entry in CATALOGUE:
        if base in (entry.id, entry.source) or (entry.folder is not None and base == str(entry.folder)):
            return entry
    return find_model(base)
