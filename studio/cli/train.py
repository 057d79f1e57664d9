"""`d4k train CONFIG.toml | RUN` and `d4k runs`: training from a terminal, the same process as from the page.

Not here: datasets (`studio.cli.dataset`), exporting what came of it (`studio.cli.export`).
"""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from finetune.config.files import read_toml
from finetune.json_text import parse_json
from finetune.model_folder import read_json
from finetune.named_paths import is_file, is_folder
from finetune.run_folder import RunFolder, create_run, list_runs
from finetune.run_status import Status
from studio.cli.shared import Home, one_sentence, open_home
from studio.datasets.places import located
from studio.home.roots import named_path
from studio.home.workspace import Workspace
from studio.models.lookup import cached_folder, find_model
from studio.training.command import start_training, training_command
from studio.training.weights import is_f16

LOOK_EVERY_S = 0.3


def add_commands(app: typer.Typer) -> None:
    """Give `d4k` its `train`, `forecast` and `runs`."""
    app.command()(train)
    app.command()(forecast)
    app.command()(runs)


def train(
    what: Annotated[
        str, typer.Argument(help="A TOML file of settings, or the name or folder of a run to go on with.")
    ],
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Three steps that change nothing, and what the whole run will cost."),
    ] = False,
    from_step: Annotated[
        int | None, typer.Option(help="Go on from this checkpoint; later ones are set aside.")
    ] = None,
    home: Home = None,
) -> None:
    """Train; Ctrl-C saves and stops, and the same command with the run's name goes on."""
    with one_sentence():
        workspace = open_home(home)
        run = _run(what, workspace)
        state = run.state()
        if state.state in ("running", "stalled"):
            raise ValueError(f"{run.name} is being trained by process {state.pid}; stop that one first")
        if state.state == "done" and from_step is None and not dry_run:
            raise ValueError(
                f"{run.name} is done after {state.step} steps; --from-step goes back, a copy goes on"
            )
    typer.echo(f"run {run.path}")
    code = _watched(run, training_command(run.path, dry_run=dry_run, from_step=from_step))
    ended = run.state()
    if dry_run and code == 0:
        typer.echo(json.dumps(parse_json((run.path / "dry_run.json").read_text(encoding="utf-8"))))
    typer.echo(f"{ended.state}: {ended.message}", err=code != 0)
    if code:
        typer.echo(f"the whole of it is in {run.log} and {run.path / 'console.txt'}", err=True)
        raise typer.Exit(1)


def forecast(
    what: Annotated[
        Path, typer.Argument(help="A TOML file of settings; its model need not be on this machine.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a run will hold in memory, from the model's shapes alone: an estimate, nothing is loaded."""
    with one_sentence():
        config = read_toml(what)
        entry = find_model(config.model.base)

        from finetune.backbones.full_size import FULL_SIZE_TRANSFORMERS
        from finetune.memory.training_memory import hollow_transformer, training_memory

        folder = entry.folder if entry.folder is not None else cached_folder(entry.source)
        if folder is not None:
            transformer = hollow_transformer(entry.family, read_json(folder / "transformer" / "config.json"))
        elif entry.id in FULL_SIZE_TRANSFORMERS:
            transformer = FULL_SIZE_TRANSFORMERS[entry.id].on_meta()
        else:
            transformer = FULL_SIZE_TRANSFORMERS[
                "flux.1-dev" if entry.family == "flux" else "sd3-medium"
            ].on_meta()
        side = config.data.resolution_px // (16 if is_f16(config, entry) else 8)
        found = training_memory(transformer, entry.family, config, (16, side, side))
    if as_json:
        typer.echo(json.dumps({**asdict(found), "lora_layers": len(found.lora_layers), "total": found.total}))
        return
    what_moves = f"{len(found.lora_layers)} layers" if found.lora_layers else "every weight"
    typer.echo(
        f"{entry.title}, {config.method.kind} at {config.data.resolution_px} px: {found.num_trained:,} of "
        f"{found.num_parameters:,} weights trained ({what_moves})"
    )
    for name in ("weights", "gradients", "optimizer", "ema", "activations", "total"):
        typer.echo(f"  {name:<12} {getattr(found, name) / 2**30:8.2f} GiB, estimated")


def runs(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per run.")] = False,
    home: Home = None,
) -> None:
    """List the runs of this home, newest first, with the state they are truly in."""
    with one_sentence():
        for run in list_runs(open_home(home).runs):
            try:
                status = run.state()
            except ValueError as error:  # a damaged run is named, the others are listed
                status = Status("failed", message=str(error))
            if as_json:
                typer.echo(json.dumps({"run": run.name, **asdict(status)}))
            else:
                last = next((row["loss"] for row in reversed(run.rows()) if "loss" in row), None)
                loss = "" if last is None else f"loss {last:.4f}"
                typer.echo(f"{run.name:<28} {status.state:<12} {status.step:>6}/{status.num_steps:<6} {loss}")


def _run(what: str, workspace: Workspace) -> RunFolder:
    """An existing run, or a new one of a settings file."""
    for path in (workspace.runs / what, named_path(what)):
        if is_folder(path):
            run = RunFolder(path)
            run.config()  # raises where it is none
            return run
    path = named_path(what)
    if not is_file(path):
        raise ValueError(
            f"{what} is no settings file, no run of {workspace.runs} and no folder; check the name"
        )
    return create_run(workspace.runs, located(read_toml(path), workspace))


def _watched(run: RunFolder, command: tuple[str, ...]) -> int:
    """Run it under a progress bar; Ctrl-C reaches the process, which saves before it stops."""
    process = start_training(run.path, command)

    def stop(*_: object) -> None:
        run.ask("STOP")

    before = signal.signal(signal.SIGINT, stop)
    try:
        with tqdm(desc="starting", unit="step", disable=None, file=sys.stderr) as bar:
            while process.poll() is None:
                _tell(run, bar)
                time.sleep(LOOK_EVERY_S)
            _tell(run, bar)
    finally:
        signal.signal(signal.SIGINT, before)
    return process.returncode


def _tell(run: RunFolder, bar: tqdm[None]) -> None:
    status = run.state()
    bar.total, bar.n = status.num_steps, status.step
    bar.set_description(f"{status.stage} {status.message}".strip(), refresh=False)
    row = next((row for row in reversed(run.rows()) if "loss" in row), None)
    if row is not None:
        bar.set_postfix_str(f"loss {row['loss']:.4f}", refresh=False)
    bar.refresh()
