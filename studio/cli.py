"""The command `d4k`: serve the studio, render without it, look at models, jobs and pictures.

torch is imported by `render` alone, and only once its arguments are known to be good.
Not here: how a picture is drawn in place (`studio.render_in_place`).
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from studio.gallery import Gallery
from studio.jobs import Job, JobTable
from studio.models import CATALOGUE, check_available, check_size, find_model
from studio.render_destination import destination
from studio.requests import NUM_SEEDS, expand_requests, parse_size
from studio.settings import ROOT, Settings
from studio.workspace import Workspace

BAD_INPUT_EXIT_CODE = 2

app = typer.Typer(
    name="d4k",
    help="Diffusion-4K Studio: pictures of 4096 x 4096 from a prompt.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Home = Annotated[Path | None, typer.Option(help="Root folder of the studio; STUDIO_HOME sets it too.")]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 unless set.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 7860 unless set.")] = None,
    home: Home = None,
) -> None:
    """Serve the studio to a browser; the same as `python app.py`."""
    given = {"STUDIO_HOST": host, "STUDIO_PORT": port, "STUDIO_HOME": home}
    environment = {**os.environ, **{name: str(value) for name, value in given.items() if value is not None}}
    with one_sentence():
        settings = Settings.from_environment(environment)
        Workspace.open(settings.home)
        _check_port_free(settings.host, settings.port)
    # This process becomes the server. It is not imported: app.py stands above this package.
    os.execve(sys.executable, [sys.executable, str(ROOT / "app.py")], environment)


@app.command()
def render(
    prompt: Annotated[str, typer.Argument(help="What the picture shows.")],
    negative: Annotated[str, typer.Option(help="What it should not show.")] = "",
    model: Annotated[str, typer.Option(help="Catalogue id, hub id or folder.")] = CATALOGUE[0].id,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels; unless set, the model's.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; unless set, the model's.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How closely to follow the prompt.")] = None,
    seed: Annotated[int | None, typer.Option(help="0 to 4294967295; random unless set.")] = None,
    count: Annotated[int, typer.Option(help="How many pictures; with --seed they walk up from it.")] = 1,
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
        if seed is not None and not 0 <= seed < NUM_SEEDS:
            raise ValueError(f"the seed must lie between 0 and {NUM_SEEDS - 1}, got {seed}; choose another")
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
        )
        check_size(entry, width_px, height_px)
        check_available(entry)
        target = destination(out, count=count, gallery_home=None if out is not None else _settings(home).home)

        from studio.render_in_place import render_in_place

        for picture in render_in_place(entry, requests, target, show_progress=not as_json):
            print(json.dumps(picture.to_dict()) if as_json else picture.line(), flush=True)


@app.command()
def models() -> None:
    """List the models, and what each would need to run here."""
    for entry in CATALOGUE:
        try:
            check_available(entry)
            state = "here" if entry.folder is not None else "ready to use or to download"
        except ValueError as error:
            state = str(error)
        width_px, height_px = entry.default_size_px
        typer.echo(f"{entry.id:22}{entry.family:6}{width_px}x{height_px}  {entry.licence}")
        typer.echo(f"{'':22}{entry.title}: {state}")


@app.command()
def jobs(
    home: Home = None,
    limit: Annotated[int, typer.Option(help="How many at most.")] = 30,
) -> None:
    """List running, waiting and ended jobs."""
    with one_sentence():
        listed = JobTable(Workspace.open(_settings(home).home).database).jobs(limit=limit)
    for job in listed:
        typer.echo(_job_line(job))
    if not listed:
        typer.echo("no jobs")


@app.command()
def gallery(
    search: Annotated[str, typer.Argument(help="Words that must occur in the prompt.")] = "",
    home: Home = None,
    starred: Annotated[bool, typer.Option("--starred", help="Only starred ones.")] = False,
    limit: Annotated[int, typer.Option(help="How many at most.")] = 30,
) -> None:
    """List pictures, newest first."""
    with one_sentence():
        shelf = Gallery(Workspace.open(_settings(home).home))
        pictures = shelf.pictures(search=search, starred_only=starred, limit=limit)
        total = shelf.count(search=search, starred_only=starred)
    for picture in pictures:
        mark = "missing" if picture.missing else "*" if picture.starred else ""
        size = f"{picture.width_px}x{picture.height_px}"
        prompt = " ".join(str(picture.record["settings"]["prompt"]).split())
        typer.echo(f"{picture.path}  {size:>9}  {mark:7}  {prompt}")
    typer.echo(f"{len(pictures)} of {total} pictures")
    for sentence in shelf.unreadable:
        typer.echo(sentence, err=True)


def main() -> None:
    app()


@contextmanager
def one_sentence() -> Iterator[None]:
    """Bad input ends in its own sentence on stderr and exit code 2, without a traceback."""
    try:
        yield
    except ValueError as error:
        typer.echo(f"d4k: {error}", err=True)
        raise typer.Exit(BAD_INPUT_EXIT_CODE) from error


def _settings(home: Path | None) -> Settings:
    given = {} if home is None else {"STUDIO_HOME": str(home)}
    return Settings.from_environment({**os.environ, **given})


def _check_port_free(host: str, port: int) -> None:
    """Say it in a moment instead of after the page is built; the server still asks for itself."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As the server itself does: without it, connections of a server just stopped hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ValueError(
                f"port {port} of {host} cannot be had ({error.strerror}); stop the program that holds it, or "
                "choose another with --port"
            ) from error


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
