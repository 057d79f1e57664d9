"""`d4k models list|pull|check|remove`: which models there are, and those of the hub. No torch."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from studio.cli.bars import DownloadBar
from studio.cli.shared import BAD_INPUT_EXIT_CODE, Home, open_home
from studio.models.cards import ADAPTERS, CARDS, ModelCard, adapter_card, reason_against
from studio.models.catalogue import ModelEntry
from studio.models.hub import Hub
from studio.models.hub_adapters import keep_adapter
from studio.models.hub_files import DownloadPlan
from studio.models.lookup import check_available, find_model, hub_id_of, is_here

commands = typer.Typer(help="List, download, check and remove models.", invoke_without_command=True)


def add_commands(app: typer.Typer) -> None:
    """Register `models`, which lists unless it is told more."""
    app.add_typer(commands, name="models")


@commands.callback()
def models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models(as_json=False)


@commands.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a model.")] = False,
) -> None:
    """List the models, and what each would need to run here."""
    for card in CARDS:
        told = describe(card)
        if as_json:
            typer.echo(json.dumps(told))
            continue
        entry, (width_px, height_px) = card.entry, card.advised_sizes_px[0]
        gate = "  gated" if entry.gated else ""
        size = f"{card.download_bytes / 1e9:.1f} GB" if card.download_bytes else "bundled"
        typer.echo(f"{entry.id:22}{entry.family:6}{width_px}x{height_px}  {size:>8}  {entry.licence}{gate}")
        typer.echo(f"{'':22}{entry.title}: {told['state']}")
    for adapter in () if as_json else ADAPTERS:
        typer.echo(f"{adapter.id:22}LoRA for {adapter.base}  {adapter.licence}")
        typer.echo(f"{'':22}{adapter.title}: {adapter.advice}")


@commands.command()
def pull(
    model: Annotated[str, typer.Argument(help="Catalogue id or hub id, such as flux.1-dev.")],
    plan_only: Annotated[bool, typer.Option("--plan", help="Only say what would be fetched.")] = False,
    home: Home = None,
) -> None:
    """Download a model, or a LoRA of the list into the home; one that was cut goes on where it stopped."""
    try:
        adapter = adapter_card(model)
        hub_id = hub_id_of(model) if adapter is None else adapter.hub_id
        if adapter is None and (reason := reason_against(hub_id)) is not None:
            raise ValueError(reason)
        hub = Hub.from_environment(os.environ)
        plan = hub.plan(hub_id) if adapter is None else hub.plan_file(hub_id, adapter.file)
        typer.echo(plan_line(plan))
        if plan_only:
            return
        here_bytes = plan.total_bytes - plan.missing_bytes
        with DownloadBar(total_bytes=plan.total_bytes, here_bytes=here_bytes) as bar:
            snapshot = hub.download(plan, on_bytes=bar.show)
        if adapter is not None:
            place = keep_adapter(adapter, snapshot, open_home(home).root)
            typer.echo(
                f'{place} is here; `d4k render "..." --model {adapter.base} --lora {place}` draws with it'
            )
            return
        check_available(find_model(model))
        typer.echo(f'{hub_id} is here; `d4k render "..." --model {model}` draws with it')
    except KeyboardInterrupt:
        typer.echo("\nstopped; the same command goes on from here", err=True)
        raise typer.Exit(130) from None
    except ValueError as error:
        _fail(error)


@commands.command()
def check(
    model: Annotated[str, typer.Argument(help="Catalogue id, hub id or folder.")],
    deep: Annotated[bool, typer.Option(help="Read every weight file and compare its digest.")] = False,
    online: Annotated[bool, typer.Option(help="Ask the hub: token, access, newer files.")] = True,
) -> None:
    """Say whether a model is whole, is what was downloaded, may be read, and is still what the hub has."""
    trouble = False
    try:
        for ok, sentence in findings(model, deep=deep, online=online):
            trouble = trouble or not ok
            typer.echo(f"{'ok     ' if ok else 'problem'}  {sentence}")
    except ValueError as error:
        _fail(error)
    if trouble:
        raise typer.Exit(1)


@commands.command()
def remove(
    model: Annotated[str, typer.Argument(help="Catalogue id or hub id.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a downloaded model from the cache; it can be downloaded again."""
    try:
        hub_id = hub_id_of(model)
        if not yes and not typer.confirm(f"delete {hub_id} from this machine?"):
            return
        freed = Hub.from_environment(os.environ).remove(hub_id)
        typer.echo(f"{hub_id} is gone, {freed / 1e9:.1f} GB are free again")
    except ValueError as error:
        _fail(error)


def describe(card: ModelCard) -> dict[str, Any]:
    """A card as plain values, with the model's state on this machine."""
    return {
        "id": card.entry.id,
        "title": card.entry.title,
        "family": card.entry.family,
        "source": card.entry.source,
        "licence": card.entry.licence,
        "gated": card.entry.gated,
        "gate_url": card.entry.gate_url,
        "autoencoder": card.entry.autoencoder,
        "download_bytes": card.download_bytes,
        "weight_bytes": card.weight_bytes,
        "advised_sizes_px": [list(size) for size in card.advised_sizes_px],
        "advice": card.advice,
        "here": is_here(card.entry),
        "state": state_of(card.entry),
    }


def state_of(entry: ModelEntry) -> str:
    """In a few words, or in the sentence that says what is lacking."""
    try:
        check_available(entry)
    except ValueError as error:
        return str(error)
    return "here" if is_here(entry) else "ready to download"


def plan_line(plan: DownloadPlan) -> str:
    here = plan.total_bytes - plan.missing_bytes
    already = f", {here / 1e9:.2f} GB of it here already" if here else ""
    return f"{plan.hub_id}: {len(plan.files)} files, {plan.total_bytes / 1e9:.2f} GB{already}"


def findings(model: str, *, deep: bool, online: bool) -> list[tuple[bool, str]]:
    """(whether it is well, a sentence) for each thing that was looked at."""
    found: list[tuple[bool, str]] = []
    hub = Hub.from_environment(os.environ)
    try:
        entry = find_model(model)
        check_available(entry)
        whole = is_here(entry)
        found.append(
            (whole, "every file is here" if whole else f"not here yet; `d4k models pull {model}` fetches it")
        )
    except ValueError as error:
        found.append((False, str(error)))
        whole = False
    try:
        hub_id = hub_id_of(model)
    except ValueError:
        return found
    if online:
        for ask in (lambda: f"the token is {hub.whoami()}'s", lambda: _access(hub, hub_id)):
            try:
                found.append((True, ask()))
            except ValueError as error:
                found.append((False, str(error)))
    if whole and online:
        changed = hub.changed_files(hub_id)
        words = (
            f"newer on the hub: {', '.join(changed)}; pull again to take it over"
            if changed
            else "the hub has nothing newer"
        )
        found.append((not changed, words))
    if whole and deep:
        damaged = hub.damaged_files(hub_id)
        words = (
            f"damaged: {', '.join(damaged)}; remove the model and pull it again"
            if damaged
            else "every weight is as it came"
        )
        found.append((not damaged, words))
    return found


def _access(hub: Hub, hub_id: str) -> str:
    hub.check_access(hub_id)
    return f"{hub_id} may be read"


def _fail(error: ValueError) -> None:
    typer.echo(f"d4k: {error}", err=True)
    raise typer.Exit(BAD_INPUT_EXIT_CODE) from error
