"""The command `d4k`: serve the studio, render without it, look at models, jobs and pictures.

torch is imported by `render` alone, and only once its arguments are known to be good.
Not here: other commands (a module of `studio.cli` each), how a picture is drawn in place (`studio.rendering.in_place`).
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from finetune.drawing.speed_names import ROPE_METHODS
from studio.cli import (
    benchmark,
    dataset,
    evaluate,
    export,
    grid,
    loras,
    models,
    probe,
    score,
    serve,
    settings,
    speed,
    train,
)
from studio.cli.bars import RenderBar
from studio.cli.shared import Home, one_sentence, settings_of
from studio.home.console import print_any_letter
from studio.home.init_images import keep_init_image
from studio.home.quiet_imports import quiet_imports
from studio.home.roots import named_path
from studio.home.workspace import Workspace
from studio.init_image import USUAL_STRENGTH, InitImage
from studio.memory_rungs import RUNGS
from studio.models.adapters import resolve_adapter
from studio.models.admission import admit
from studio.models.catalogue import CATALOGUE
from studio.models.lookup import find_model
from studio.pictures.destination import destination
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_search import Listed, Narrowed, Order
from studio.queue.job import Job
from studio.queue.table import JobTable
from studio.render_request import AdapterUse, expand_requests, parse_adapter, parse_size

app = typer.Typer(
    name="d4k",
    help="Diffusion-4K Studio: pictures of 4096 x 4096 from a prompt.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
NOUNS = (
    *(serve, score, evaluate, benchmark, dataset, export, grid, train, models, loras, probe, speed, settings),
)
for noun in NOUNS:
    noun.add_commands(app)


@app.command()
def render(
    prompt: Annotated[str, typer.Argument(help="What the picture shows.")],
    negative: Annotated[str, typer.Option(help="What it should not show.")] = "",
    model: Annotated[str, typer.Option(help="Catalogue id, hub id or folder.")] = CATALOGUE[0].id,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels; unless set, the model's.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; unless set, the model's.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How closely to follow the prompt.")] = None,
    coarse_first: Annotated[
        float | None,
        typer.Option(
            help="Compose small, enlarge, draw anew from this noise level (0.3 is usual); 0 draws at full size alone; "
            "unless set, the model's."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="0 to 4294967295; random unless set.")] = None,
    count: Annotated[int, typer.Option(help="How many pictures; with --seed they walk up from it.")] = 1,
    init: Annotated[
        Path | None, typer.Option(help="A picture to begin from; it is scaled and cut to the size.")
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(help=f"How much of it is drawn anew, 0.05 to 0.95; unless set, {USUAL_STRENGTH:g}."),
    ] = None,
    lora: Annotated[
        list[str] | None, typer.Option(help="FILE or FILE:WEIGHT of a LoRA; repeat for a stack.")
    ] = None,
    rope: Annotated[
        str, typer.Option(help=f"Positions of a FLUX model beyond its size: {', '.join(ROPE_METHODS)}.")
    ] = "none",
    speed: Annotated[
        list[str] | None,
        typer.Option(
            help="compile, first_block_cache:0.08 or attention:NAME; repeat for more. See `d4k speed`."
        ),
    ] = None,
    memory: Annotated[
        str, typer.Option(help=f"How it is to fit: auto, or one of {', '.join(RUNGS)}.")
    ] = "auto",
    out: Annotated[
        Path | None, typer.Option(help="PNG file or folder to write to; the gallery unless set.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per picture.")] = False,
    home: Home = None,
) -> None:
    """Render in place, without a server."""
    with one_sentence():
        entry = find_model(model)
        width_px, height_px = entry.default_size_px if size is None else parse_size(size)
        requests = expand_requests(
            prompts=prompt,
            as_list=False,
            count=count,
            seed=0 if seed is None else seed,
            seed_mode="random" if seed is None else "walk",
            negative_prompt=negative,
            model=entry.id,
            width_px=width_px,
            height_px=height_px,
            num_inference_steps=entry.default_steps if steps is None else steps,
            guidance_scale=entry.default_guidance_scale if guidance is None else guidance,
            coarse_first=entry.default_coarse_first if coarse_first is None else coarse_first,
            adapters=[_adapter(text) for text in ([] if lora is None else lora)],
            rope=rope,
            speed=",".join([] if speed is None else speed),
            memory=memory,
            init=_init_image(settings_of(home).home, init, strength),
        )
        admit(requests[0], settings_of(home))
        target = destination(
            out, count=count, gallery_home=None if out is not None else settings_of(home).home
        )

        from studio.rendering.in_place import kept_line, kept_values, render_in_place

        with RenderBar() as bar:
            for picture in render_in_place(
                *(entry, requests, target),
                home=settings_of(home).home,
                on_progress=None if as_json else bar.show,
            ):
                bar.clear()
                print(json.dumps(kept_values(picture)) if as_json else kept_line(picture), flush=True)


@app.command()
def jobs(
    home: Home = None,
    limit: Annotated[int, typer.Option(help="How many at most.")] = 30,
) -> None:
    """List running, waiting and ended jobs."""
    with one_sentence():
        listed = JobTable(Workspace.open(settings_of(home).home).database).jobs(limit=limit)
    for job in listed:
        typer.echo(_job_line(job))
    if not listed:
        typer.echo("no jobs")


@app.command()
def gallery(
    search: Annotated[
        str, typer.Argument(help="Words that must occur in prompt, size, seed, model or date.")
    ] = "",
    home: Home = None,
    starred: Annotated[bool, typer.Option("--starred", help="Only starred ones.")] = False,
    order: Annotated[Order, typer.Option(help="What comes first.")] = "newest",
    model: Annotated[str, typer.Option(help="Only of the model of this title.")] = "",
    size: Annotated[str, typer.Option(help="Only of this size in pixels, such as 4096x4096.")] = "",
    limit: Annotated[int, typer.Option(help="How many at most.")] = 30,
) -> None:
    """List pictures."""
    with one_sentence():
        shelf = Gallery(Workspace.open(settings_of(home).home))
        listed = Listed(search, starred_only=starred, narrowed=Narrowed(order, model, size))
        pictures, total = shelf.pictures(listed, limit=limit), shelf.count(listed)
    for picture in pictures:
        mark = "missing" if picture.missing else "*" if picture.starred else ""
        size = f"{picture.width_px}x{picture.height_px}"
        prompt = " ".join(picture.record.settings.prompt.split())
        typer.echo(f"{picture.path}  {size:>9}  {mark:7}  {prompt}")
    typer.echo(f"{len(pictures)} of {total} pictures")
    for sentence in shelf.unreadable:
        typer.echo(sentence, err=True)


def main() -> None:
    print_any_letter()
    quiet_imports()
    app()


def _adapter(text: str) -> AdapterUse:
    """With its whole path: pictures go to other folders than the one that the command was called in."""
    use = parse_adapter(text)
    return AdapterUse(str(resolve_adapter(None, str(named_path(use.path).absolute())).resolve()), use.weight)


def _init_image(home: Path, picture: Path | None, strength: float | None) -> InitImage | None:
    """Kept in the home, for the picture's settings to name it."""
    if picture is None:
        if strength is not None:
            raise ValueError(
                "--strength says how much of a picture is drawn anew; name the picture with --init"
            )
        return None
    how_much = USUAL_STRENGTH if strength is None else strength
    return keep_init_image(home, named_path(str(picture)), strength=how_much)


def _job_line(job: Job) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created_at))
    progress = job.progress
    detail = ""
    if job.state == "running":
        detail = f"{progress.stage} {progress.step}/{progress.num_steps}  "
    elif job.error is not None:
        detail = f"{job.error}  "
    return f"{job.id:>5}  {job.state:11}  {when}  {job.kind:6}  {detail}{' '.join(job.label.split())}"


if __name__ == "__main__":
    main()
