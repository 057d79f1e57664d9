"""`d4k grid RUN`: a LoRA run's checkpoints against strengths, drawn in place, as one contact sheet.

The pictures go to the gallery as well, where the page finds them for its own grid; what is there already is not drawn
again. torch is imported only for what must be drawn. Not here: the grid itself (`studio.training.adapter_grid`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from finetune.checkpoint_adapter import adapter_steps
from finetune.named_paths import expanded, is_file, is_folder
from finetune.run_folder import RunFolder
from studio.cli.bars import RenderBar
from studio.cli.shared import Home, one_sentence, open_home
from studio.home.disk import require_writable, whole_file
from studio.home.roots import named_path
from studio.home.workspace import Workspace
from studio.models.adapters import resolve_adapter
from studio.models.lookup import check_available
from studio.pictures.destination import in_gallery
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from studio.render_request import AdapterUse, RenderRequest, parse_size
from studio.training.adapter_grid import (
    Grid,
    base_of,
    evenly,
    export_rows,
    grid_states,
    parse_strengths,
    plan_grid,
    usual_settings,
)


def add_commands(app: typer.Typer) -> None:
    """Give `d4k` its `grid`."""
    app.command()(grid)


def grid(
    run: Annotated[str, typer.Argument(help="A LoRA run's name or folder, finished or not.")],
    prompt: Annotated[str | None, typer.Option(help="The run's first sample prompt unless set.")] = None,
    strengths: Annotated[
        str, typer.Option(help="Columns, such as 0,0.5,1; 0 is the base model.")
    ] = "0,0.5,1",
    steps: Annotated[
        str | None, typer.Option(help="Rows: checkpoints, such as 20,40; up to six of them unless set.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of every cell; the run's own unless set.")] = None,
    size: Annotated[
        str | None, typer.Option(help="WIDTHxHEIGHT in pixels; the run's samples' unless set.")
    ] = None,
    inference_steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How closely to follow the prompt.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="PNG or JPEG of the sheet; grid.png in the run unless set.")
    ] = None,
    home: Home = None,
) -> None:
    """Draw checkpoints against strengths with one seed, and lay the pictures on one sheet."""
    with one_sentence():
        workspace = open_home(home)
        folder = _run(run, workspace)
        target = folder.path / "grid.png" if out is None else expanded(out).absolute()
        if target.suffix.lower() not in (".png", ".jpg", ".jpeg") or not is_folder(target.parent):
            raise ValueError(
                f"the sheet is a .png or .jpg in a folder that there is, got {target}; change --out"
            )
        require_writable(target)
        settings = usual_settings(folder)
        width_px, height_px = (settings.width_px, settings.height_px) if size is None else parse_size(size)
        settings = replace(
            settings,
            prompt=settings.prompt if prompt is None else prompt,
            strengths=parse_strengths(strengths),
            steps=evenly(adapter_steps(folder), 6) if steps is None else _steps(steps),
            seed=settings.seed if seed is None else seed,
            width_px=width_px,
            height_px=height_px,
            num_inference_steps=settings.num_inference_steps if inference_steps is None else inference_steps,
            guidance_scale=settings.guidance_scale if guidance is None else guidance,
        )
        planned = plan_grid(folder, settings, home=workspace.root)
        check_available(base_of(folder))
        export_rows(folder, settings)
        drawn = _draw_missing(folder, planned, workspace)
        _write_sheet(planned, workspace, target)
    typer.echo(
        f"{target}: {len(settings.steps)} checkpoints x {len(settings.strengths)} strengths, {drawn} drawn now"
    )


def _run(run: str, workspace: Workspace) -> RunFolder:
    for path in (workspace.runs / run, named_path(run).absolute()):
        if is_file(path / "config.json"):
            return RunFolder(path)
    raise ValueError(f"there is no run {run}; `d4k runs` lists those of this home")


def _steps(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"checkpoints read 20,40, got {text[:60]!r}") from error


def _draw_missing(run: RunFolder, planned: Grid, workspace: Workspace) -> int:
    """Draw what the gallery does not have; returns how many pictures."""
    gallery = Gallery(workspace)
    states = grid_states(planned, jobs=JobTable(workspace.database), gallery=gallery)
    missing = {state.cell.request for state in states if state.standing.state != "done"}
    requests = [_with_whole_paths(one, workspace.root) for one in planned.requests() if one in missing]
    if not requests:
        return 0

    from studio.rendering.in_place import kept_line, render_in_place

    with RenderBar() as bar:
        for picture in render_in_place(
            base_of(run), requests, in_gallery(gallery), home=workspace.root, on_progress=bar.show
        ):
            bar.clear()
            typer.echo(kept_line(picture))
    return len(requests)


def _with_whole_paths(request: RenderRequest, home: Path) -> RenderRequest:
    """Rendering in place knows no home."""
    worn = (AdapterUse(str(resolve_adapter(home, use.path)), use.weight) for use in request.adapters)
    return replace(request, adapters=tuple(worn))


def _write_sheet(planned: Grid, workspace: Workspace, target: Path) -> None:
    from PIL import Image

    from metrics.pictures import read_picture
    from studio.pictures.contact_sheet import contact_sheet, shrunk

    settings, gallery = planned.settings, Gallery(workspace)
    states = grid_states(planned, jobs=JobTable(workspace.database), gallery=gallery)
    places = [
        (row, column) for row in range(len(settings.steps)) for column in range(len(settings.strengths))
    ]
    pictures = {
        place: shrunk(read_picture(state.standing.picture.path).pixels)
        for place, state in zip(places, states, strict=True)
        if state.standing.picture is not None
    }
    sheet = contact_sheet(
        pictures,
        title=f"{planned.run}, seed {settings.seed}: {settings.prompt}",
        row_names=[f"step {step}" for step in settings.steps],
        column_names=[f"{strength:g}" for strength in settings.strengths],
    )
    with whole_file(target) as part:
        Image.fromarray(sheet).save(part, "PNG" if target.suffix.lower() == ".png" else "JPEG", quality=92)
