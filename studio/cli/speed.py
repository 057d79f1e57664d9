"""`d4k speed`: seconds and differences of speed options against the exact picture, measured here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from finetune.drawing.speed_names import CACHE, COMPILE, SpeedOptions
from studio.cli.shared import Home, one_sentence, settings_of
from studio.memory.speeds import FILE, keep_speed
from studio.models.catalogue import CATALOGUE
from studio.models.lookup import check_available, check_options, check_size, find_model
from studio.render_request import RenderRequest, parse_size

if TYPE_CHECKING:
    from studio.rendering.speed_report import SpeedReport


def add_commands(app: typer.Typer) -> None:
    app.command()(speed)


def speed(
    prompt: Annotated[str, typer.Argument(help="What the picture shows.")],
    model: Annotated[str, typer.Option(help="Catalogue id, hub id or folder.")] = CATALOGUE[0].id,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels; unless set, the model's.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; unless set, the model's.")] = None,
    seed: Annotated[int, typer.Option(help="Of every picture.")] = 7,
    option: Annotated[
        list[str] | None,
        typer.Option(help="compile, first_block_cache:0.08, attention:NAME, or some with commas."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per option.")] = False,
    home: Home = None,
) -> None:
    """Draw one picture exactly and with each option: seconds, PSNR and energy of the detail bands.

    The form of this home tells it from then on.
    """
    with one_sentence():
        root = settings_of(home).home
        entry = find_model(model)
        usual = [COMPILE] if entry.family == "sd3" else [COMPILE, f"{CACHE}:0.05", f"{CACHE}:0.1"]
        options = usual if option is None else [str(SpeedOptions.parse(text)) for text in option]
        for text in options:
            check_options(entry, rope="none", speed=text)
        width_px, height_px = entry.default_size_px if size is None else parse_size(size)
        check_size(entry, width_px, height_px)
        check_available(entry)
        request = RenderRequest(
            prompt=prompt,
            model=entry.id,
            width_px=width_px,
            height_px=height_px,
            num_inference_steps=entry.default_steps if steps is None else steps,
            guidance_scale=entry.default_guidance_scale,
            coarse_first=entry.default_coarse_first,
            seed=seed,
        )

        from studio.pipeline.opening import load_pipeline, quiet_libraries
        from studio.rendering.speed_report import measured, reports

        quiet_libraries()
        opened = load_pipeline(entry)
        for found in reports(opened, request, options):
            typer.echo(json.dumps(found.to_dict()) if as_json else _line(found))
            if found.option:
                try:
                    keep_speed(root, measured(found, opened, request))
                except OSError as error:  # costs the line, not the other options
                    typer.echo(f"{root / FILE} was not written ({error.strerror})", err=True)


def _line(found: SpeedReport) -> str:
    if not found.option:
        return f"{'exact':28} {found.denoise_s:8.2f} s"
    bands = " ".join(f"{band} {ratio:.3f}" for band, ratio in found.band_ratios.items())
    return (
        f"{found.option:28} {found.denoise_s:8.2f} s  x {found.speed_up:.2f}  {found.psnr_db:.1f} dB  {bands}"
    )
