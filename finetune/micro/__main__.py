"""Make Micro-4K, stage by stage: `python -m finetune.micro`. Run it again and it goes on where it was.

bank (render scenes) -> codec -> vae -> clip, judge -> latents -> tokenwise -> dit -> export. Measured times are in
README. `--stage unpack` begins a work folder from the bundled model instead: then `bank`, `latents` and `dit` go on;
`tokenwise` before `dit` where the bundled latents had another scale than the recipe's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from tqdm import tqdm

from finetune.memory.cpu_memory import keep_freed_memory
from finetune.micro import export as exporting
from finetune.micro.bank import entries, fill
from finetune.micro.clip import ClipStage
from finetune.micro.codec import Cascade, fit, fitting_pictures
from finetune.micro.dit import TransformerStage
from finetune.micro.judge import JudgeStage, save_judge
from finetune.micro.latents import encode_bank, made
from finetune.micro.tokenwise import TokenwiseStage, tokenwise_weights
from finetune.micro.training import Stage, train, training_device, work_clock
from finetune.micro.unpack import unpack
from finetune.micro.vae import AutoencoderStage
from finetune.micro.world import World

# Minutes of training on two CPU cores, counted over all runs.
MINUTES = {"vae": 32.0, "clip": 5.0, "judge": 4.0, "tokenwise": 14.0, "dit": 150.0}
ASSETS = Path(__file__).parents[2] / "assets"


def make(
    work: Annotated[Path, typer.Option(help="Where pictures, latents and checkpoints are kept.")] = Path(
        ".micro"
    ),
    target: Annotated[Path, typer.Option(help="The pipeline folder to write.")] = ASSETS / "micro-4k",
    stage: Annotated[list[str] | None, typer.Option(help="Only these stages; all by default.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Of work, for each chosen training stage.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads for torch.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda; checkpoints go on on either.")] = "auto",
    compiled: Annotated[
        bool,
        typer.Option(
            help="Compile the transformer's blocks: quicker after a minute; a CPU needs a C++ compiler."
        ),
    ] = False,
) -> None:
    """Make the bundled model from nothing."""
    keep_freed_memory()
    if threads:
        torch.set_num_threads(threads)
    unknown = set(stage or []) - set(STAGES)
    if unknown:
        raise typer.BadParameter(f"unknown stage {sorted(unknown)}; there are {', '.join(STAGES)}")
    try:
        place = training_device(device)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    for name in stage or [name for name in STAGES if name != "unpack"]:
        typer.echo(f"== {name}", err=True)
        STAGES[name](Making(work, target, minutes or MINUTES.get(name, 0.0), place, compiled))


@dataclass(frozen=True, slots=True)
class Making:
    """What every stage is given."""

    work: Path
    target: Path
    minutes: float
    device: torch.device
    compiled: bool


def _bank(making: Making) -> None:
    with tqdm(desc="scenes", unit="picture") as bar:
        for have, wanted in fill(making.work / "bank"):
            bar.total, bar.n = wanted, have
            bar.refresh()


def _codec(making: Making) -> None:
    path = making.work / "codec.safetensors"
    if not path.exists():  # decoder and transformer depend on it: never measured again
        fit(fitting_pictures(entries(making.work / "bank"))).save(path)


def _vae(making: Making) -> None:
    cascade = Cascade.load(making.work / "codec.safetensors")
    _train(AutoencoderStage(making.work / "bank", cascade, making.device), making)


def _clip(making: Making) -> None:
    _train(ClipStage(making.work / "bank", making.work), making)


def _judge(making: Making) -> None:
    stage = JudgeStage(making.work / "bank")
    _train(stage, making)
    save_judge(stage.judge, making.target.with_name("micro-judge.safetensors"))


def _latents(making: Making) -> None:
    cascade = Cascade.load(making.work / "codec.safetensors")
    with tqdm(desc="latents", unit="file") as bar:
        for have, wanted in encode_bank(cascade, making.work / "bank", making.work / "latents"):
            bar.total, bar.n = wanted, have
            bar.refresh()


def _tokenwise(making: Making) -> None:
    if (making.work / "dit.pt").exists():
        typer.echo("dit.pt has had what this stage learns already: nothing to do", err=True)
        return
    _train(TokenwiseStage(_known_world(making), making.device), making)


def _dit(making: Making) -> None:
    goes_on = (making.work / "dit.pt").exists()
    begun = None if goes_on else tokenwise_weights(making.work)
    stage = TransformerStage(_known_world(making), making.device, begun=begun, compiled=making.compiled)
    _train(stage, making)


def _known_world(making: Making) -> World:
    tokenizer = exporting.load_tokenizer(making.work)
    files = made(making.work / "bank", making.work / "latents")
    return World(files, exporting.load_clip(making.work, tokenizer), tokenizer)


def _unpack(making: Making) -> None:
    unpack(making.target, making.work)


def _export(making: Making) -> None:
    exporting.export(making.work, making.target)


STAGES: dict[str, Callable[[Making], None]] = {
    "bank": _bank,
    "codec": _codec,
    "vae": _vae,
    "clip": _clip,
    "judge": _judge,
    "latents": _latents,
    "tokenwise": _tokenwise,
    "dit": _dit,
    "export": _export,
    "unpack": _unpack,
}


def _train(stage: Stage, making: Making) -> None:
    """Run a stage under a progress bar that counts seconds of its budget."""
    with tqdm(total=round(making.minutes * 60), desc=stage.name, unit="s", file=sys.stderr) as bar:
        clock = work_clock(making.device)
        for report in train(stage, making.work, minutes=making.minutes, clock=clock):
            bar.n = round(report.spent_s)
            bar.set_postfix({"step": report.step} | {k: f"{v:.4g}" for k, v in report.values.items()})


if __name__ == "__main__":
    typer.run(make)
