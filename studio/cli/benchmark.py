"""`d4k benchmark`: models on the same prompts and seeds, drawn in place, measured, tabled beside published numbers.

Started again it goes on where it was, and draws nothing twice. Under `accelerate launch` each process draws and
measures its share, and the first one prints the table. Not here: what a benchmark is (`studio.benchmark`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from studio.benchmark.folder import BenchmarkFolder, create_benchmark, find_benchmark, list_benchmarks
from studio.benchmark.plan import BenchmarkPlan, Cell, Contender, all_columns
from studio.benchmark.progress import Standings, check_contenders, standings
from studio.benchmark.prompts import OWN, read_prompts
from studio.cli.bars import RenderBar
from studio.cli.evaluate import DEFAULT_CACHE
from studio.cli.score import device_of
from studio.cli.shared import SKIPPED_EXIT_CODE, Home, one_sentence, open_home, settings_of
from studio.home.workspace import Workspace
from studio.models.adapters import resolve_adapter
from studio.models.lookup import find_model
from studio.pictures.destination import in_gallery
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from studio.render_request import AdapterUse, RenderRequest, parse_adapter, parse_size


def add_commands(app: typer.Typer) -> None:
    """Give `d4k` its `benchmark`."""
    app.command()(benchmark)


def benchmark(
    name: Annotated[str, typer.Argument(help="Of the benchmark: a new one, or one to go on with.")] = "",
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="[LABEL=]MODEL[+LORA[:WEIGHT]]..., such as oil=micro-4k+loras/oil.safetensors:0.8; repeat."
        ),
    ] = None,
    prompts: Annotated[
        str,
        typer.Option(
            help="micro for Micro-4K's own 24, a text file, or a dataset with captions and real pictures."
        ),
    ] = OWN,
    limit: Annotated[int | None, typer.Option(help="Only the first so many prompts.")] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Of the noise; repeat for more pictures a prompt.")
    ] = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels.")] = "1024x1024",
    steps: Annotated[int | None, typer.Option(help="Denoising steps; unless set, each model's.")] = None,
    guidance: Annotated[float | None, typer.Option(help="Unless set, each model's.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="PROTOCOL/METRIC, such as ours/glcm_entropy; all of them unless set."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Folder for report.html, CSV and JSON; the benchmark's own unless set."),
    ] = None,
    device: Annotated[str, typer.Option(help="Where networks of metrics run: auto, cpu or cuda.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    home: Home = None,
) -> None:
    """Compare models on the same prompts and seeds; without a name, list the benchmarks there are."""
    from studio.benchmark import words
    from studio.benchmark.report import write_report
    from studio.benchmark.scoring import measure_pictures, measure_sets
    from studio.benchmark.table import benchmark_table

    with one_sentence():
        workspace = open_home(home)
        if not name:
            for one in list_benchmarks(workspace):
                typer.echo(one.name)
            return
        share = _share()
        if model and share[0] == 0:
            create_benchmark(
                workspace, _plan(name, model, prompts, limit, seed, size, steps, guidance, column)
            )
        _wait_for_all(share)
        folder = find_benchmark(workspace, name)
        plan = folder.plan()
        check_contenders(plan, settings_of(home))
        place = device_of(device)
        failures = _draw_missing(folder, plan, workspace, share)
        _wait_for_all(share)  # a process may measure what another has drawn
        found = _standings(plan, workspace)
        with _Steps() as steps_bar:
            measure_pictures(folder, found, device=place, share=share, on_step=steps_bar.show)
            _wait_for_all(share)
            if share[0] == 0:
                measure_sets(folder, plan, found, device=place, cache=DEFAULT_CACHE, on_step=steps_bar.show)
        if share[0] == 0:
            found = _standings(plan, workspace)
            table = benchmark_table(folder, found)
            page = write_report(folder, found, into=report)
            typer.echo(
                words.as_json(table) if as_json else words.as_csv(table) if as_csv else words.as_text(table)
            )
            typer.echo(f"report: {page}", err=True)
    if failures:
        raise typer.Exit(SKIPPED_EXIT_CODE)


def parse_contender(text: str, *, steps: int | None, guidance: float | None) -> Contender:
    """Read [LABEL=]MODEL[+LORA[:WEIGHT]]... Raises ValueError for what is none."""
    label, equals, rest = text.partition("=")
    model, *worn = (rest if equals else text).split("+")
    entry = find_model(model)
    adapters = tuple(parse_adapter(part) for part in worn)
    called = label.strip() if equals else "+".join([entry.id, *(Path(use.path).stem for use in adapters)])
    if not called:
        raise ValueError(f"a model reads [LABEL=]MODEL[+LORA[:WEIGHT]], got {text!r}")
    return Contender(
        name=called,
        model=entry.id,
        num_inference_steps=entry.default_steps if steps is None else steps,
        guidance_scale=entry.default_guidance_scale if guidance is None else guidance,
        coarse_first=entry.default_coarse_first,
        adapters=adapters,
    )


def _plan(
    name: str,
    model: Sequence[str],
    prompts: str,
    limit: int | None,
    seeds: Sequence[int] | None,
    size: str,
    steps: int | None,
    guidance: float | None,
    columns: Sequence[str] | None,
) -> BenchmarkPlan:
    found = read_prompts(prompts, limit=limit)
    for sentence in found.left_out:
        typer.echo(f"left out: {sentence}", err=True)
    width_px, height_px = parse_size(size)
    return BenchmarkPlan(
        name=name,
        contenders=tuple(parse_contender(one, steps=steps, guidance=guidance) for one in model),
        prompts=found.prompts,
        prompt_set=found.name,
        seeds=tuple(seeds) if seeds else (0,),
        width_px=width_px,
        height_px=height_px,
        columns=tuple(columns) if columns else all_columns(),
    )


def _standings(plan: BenchmarkPlan, workspace: Workspace) -> Standings:
    return standings(plan, jobs=JobTable(workspace.database), gallery=Gallery(workspace))


def _draw_missing(
    folder: BenchmarkFolder, plan: BenchmarkPlan, workspace: Workspace, share: tuple[int, int]
) -> int:
    """Draw this process's share of what the gallery does not have; returns how many could not be drawn.

    Cells that ask for the very same picture, such as those of one caption of two real pictures, have one between them.
    """
    asked = {cell.request: (cell.contender, standing) for cell, standing in _standings(plan, workspace).cells}
    missing = [
        (contender, request)
        for number, (request, (contender, standing)) in enumerate(asked.items())
        if standing.state != "done" and number % share[1] == share[0]
    ]
    if not missing:
        return 0

    from studio.rendering.in_place import kept_line, render_in_place

    failures: list[str] = []
    cells_of: dict[RenderRequest, list[Cell]] = {}
    for cell in plan.cells():
        cells_of.setdefault(_with_whole_paths(cell.request, workspace.root), []).append(cell)

    def failed(request: RenderRequest, error: ValueError) -> None:
        failures.append(str(error))
        for cell in cells_of[request]:
            folder.add_failure(cell.contender, cell.prompt, cell.seed, str(error))
        typer.echo(
            f"failed: {request.model}, {request.prompt[:60]!r}, seed {request.seed}: {error}", err=True
        )

    with RenderBar() as bar:
        for contender in plan.contenders:
            wanted = [request for name, request in missing if name == contender.name]
            if not wanted:
                continue
            requests = [_with_whole_paths(one, workspace.root) for one in wanted]
            for picture in render_in_place(
                find_model(contender.model),
                requests,
                in_gallery(Gallery(workspace)),
                home=workspace.root,
                on_progress=bar.show,
                on_failure=failed,
            ):
                bar.clear()
                typer.echo(kept_line(picture), err=True)
    return len(failures)


def _with_whole_paths(request: RenderRequest, home: Path) -> RenderRequest:
    """Rendering in place knows no home."""
    worn = (AdapterUse(str(resolve_adapter(home, use.path)), use.weight) for use in request.adapters)
    return replace(request, adapters=tuple(worn))


def _share() -> tuple[int, int]:
    """(which, of how many) processes, as a launcher says it."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def _wait_for_all(share: tuple[int, int]) -> None:
    """Until every process of the launcher is here."""
    if share[1] > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


class _Steps:
    """Bar of the measuring."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self._bar: tqdm[None] = tqdm(unit="picture", disable=None, leave=False, file=sys.stderr)

    def __enter__(self) -> _Steps:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, what: str, done: int, total: int) -> bool:
        """Never asks to stop."""
        self._bar.set_description_str(what, refresh=False)
        self._bar.total, self._bar.n = total, done
        self._bar.refresh()
        return True
