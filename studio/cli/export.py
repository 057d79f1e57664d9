"""`d4k export RUN --format diffusers|comfyui|merged`: what a LoRA run made, in the form that others read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from finetune.model_folder import ModelFolder
from finetune.run_folder import RunFolder
from finetune.weight_files import read_header
from studio.cli.shared import BAD_INPUT_EXIT_CODE
from studio.home.disk import require_writable
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.models.adapters import RUN_FILE
from studio.models.catalogue import ModelEntry
from studio.models.lookup import check_is_folder, find_model

Format = Literal["diffusers", "comfyui", "merged"]


def add_commands(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(export)
    app.command()(push)


def export(
    run: Annotated[str, typer.Argument(help="A run's name or folder, or a LoRA's .safetensors file.")],
    format: Annotated[Format, typer.Option(help="Who is to read it.")] = "diffusers",
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
            typer.echo(export_adapter(_adapter_file(run, home), format, out=out, base=base, weight=weight))
        else:
            typer.echo(export_full(folder, format, out=out, base=base))
    except ValueError as error:
        typer.echo(f"d4k: {error}", err=True)
        raise typer.Exit(BAD_INPUT_EXIT_CODE) from error


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


def export_full(run: Path, format: Format, *, out: Path | None, base: str | None) -> str:
    """Write the whole pipeline of a full run's transformer; returns one line that says so."""
    if format != "merged":
        raise ValueError(
            f"{run.name} trained every weight, so there is no LoRA to write; ask for --format merged"
        )
    entry = _base_model({"base": RunFolder(run).config().model.base}, base)

    from finetune.lora.merge import with_transformer

    target = run / f"{run.name}-merged" if out is None else out
    require_writable(target)
    with_transformer(entry.source if entry.folder is None else entry.folder, run / "transformer", target)
    return f"{target}: a pipeline folder, {entry.title} with the trained transformer"


def export_adapter(path: Path, format: Format, *, out: Path | None, base: str | None, weight: float) -> str:
    """Export one LoRA file; returns one line that says what was written and how it fitted."""
    metadata = dict(read_header(path).metadata)
    entry = _base_model(metadata, base)

    from finetune.backbones.checkpoints import pipeline_folder
    from finetune.lora.files import diffusers_state, kohya_state, read_adapter, write_adapter
    from finetune.lora.merge import folder_shapes, merge_adapters

    source = entry.source if entry.folder is None else entry.folder
    target = _target(path, format) if out is None else out
    require_writable(target)
    if format == "merged":
        (report,) = merge_adapters(source, [(path, weight)], target)
        return f"{target}: {report.words()}"
    if target.suffix != ".safetensors":
        raise ValueError(f"a LoRA is written to a .safetensors file, got {target.name}; change --out")
    shapes = folder_shapes(pipeline_folder(source))
    adapter = read_adapter(path, family=entry.family, shapes=shapes)
    if not adapter.pairs:
        raise ValueError(
            f"{path.name} fits no layer of {entry.title}; name the model that it was made for with --base"
        )
    if format == "comfyui":
        state = kohya_state(adapter.pairs, family=entry.family, shapes=shapes)
    else:
        state = diffusers_state(adapter.pairs)
    kept = {
        name: value for name, value in metadata.items() if name not in ("format", "lora_adapter_metadata")
    }
    return f"{write_adapter(target, state, kept)}: {adapter.report.words()}"


def _full_run(run: str, home: Path | None) -> Path | None:
    """The folder of a run that left a transformer, None for all else."""
    folder = _run_folder(run, home)
    return folder if (folder / "transformer" / "config.json").is_file() else None


def _run_folder(run: str, home: Path | None) -> Path:
    given = Path(run).expanduser()
    if given.is_dir():
        return given
    environment = {**os.environ, **({} if home is None else {"STUDIO_HOME": str(home)})}
    return Workspace(Settings.from_environment(environment).home).runs / run


def _adapter_file(run: str, home: Path | None) -> Path:
    given = Path(run).expanduser()
    if given.suffix == ".safetensors":
        if not given.is_file():
            raise ValueError(f"{given} is missing; check the path")
        return given
    folder = _run_folder(run, home)
    if not (folder / RUN_FILE).is_file():
        raise ValueError(f"{folder} has no {RUN_FILE}; give a finished LoRA run, or the LoRA's file")
    return folder / RUN_FILE


def _base_model(header: dict[str, str], base: str | None) -> ModelEntry:
    named = header.get("base") if base is None else base
    if named is None:
        raise ValueError("the file does not say which model it was made for; name it with --base")
    entry = find_model(named)
    check_is_folder(entry)
    if entry.folder is not None and (missing := ModelFolder.open(entry.folder).missing()):
        raise ValueError(f"{entry.title} is incomplete, it lacks {', '.join(missing)}; restore it")
    return entry


def _target(path: Path, format: Format) -> Path:
    """Beside the LoRA, never over it."""
    stem = path.parents[1].name if path.as_posix().endswith(RUN_FILE) else path.stem
    return path.with_name(f"{stem}-merged" if format == "merged" else f"{stem}-{format}.safetensors")
