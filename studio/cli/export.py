"""`d4k export RUN --format diffusers|comfyui|merged`: what a LoRA run made, in the form that others read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from finetune.named_paths import is_file, is_folder
from finetune.run_folder import RunFolder
from studio.cli.shared import BAD_INPUT_EXIT_CODE
from studio.home.roots import named_path
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.models.adapters import RUN_FILE
from studio.training.export_request import ExportFormat, is_full
from studio.training.exporting import export_adapter, export_full


def add_commands(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(export)
    app.command()(push)


def export(
    run: Annotated[str, typer.Argument(help="A run's name or folder, or a LoRA's .safetensors file.")],
    format: Annotated[ExportFormat, typer.Option(help="Who is to read it.")] = "diffusers",
    out: Annotated[
        Path | None, typer.Option(help="File, or folder for merged; in the run unless set.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="The model it was made for, where the file does not say.")
    ] = None,
    weight: Annotated[float, typer.Option(help="Strength that is melted in, for merged.")] = 1.0,
    home: Annotated[
        Path | None, typer.Option(help="Root folder of the studio; STUDIO_HOME sets it too.")
    ] = None,
) -> None:
    """Write a LoRA for diffusers or for ComfyUI and kohya's tools, or a whole model with it melted in."""
    try:
        folder = _full_run(run, home)
        if folder is None:
            made = export_adapter(_adapter_file(run, home), format, out=out, base=base, weight=weight)
        else:
            made = export_full(folder, format, out=out, base=base)
    except ValueError as error:
        typer.echo(f"d4k: {error}", err=True)
        raise typer.Exit(BAD_INPUT_EXIT_CODE) from error
    for key, why in made.unused.items():
        typer.echo(f"not used: {key}: {why}", err=True)
    typer.echo(f"{made.path}: {made.words}")


def push(
    run: Annotated[str, typer.Argument(help="A run's name or folder.")],
    hub_id: Annotated[str, typer.Argument(help="ACCOUNT/NAME on the Hugging Face hub.")],
    public: Annotated[bool, typer.Option("--public", help="Let everybody see it.")] = False,
    home: Annotated[
        Path | None, typer.Option(help="Root folder of the studio; STUDIO_HOME sets it too.")
    ] = None,
) -> None:
    """Publish a run's weights with a card; private unless --public. HF_TOKEN must be set."""
    from studio.training import publishing

    try:
        with tempfile.TemporaryDirectory() as name:
            folder = publishing.write_repository(RunFolder(_run_folder(run, home)), Path(name) / "repository")
            typer.echo(publishing.push(folder, hub_id, public=public, environ=os.environ))
    except ValueError as error:
        typer.echo(f"d4k: {error}", err=True)
        raise typer.Exit(BAD_INPUT_EXIT_CODE) from error


def _full_run(run: str, home: Path | None) -> Path | None:
    """The folder of a run that left a transformer, None for all else."""
    folder = _run_folder(run, home)
    return folder if is_full(folder) else None


def _run_folder(run: str, home: Path | None) -> Path:
    given = named_path(run)
    if is_folder(given):
        return given
    environment = {**os.environ, **({} if home is None else {"STUDIO_HOME": str(home)})}
    return Workspace(Settings.from_environment(environment).home).runs / run


def _adapter_file(run: str, home: Path | None) -> Path:
    given = named_path(run)
    if given.suffix == ".safetensors":
        if not is_file(given):
            raise ValueError(f"{given} is missing; check the path")
        return given
    folder = _run_folder(run, home)
    if not (folder / RUN_FILE).is_file():
        raise ValueError(f"{folder} has no {RUN_FILE}; give a finished LoRA run, or the LoRA's file")
    return folder / RUN_FILE
