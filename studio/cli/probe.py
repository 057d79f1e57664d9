"""`d4k probe`: what a full-size model takes on this device, measured, without a download."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from typing import Annotated, Any, Literal, cast

import typer

from studio.cli.shared import Home, one_sentence, settings_of
from studio.memory.footprints import footprint_of
from studio.memory.measured import Measurement, keep_measurement, measured_now
from studio.memory_rungs import RUNGS, Rung, render_memory
from studio.models.lookup import find_model
from studio.render_request import parse_size

MODEL_OF = {"sd3": "sd3-medium", "flux": "flux.1-dev"}


def add_commands(app: typer.Typer) -> None:
    app.command()(probe)


def probe(
    family: Annotated[str, typer.Option(help="sd3 or flux: stands for its usual model.")] = "sd3",
    model: Annotated[
        str | None, typer.Option(help="A catalogue id, instead of the family's usual one.")
    ] = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels.")] = "2048x2048",
    steps: Annotated[int, typer.Option(help="Timed steps, after one that is not.", min=1)] = 2,
    train: Annotated[str | None, typer.Option(help="lora or full: measure training instead.")] = None,
    rung: Annotated[
        list[str] | None, typer.Option(help="Of the memory ladder; repeat, or `all`. The first unless set.")
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Build it here instead of opening the real one.")
    ] = False,
    without_encoders: Annotated[
        bool, typer.Option("--without-encoders", help="Leave the text encoders out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per rung.")] = False,
    home: Home = None,
) -> None:
    """Measure seconds and memory of each stage on this device, beside the forecast."""
    with one_sentence():
        if family not in MODEL_OF:
            raise ValueError(f"--family is sd3 or flux, got {family!r}")
        if train not in (None, "lora", "full"):
            raise ValueError(f"--train is lora or full, got {train!r}")
        entry = find_model(MODEL_OF[family] if model is None else model)
        width_px, height_px = parse_size(size)
        place = settings_of(home).home

        from studio.memory import probe as probing
        from studio.memory import probe_models

        device = probe_models.best_device()
        opened = probe_models.Source(entry, random_weights, not without_encoders, device)
        opened.check()
        if train is not None:
            kind = cast(Literal["lora", "full"], train)
            _print(probe_models.training(opened, kind, width_px, height_px, steps), as_json)
            return
        for name in _rungs(rung, probing.probe_rungs(device, random=random_weights)):
            base = probing.resident_bytes()
            pipeline = opened.pipeline(name)
            footprint = footprint_of(entry, place) or probe_models.measured(opened)
            guided = entry.family == "sd3"
            if without_encoders:
                footprint = replace(
                    footprint,
                    weights={k: v for k, v in footprint.weights.items() if not k.startswith("text_")},
                    encode=0,
                )
            forecast = render_memory(
                footprint,
                name,
                width_px=width_px,
                height_px=height_px,
                guided=guided,
                weight_bytes=pipeline.vae.dtype.itemsize,
            )
            found = probing.probe_render(
                pipeline,
                opened.family,
                forecast,
                device=device,
                size_px=(width_px, height_px),
                num_steps=steps,
                guided=guided,
                base_bytes=base,
            )
            told = opened.facts(pipeline) | {
                "width_px": width_px,
                "height_px": height_px,
                "rung": name,
                "seconds_per_step": round(found.seconds_per_step, 4),
                "stages": [stage.to_dict() for stage in found.stages],
            }
            del pipeline
            gc.collect()
            _print(told, as_json)
            if device.type == "cuda" and not without_encoders:
                keep_measurement(place, _measurement(told, guided))


def _rungs(asked: list[str] | None, available: tuple[Rung, ...]) -> tuple[Rung, ...]:
    if asked is None:
        return available[:1]
    if asked == ["all"]:
        return available
    for name in asked:
        if name not in available:
            raise ValueError(
                f"{name!r} cannot be probed here; choose of {', '.join(available)}, or all"
                + ("" if name in RUNGS else f"; the ladder is {', '.join(RUNGS)}")
            )
    return tuple(name for name in available if name in asked)


def _measurement(told: dict[str, Any], guided: bool) -> Measurement:
    stages = {stage["name"]: stage for stage in told["stages"]}
    return Measurement(
        time=measured_now(),
        device=told["device"],
        model=told["model"],
        rung=told["rung"],
        dtype=told["dtype"],
        width_px=told["width_px"],
        height_px=told["height_px"],
        guided=guided,
        seconds_per_step=told["seconds_per_step"],
        decode_s=round(stages["decode"]["seconds"], 3),
        peak_bytes=max(stage["peak_bytes"] for stage in told["stages"]),
    )


def _print(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(told))
        return
    how = told.get("rung", told.get("train"))
    typer.echo(
        f"{told['model']} ({told['num_parameters'] / 1e9:.2f} billion) at {told['width_px']} x "
        f"{told['height_px']}, {how}, {told['dtype']}, on {told['device']}: {told['seconds_per_step']:.3f} s/step"
    )
    typer.echo(f"  {'stage':<10}{'seconds':>10}{'peak GB':>10}{'forecast GB':>13}{'ratio':>8}")
    for stage in told["stages"]:
        ratio = stage["forecast_bytes"] / max(1, stage["peak_bytes"])
        typer.echo(
            f"  {stage['name']:<10}{stage['seconds']:>10.2f}{stage['peak_bytes'] / 1e9:>10.2f}"
            f"{stage['forecast_bytes'] / 1e9:>13.2f}{ratio:>8.2f}"
        )
