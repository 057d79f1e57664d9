"""`d4k score`: pictures to numbers, as text, JSON or CSV.

A file that cannot be read is named, skipped, and makes the exit code 3; the others are scored all the same. So is a
metric whose weights are missing, and one that a picture is too small for is left out of its row with a note.
Not here: sets (`studio.cli.evaluate`), the numbers (`metrics`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from studio.cli.shared import BAD_INPUT_EXIT_CODE, SKIPPED_EXIT_CODE

if TYPE_CHECKING:
    from metrics.evaluate import Score
    from metrics.learned import LearnedScorer
    from metrics.pictures import ReadPicture
    from metrics.score_table import ScoreTable

T = TypeVar("T")

Metrics = Annotated[
    list[str] | None,
    typer.Option("--metric", help="Only this one; repeat for more. All weight-free ones by default."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Device = Annotated[
    str, typer.Option(help="Where networks run, for metrics that need one: auto, cpu or cuda.")
]


def add_commands(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(score)


def score(
    files: Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures.")],
    metric: Metrics = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    prompt: Annotated[
        str | None,
        typer.Option(help="For CLIPScore; else the one inside our PNGs, or NAME.txt beside a picture."),
    ] = None,
    device: Device = "auto",
    half: Annotated[bool, typer.Option("--half", help="Run networks in fp16.")] = False,
) -> None:
    """Score pictures, one by one."""
    from tqdm import tqdm

    from metrics.evaluate import LEARNED, WEIGHT_FREE, score_what_fits
    from metrics.pictures import pictures_in, read_picture
    from metrics.score_table import Row, ScoreTable

    names = sentence_or(lambda: known_metrics(metric, WEIGHT_FREE, LEARNED))
    learned = [name for name in names if name in LEARNED]
    scorer, left_out = sentence_or(lambda: _opened(learned, device, half)) if learned else (None, {})
    learned = [name for name in learned if name not in left_out]
    names = still_asked(names, left_out)
    plain = [name for name in names if name not in LEARNED]
    paths = [path for given in files for path in pictures_in(given)]
    if not paths:
        typer.echo("there are no PNG, JPEG, WebP or TIFF pictures; name files, or another folder", err=True)
        raise typer.Exit(BAD_INPUT_EXIT_CODE)
    by_others = _by_others(scorer, learned)
    rows, skipped = [], {}
    for path in tqdm(paths, desc="scoring", unit="picture", disable=None, file=sys.stderr):
        try:
            picture = read_picture(path)
            scores, missing = score_what_fits(picture.pixels, metrics=plain)
            notes = (*picture.notes, *dict.fromkeys(missing.values()))
            if scorer is not None and learned:
                more, told = _by_networks(scorer, picture, prompt, learned)
                scores, notes = {**scores, **more}, (*notes, *told, *by_others)
            if not scores:
                raise ValueError(f"{path.name}: {notes[-1]}")
        except ValueError as error:
            skipped[str(path)] = str(error)
            typer.echo(f"skipped: {error}", err=True)
            continue
        rows.append(Row(str(path), {name: found.value for name, found in scores.items()}, notes))
    print_table(ScoreTable(names, tuple(rows), skipped, left_out), as_json, as_csv)
    raise typer.Exit(SKIPPED_EXIT_CODE if skipped or left_out else 0)


def prompt_of(path: Path) -> str | None:
    """The prompt inside a studio or A1111 picture, or in NAME.txt beside it; None where there is neither."""
    from studio.pictures.settings_reader import read_settings

    beside = path.with_suffix(".txt")
    if beside.is_file():
        return beside.read_text(encoding="utf-8").strip()
    try:
        found = read_settings(path).values.get("prompt")
    except ValueError:
        return None
    return None if found is None else str(found)


def device_of(asked: str) -> str:
    """A device of torch: "auto" is a GPU where there is one. Imports torch."""
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=asked)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"there is no device {asked!r} here; choose auto, cpu or cuda") from error
    return asked


def _opened(metrics: Sequence[str], device: str, half: bool) -> tuple[LearnedScorer, dict[str, str]]:
    """The networks, and the metrics that cannot be had with their reasons."""
    import torch

    from metrics.learned import LearnedScorer

    scorer = LearnedScorer(device=device_of(device), dtype=torch.float16 if half else torch.float32)
    return scorer, scorer.open(metrics)


def _by_others(scorer: LearnedScorer | None, metrics: Sequence[str]) -> list[str]:
    """A sentence, which is told, for each metric that another model than the published one makes."""
    from metrics.weights import by_another

    places = {} if scorer is None else {name: scorer.model(name) for name in metrics}
    told = {name: by_another(name, place) for name, place in places.items() if place}
    notes = [f"{name}: {words}" for name, words in told.items() if words]
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    return notes


def _by_networks(
    scorer: LearnedScorer, picture: ReadPicture, prompt: str | None, metrics: Sequence[str]
) -> tuple[dict[str, Score], tuple[str, ...]]:
    """(scores, notes); a metric that lacks a prompt is left out with a note."""
    found: dict[str, Score] = {}
    notes: list[str] = []
    for metric in metrics:
        try:
            said = prompt_of(picture.path) if prompt is None else prompt
            more, told = scorer.scores(picture.pixels, said, metrics=[metric])
        except ValueError as error:
            notes.append(f"{metric}: {error}")
            continue
        found |= more
        notes += told
    return found, tuple(notes)


def still_asked(names: Sequence[str], left_out: Mapping[str, str]) -> tuple[str, ...]:
    """The names without those left out, which are told; ends the command where none is left."""
    for name, reason in left_out.items():
        typer.echo(f"left out: {name}: {reason}", err=True)
    kept = tuple(name for name in names if name not in left_out)
    if not kept:
        raise typer.Exit(BAD_INPUT_EXIT_CODE)
    return kept


def known_metrics(
    asked: Sequence[str] | None, by_default: Sequence[str], on_request: Sequence[str]
) -> tuple[str, ...]:
    from metrics.catalogue import card

    all_of_them = (*by_default, *on_request)
    for name in asked or ():
        entry = card(name)
        if name not in all_of_them:
            raise ValueError(
                f"{name} cannot be asked here ({f'needs {entry.needs}' if entry.needs else f'is of a {entry.scope}'}); "
                f"there are {', '.join(all_of_them)}"
            )
    return tuple(asked or by_default)


def sentence_or(work: Callable[[], T]) -> T:
    """What `work` returns; a ValueError ends the command with its sentence."""
    try:
        return work()
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_INPUT_EXIT_CODE) from error


def print_table(table: ScoreTable, as_json: bool, as_csv: bool) -> None:
    if as_json:
        typer.echo(table.to_json())
    elif as_csv:
        typer.echo(table.to_csv(), nl=False)
    elif table.rows:
        typer.echo(table.to_text())
