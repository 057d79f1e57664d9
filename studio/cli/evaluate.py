"""`d4k evaluate` and `d4k reference`: sets of pictures compared, and a set measured once to compare with.

Bad files and metrics whose weights are missing are named and left out, as by `d4k score`; the exit code is 3 then.
Not here: the numbers (`metrics`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finetune.named_paths import is_file, is_folder
from studio.cli.score import (
    AsCsv,
    AsJson,
    Device,
    Metrics,
    device_of,
    known_metrics,
    print_table,
    sentence_or,
    still_asked,
)
from studio.cli.shared import BAD_INPUT_EXIT_CODE, SKIPPED_EXIT_CODE
from studio.home.disk import require_writable, whole_file

if TYPE_CHECKING:
    from metrics.reference_set import ReferenceSet

DEFAULT_CACHE = Path.home() / ".cache" / "diffusion-4k-studio" / "features"

Cache = Annotated[Path, typer.Option(help="Where the features of pictures are kept between runs.")]


def add_commands(app: typer.Typer) -> None:
    """Register both commands."""
    app.command()(evaluate)
    app.command()(reference)


def evaluate(
    generated: Annotated[Path, typer.Option(help="Folder of generated pictures.")],
    reference: Annotated[
        Path, typer.Option(help="Folder of real pictures, or what `d4k reference` measured of one.")
    ],
    metric: Metrics = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    cache: Cache = DEFAULT_CACHE,
    device: Device = "auto",
) -> None:
    """Score two sets of pictures: means with 95 % intervals, and how far the sets lie apart."""
    from metrics.reference_set import SUFFIX, ReferenceSet
    from metrics.set_evaluation import LEARNED_SET_METRICS, SET_METRICS, evaluate_sets

    names = sentence_or(lambda: known_metrics(metric, SET_METRICS, LEARNED_SET_METRICS))
    ours = sentence_or(lambda: folder_of_pictures(generated))
    theirs: list[Path] | ReferenceSet
    if reference.suffix == SUFFIX and is_file(reference):
        theirs = sentence_or(lambda: ReferenceSet.load(reference))
    else:
        theirs = sentence_or(lambda: folder_of_pictures(reference))
    learned = set(names) & set(LEARNED_SET_METRICS)
    place = sentence_or(lambda: device_of(device)) if learned else "cpu"
    table, warnings = sentence_or(
        lambda: evaluate_sets(ours, theirs, metrics=names, progress=True, cache=cache, device=place)
    )
    still_asked(names, table.left_out)
    for warning in warnings:
        typer.echo(f"note: {warning}", err=True)
    print_table(table, as_json, as_csv)
    raise typer.Exit(SKIPPED_EXIT_CODE if table.skipped or table.left_out else 0)


def reference(
    folder: Annotated[Path, typer.Argument(help="Folder of real pictures.")],
    out: Annotated[Path, typer.Option(help="File to write; its name ends in .npz.")],
    metric: Metrics = None,
    short_side: Annotated[
        int | None,
        typer.Option(
            help="Bring pictures to this short side for FID and KID, in px; as the smallest one is if not given."
        ),
    ] = None,
    cache: Cache = DEFAULT_CACHE,
    device: Device = "auto",
) -> None:
    """Measure a reference set into one file, for `d4k evaluate` where its pictures are not at hand."""
    from metrics.reference_set import SUFFIX
    from metrics.set_evaluation import LEARNED_SET_METRICS, SET_METRICS, measure_reference

    names = sentence_or(lambda: known_metrics(metric, SET_METRICS, LEARNED_SET_METRICS))
    pictures = sentence_or(lambda: folder_of_pictures(folder))
    if out.suffix != SUFFIX:
        typer.echo(f"--out must end in {SUFFIX}, got {out.name!r}", err=True)
        raise typer.Exit(BAD_INPUT_EXIT_CODE)
    sentence_or(lambda: require_writable(out))
    place = sentence_or(lambda: device_of(device)) if set(names) & set(LEARNED_SET_METRICS) else "cpu"
    found, skipped, left_out = sentence_or(
        lambda: measure_reference(
            pictures, metrics=names, short_side_px=short_side, progress=True, cache=cache, device=place
        )
    )
    kept = still_asked(names, left_out)
    for reason in skipped.values():
        typer.echo(f"skipped: {reason}", err=True)
    sentence_or(lambda: _write(found, out))
    typer.echo(f"{out}: {len(pictures) - len(skipped)} pictures, {len(kept)} metrics", err=True)
    raise typer.Exit(SKIPPED_EXIT_CODE if skipped or left_out else 0)


def _write(found: ReferenceSet, out: Path) -> None:
    with whole_file(out) as part:
        found.save(part)


def folder_of_pictures(folder: Path) -> list[Path]:
    if not is_folder(folder):
        raise ValueError(f"{folder} is no folder; name one that holds pictures")
    from metrics.pictures import pictures_in

    found = list(pictures_in(folder))
    if not found:
        raise ValueError(f"{folder} holds no PNG, JPEG, WebP or TIFF picture; name another folder")
    return found
