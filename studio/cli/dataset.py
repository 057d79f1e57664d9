"""`d4k dataset fetch HUB_ID`, `d4k dataset scan|preview|cache|caption DIR`: a dataset fetched, looked through, shown,
encoded and captioned.

Not here: training (`d4k train`), exporting what came of it (`studio.cli.export`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import cpu_count
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from finetune.config.run_config import Precision
from studio.cli.dataset_caption import caption
from studio.cli.shared import Home, one_sentence, open_home
from studio.datasets.fetching import check_is_here
from studio.datasets.places import cache_folder, picture_multiple_px
from studio.home.disk import require_writable, whole_file
from studio.models.catalogue import CATALOGUE
from studio.models.lookup import find_model

LISTED = 20  # of each list, on a terminal

dataset = typer.Typer(
    help="Look through a dataset, show its crops, encode it, caption it.", no_args_is_help=True
)

Folder = Annotated[Path, typer.Argument(help="Folder of pictures and captions, or a zip of one.")]
Resolution = Annotated[
    int, typer.Option(help="Side in pixels that is trained at; other shapes hold as many.")
]
Model = Annotated[str, typer.Option(help="Catalogue id or folder of the model to train.")]
Square = Annotated[bool, typer.Option("--square", help="Squares only, as published.")]
UnpackTo = Annotated[Path | None, typer.Option(help="New folder that a zip is unpacked to.")]


def add_commands(app: typer.Typer) -> None:
    """Register `dataset` with its five commands."""
    dataset.command()(caption)
    app.add_typer(dataset, name="dataset")


@dataset.command()
def fetch(
    hub_id: Annotated[
        str, typer.Argument(help="OWNER/NAME of a dataset on the hub, or OWNER/NAME@REVISION.")
    ],
    into: Annotated[
        str | None, typer.Option(help="Name of its folder; the dataset's own unless set.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which split; train, or the only one unless set.")] = None,
    subset: Annotated[str | None, typer.Option(help="Which subset, where there are several.")] = None,
    text_column: Annotated[
        str | None, typer.Option(help="Column of the captions; none fetches pictures alone.")
    ] = None,
    max_pictures: Annotated[int | None, typer.Option(help="How many at most, in the end.")] = None,
    home: Home = None,
) -> None:
    """Stream a dataset of the hub into the studio's home; stop it whenever you like, and start it again to go on."""
    from finetune.data.hub_dataset import FetchSettings
    from finetune.data.hub_stream import HubSource
    from studio.datasets.fetching import fetch as fetch_dataset
    from studio.datasets.fetching import fetch_folder

    with one_sentence():
        source = HubSource.parse(hub_id, subset=subset, split=split)
        settings = FetchSettings(text_column=text_column, max_pictures=max_pictures)
        folder = fetch_folder(open_home(home), source, into)
        with _bar("fetching", "picture") as told:
            end = fetch_dataset(source, folder, settings, told=told, environ=os.environ)
    typer.echo(f"{end.folder}: {end.words}")


@dataset.command()
def scan(
    folder: Folder,
    resolution: Resolution = 2048,
    model: Model = CATALOGUE[0].id,
    square: Square = False,
    unpack_to: UnpackTo = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which pictures are fit to train on, and why the others are not. Nothing is changed but excluded.json."""
    with one_sentence():
        report, root = _scanned(folder, resolution, model, square, unpack_to)
    if as_json:
        typer.echo(_json(report))
        return
    typer.echo(f"{report.num_pictures} pictures, {len(report.crops)} to train on ({root})")
    sizes = ", ".join(f"{count} from {edge} px" for edge, count in report.size_histogram if count)
    typer.echo(f"short sides: {sizes}")
    for (width, height), count in report.per_bucket().items():
        typer.echo(f"  {width}x{height}: {count}")
    _list("left out", [f"{e.file_name}: {e.words}" for e in report.exclusions.all()])
    _list("captions without a picture", list(report.captions_without_picture))
    _list("notes", list(report.notes))


@dataset.command()
def preview(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="Folder to write the crops to.")],
    resolution: Resolution = 2048,
    model: Model = CATALOGUE[0].id,
    square: Square = False,
    unpack_to: UnpackTo = None,
    limit: Annotated[int, typer.Option(help="How many at most.")] = 24,
    side: Annotated[
        int | None, typer.Option(help="Longest side to write; unless set, the trained size.")
    ] = None,
) -> None:
    """Write the crops that training sees, pixel for pixel, as PNG."""
    with one_sentence():
        from PIL import Image

        from finetune.data.trained_pixels import trained_pixels

        require_writable(out)
        report, root = _scanned(folder, resolution, model, square, unpack_to)
        for crop in report.crops[:limit]:
            image = Image.fromarray(trained_pixels(root, crop))
            if side is not None:
                image.thumbnail((side, side), Image.Resampling.LANCZOS)
            target = (out / "x".join(map(str, crop.size_px)) / crop.file_name).with_suffix(".png")
            with whole_file(target) as part:
                image.save(part, "PNG", compress_level=1)
            typer.echo(f"{target}  {crop.box} of the picture  {report.captions[crop.file_name]}")
    typer.echo(f"{min(limit, len(report.crops))} of {len(report.crops)} crops")


@dataset.command()
def cache(
    folder: Folder,
    resolution: Resolution = 2048,
    model: Model = CATALOGUE[0].id,
    square: Square = False,
    unpack_to: UnpackTo = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the cache; under the studio's home unless set.")
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(help="Of the run to come; bf16 on a GPU and fp32 on a CPU unless set."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Delete the cache instead.")] = False,
    home: Home = None,
) -> None:
    """Encode crops and captions to disk, as a run of the same precision would, so that it need not."""
    with one_sentence():
        entry = find_model(model)
        target = cache_folder(open_home(home), folder, entry.id) if out is None else out

        from finetune.data.cache_space import cache_bytes, clear_cache

        if clear:
            typer.echo(f"{clear_cache(target) / 2**20:.1f} MiB freed")
            return
        require_writable(target)
        report, root = _scanned(folder, resolution, model, square, unpack_to)

        from studio.datasets.encoding import encode_dataset
        from studio.pipeline.opening import best_device, quiet_libraries

        quiet_libraries()
        device = best_device()
        usual: Precision = "fp32" if device.type == "cpu" else "bf16"
        with _bar("encoding", "example") as told:
            cached = encode_dataset(
                root,
                report,
                model=model,
                precision=usual if precision is None else precision,
                device=device,
                folder=target,
                on_progress=lambda what, done, total: told(done, total, what),
            )
    size_mib = cache_bytes(target) / 2**20
    typer.echo(f"{len(cached)} examples in {target} ({size_mib:.1f} MiB, digest {cached.digest})")


def _scanned(
    folder: Path, resolution: int, model: str, square: bool, unpack_to: Path | None
) -> tuple[Any, Path]:
    """The report, and the dataset's root folder."""
    from finetune.data.dataset import open_dataset
    from finetune.data.scan import ScanSettings
    from finetune.data.scan import scan as scan_dataset

    check_is_here(folder)
    entry = find_model(model)
    settings = ScanSettings(
        resolution_px=resolution,
        multiple_px=picture_multiple_px(entry),
        square_only=square,
        max_side_px=entry.max_side_px,
    )
    opened = open_dataset(folder, unpack_to=unpack_to)
    limits: tuple[Any, ...] = ()
    if entry.folder is not None:
        from finetune.data.token_limits import token_limits

        limits = token_limits(entry.folder, entry.family, max_sequence_length=entry.max_sequence_length)
    with _bar("scanning", "picture") as told:
        workers = min(8, cpu_count())
        report = scan_dataset(opened, settings, token_limits=limits, workers=workers, on_progress=told)
    assert report is not None  # the bar never asks to stop
    return report, opened.root


@contextmanager
def _bar(what: str, unit: str) -> Iterator[Callable[..., bool]]:
    """A progress bar on stderr, silent in a pipe; gives a function (done, total, stage) that tells it."""
    with tqdm(desc=what, unit=unit, disable=None, file=sys.stderr) as bar:

        def told(done: int, total: int, stage: str = what) -> bool:
            bar.set_description(stage, refresh=False)
            bar.total = total
            bar.n = done
            bar.refresh()
            return True

        yield told


def _json(report: Any) -> str:
    return json.dumps(
        {
            "pictures": report.num_pictures,
            "crops": [asdict(crop) | {"caption": report.captions[crop.file_name]} for crop in report.crops],
            "left_out": [asdict(exclusion) for exclusion in report.exclusions.all()],
            "size_histogram": report.size_histogram,
            "captions_without_picture": report.captions_without_picture,
            "notes": report.notes,
        }
    )


def _list(title: str, lines: list[str]) -> None:
    if lines:
        typer.echo(f"{title}: {len(lines)}")
        for line in lines[:LISTED]:
            typer.echo(f"  {line}")
        if len(lines) > LISTED:
            typer.echo(f"  and {len(lines) - LISTED} more; --json lists all")
