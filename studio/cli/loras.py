"""`d4k loras [--model ID]`: the LoRAs of a home, and how each fits a model, key by key."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from studio.cli.shared import Home, one_sentence, settings_of
from studio.home.workspace import Workspace
from studio.models.adapter_fit import AdapterFits
from studio.models.adapters import list_adapters


def add_commands(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(loras)


def loras(
    model: Annotated[
        str | None, typer.Option(help="Say how each fits this model, and why keys are left over.")
    ] = None,
    home: Home = None,
) -> None:
    """List LoRAs: of finished runs, and what lies in `loras/`."""
    with one_sentence():
        workspace = Workspace.open(settings_of(home).home)
        found = list_adapters(workspace)
        readable = [one.path for one in found if one.error is None]
        fits = AdapterFits(workspace.root, os.environ).find(readable, model) if model else {}
    for adapter in found:
        facts = [adapter.metadata[name] for name in ("family", "rank", "trigger") if name in adapter.metadata]
        typer.echo("  ".join([adapter.path, *facts, *([adapter.error] if adapter.error else [])]))
        if (fit := fits.get(adapter.path)) is not None:
            typer.echo(f"  {fit.words}")
            for reason, num_keys, example in fit.unused:
                typer.echo(f"  {num_keys} keys such as {example}: {reason}")
    if not found:
        typer.echo(f"no LoRA here; train one, or put it into {workspace.root / 'loras'}")
