"""Make Micro-4K, stage by stage: `python -m finetune.micro`. Run it again and it goes on where it was.

bank (render scenes) -> codec -> vae -> clip, judge -> latents -> dit -> export. Measured times are in README.
`--stage unpack` begins a work folder from the bundled model instead: then `bank`, `latents` and `dit` go on from it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
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
from finetune.micro.training import Stage, train
from finetune.micro.unpack import unpack
from finetune.micro.vae import AutoencoderStage

# Minutes of training on two CPU cores, counted over all sittings.
MINUTES = {"vae": 32.0, "clip": 5.0, "judge": 4.0, "dit": 150.0}
ASSETS = Path(__file__).parents[2] / "assets"


def make(
    work: Annotated[Path, typer.Option(help="Where pictures, latents and checkpoints are kept.")] = Path(
        ".micro"
    ),
    target: Annotated[Path, typer.Option(help="The pipeline folder to write.")] = ASSETS / "micro-4k",
    stage: Annotated[list[str] | None, typer.Option(help="Only these stages; all by default.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget of each chosen training stage.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads for torch.")] = None,
) -> None:
    """Make the bundled model from nothing."""
    keep_freed_memory()
    if threads:
        torch.set_num_threads(threads)
    unknown = set(stage or []) - set(STAGES)
    if unknown:
        raise typer.BadParameter(f"unknown stage {sorted(unknown)}; there are {', '.join(STAGES)}")
    for name in stage or [name for name in STAGES if name != "unpack"]:
        typer.echo(f"== {name}", err=True)
        STAGES[name](work, target, minutes or MINUTES.get(name, 0.0))


def _bank(work: Path, target: Path, minutes: float) -> None:
    with tqdm(desc="scenes", unit="picture") as bar:
        for have, wanted in fill(work / "bank"):
            bar.total, bar.n = wanted, have
            bar.refresh()


def _codec(work: Path, target: Path, minutes: float) -> None:
    path = work / "codec.safetensors"
    if not path.exists():  # decoder and transformer depend on it: never measured again
        fit(fitting_pictures(entries(work / "bank"))).save(path)


def _vae(work: Path, target: Path, minutes: float) -> None:
    _train(AutoencoderStage(work / "bank", Cascade.load(work / "codec.safetensors")), work, minutes)


def _clip(work: Path, target: Path, minutes: float) -> None:
    _train(ClipStage(work / "bank", work), work, minutes)


def _judge(work: Path, target: Path, minutes: float) -> None:
    stage = JudgeStage(work / "bank")
    _train(stage, work, minutes)
    save_judge(stage.judge, target.with_name("micro-judge.safetensors"))


def _latents(work: Path, target: Path, minutes: float) -> None:
    cascade = Cascade.load(work / "codec.safetensors")
    with tqdm(desc="latents", unit="file") as bar:
        for have, wanted in encode_bank(cascade, work / "bank", work / "latents"):
            bar.total, bar.n = wanted, have
            bar.refresh()


def _dit(work: Path, target: Path, minutes: float) -> None:
    tokenizer = exporting.load_tokenizer(work)
    files = made(work / "bank", work / "latents")
    _train(TransformerStage(files, exporting.load_clip(work, tokenizer), tokenizer), work, minutes)


def _unpack(work: Path, target: Path, minutes: float) -> None:
    unpack(target, work)


def _export(work: Path, target: Path, minutes: float) -> None:
    exporting.export(work, target)


STAGES: dict[str, Callable[[Path, Path, float], None]] = {
    "bank": _bank,
    "codec": _codec,
    "vae": _vae,
    "clip": _clip,
    "judge": _judge,
    "latents": _latents,
    "dit": _dit,
    "export": _export,
    "unpack": _unpack,
}


def _train(stage: Stage, work: Path, minutes: float) -> None:
    """Run a stage under a progress bar that counts seconds of its budget."""
    with tqdm(total=round(minutes * 60), desc=stage.name, unit="s", file=sys.stderr) as bar:
        for report in train(stage, work, minutes=minutes):
            bar.n = round(report.spent_s)
            bar.set_postfix({"step": report.step} | {k: f"{v:.4g}" for k, v in report.values.items()})


if __name__ == "__main__":
    typer.run(make)
