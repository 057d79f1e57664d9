"""A finished run as a repository: weights, a model card with recipe, curves and samples; pushed to the hub. No torch.

Private unless said otherwise. Nothing of this machine's paths goes into the card.
Not here: downloads (`studio.models.hub`), the run (`finetune.run_folder`).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from PIL import Image

from finetune.config.files import changed, write_toml
from finetune.config.run_config import FinetuneConfig
from finetune.run_folder import RunFolder
from metrics.pictures import FORMATS
from studio.models.catalogue import CATALOGUE
from studio.models.hub_errors import HubError, hub_sentence
from studio.models.lookup import TOKEN_PLACE
from studio.training.curves import read_samples

CARD, CURVE, RECIPE = "README.md", "loss.svg", "recipe.toml"
MAX_SAMPLES = 8
SAMPLE_PX = 1024
_WIDTH, _HEIGHT, _EDGE = 640, 240, 36


def write_repository(run: RunFolder, target: Path) -> Path:
    """Put what is published of a run into the new folder `target`: weights, card, recipe, curve, the last samples.

    Raises ValueError where the run has left no weights, or `target` exists.
    """
    weights = next(
        (run.path / name for name in ("adapter", "transformer") if (run.path / name).is_dir()), None
    )
    if weights is None:
        raise ValueError(f"{run.name} has left no weights yet; let it end, or stop it, which saves")
    if target.exists():
        raise ValueError(f"{target} exists already; choose another name or move it away")
    config = run.config()
    target.mkdir(parents=True)
    if weights.name == "adapter":
        shutil.copytree(weights, target, dirs_exist_ok=True)
    else:
        shutil.copytree(weights, target / "transformer")
    samples = _copy_samples(run, target / "samples")
    (target / RECIPE).write_text(write_toml(_without_paths(config)), encoding="utf-8")
    steps = [(row["step"], row["loss"]) for row in run.rows() if "loss" in row and "step" in row]
    if len(steps) > 1:
        (target / CURVE).write_text(loss_curve(steps), encoding="utf-8")
    (target / CARD).write_text(model_card(run, config, samples, has_curve=len(steps) > 1), encoding="utf-8")
    return target


def push(folder: Path, hub_id: str, *, public: bool, environ: Mapping[str, str]) -> str:
    """Upload a folder to the hub; returns the page's address. Raises HubError with the remedy."""
    endpoint = environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    if hub_id.count("/") != 1 or not all(hub_id.split("/")):
        raise ValueError(f"a hub id is ACCOUNT/NAME, got {hub_id!r}")
    api = HfApi(endpoint=endpoint, token=environ.get("HF_TOKEN"))
    try:
        api.create_repo(hub_id, private=not public, exist_ok=True)
        api.upload_folder(
            repo_id=hub_id, folder_path=folder, commit_message="Trained with Diffusion-4K Studio"
        )
    except Exception as error:
        words = hub_sentence(error, hub_id, endpoint=endpoint, has_token="HF_TOKEN" in environ)
        if words is None:
            raise
        raise HubError(f"{words} (the token must be allowed to write; {TOKEN_PLACE})") from error
    return f"{endpoint}/{hub_id}"


def model_card(
    run: RunFolder, config: FinetuneConfig, samples: list[tuple[str, str]], *, has_curve: bool
) -> str:
    """Markdown with the front matter that the hub reads; `samples` are (file, prompt)."""
    lora = config.method.kind == "lora"
    base, licence = _base(config.model.base)
    status = run.state()
    rows = [row for row in run.rows("validation.jsonl") if "loss" in row and "step" in row]
    front: dict[str, Any] = {
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "base_model": base,
        "tags": ["diffusers", "text-to-image", "diffusion-4k", *(["lora"] if lora else [])],
    }
    if licence is not None:
        front["license"] = licence
    if config.output.trigger:
        front["instance_prompt"] = config.output.trigger
    lines = ["---", *(f"{name}: {json.dumps(value)}" for name, value in front.items()), "---", ""]
    kind = f"A LoRA of rank {config.method.rank}" if lora else "A fine-tuned transformer"
    lines += [f"# {config.output.name}", "", f"{kind} for `{base}`, {status.step} steps."]
    if config.output.trigger:
        lines += ["", f"Trigger: `{config.output.trigger}`"]
    if config.output.notes:
        lines += ["", config.output.notes]
    if lora:
        lines += ["", "```python", f'pipeline.load_lora_weights("{config.output.name}")', "```"]
    if samples:
        lines += ["", "## Samples", ""]
        lines += [f"![{prompt}]({file})\n*{prompt}*\n" for file, prompt in samples]
    if rows:
        first, last = rows[0], rows[-1]
        lines += [
            "",
            "## Validation",
            "",
            "Velocity MSE on pictures kept out of training, per Haar band of the latents.",
            "",
        ]
        lines += ["| step | all | ll | lh | hl | hh |", "|---|---|---|---|---|---|"]
        lines += [_validation_line(row) for row in (first, last)]
    if has_curve:
        lines += ["", "## Loss", "", f"![loss]({CURVE})"]
    recipe = write_toml(_without_paths(config))
    lines += ["", "## Recipe", "", "```toml", recipe.strip(), "```", ""]
    return "\n".join(lines)


def loss_curve(points: list[tuple[int, float]]) -> str:
    """An SVG line of (step, loss), smoothed over a fiftieth of the steps, least and most written beside."""
    weight, mean, smooth = 1 / max(1, len(points) // 50), points[0][1], []
    for step, loss in points:
        mean += weight * (loss - mean)
        smooth.append((step, mean))
    low, high = min(y for _, y in smooth), max(y for _, y in smooth)
    first, last = smooth[0][0], smooth[-1][0]
    height = high - low if high > low else 1.0

    def place(step: int, loss: float) -> str:
        x = _EDGE + (_WIDTH - 2 * _EDGE) * (step - first) / max(1, last - first)
        return f"{x:.1f},{_EDGE + (_HEIGHT - 2 * _EDGE) * (high - loss) / height:.1f}"

    path = " ".join(place(step, loss) for step, loss in smooth)
    text = 'font-family="sans-serif" font-size="12" fill="#888"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'<polyline points="{path}" fill="none" stroke="#3b82f6" stroke-width="2"/>'
        f'<text x="4" y="{_EDGE}" {text}>{high:.3g}</text><text x="4" y="{_HEIGHT - _EDGE}" {text}>{low:.3g}</text>'
        f'<text x="{_EDGE}" y="{_HEIGHT - 8}" {text}>step {first}</text>'
        f'<text x="{_WIDTH - 2 * _EDGE}" y="{_HEIGHT - 8}" {text}>step {last}</text></svg>\n'
    )


def _copy_samples(run: RunFolder, target: Path) -> list[tuple[str, str]]:
    """(file in the repository, prompt) of the last pictures drawn, as JPEG of a side that a page can show."""
    drawn = [picture for picture in read_samples(run).pictures if picture.file is not None]
    last = max((picture.step for picture in drawn), default=0)
    copied = []
    for picture in [picture for picture in drawn if picture.step == last][:MAX_SAMPLES]:
        assert picture.file is not None
        target.mkdir(exist_ok=True)
        name = f"{picture.index:02d}.jpg"
        with Image.open(picture.file, formats=FORMATS) as image:
            image.thumbnail((SAMPLE_PX, SAMPLE_PX))
            image.convert("RGB").save(target / name, quality=92)
        copied.append((f"samples/{name}", picture.prompt))
    return copied


def _validation_line(row: dict[str, Any]) -> str:
    known = row.get("bands", {})
    bands = " | ".join(f"{known[band]:.4f}" if band in known else "" for band in ("ll", "lh", "hl", "hh"))
    return f"| {row['step']} | {row['loss']:.4f} | {bands} |"


def _without_paths(config: FinetuneConfig) -> FinetuneConfig:
    """Without folders of this machine."""
    source = Path(config.data.source).name
    config = changed(config, "data", source=source, cache="")
    return changed(config, "model", base=_base(config.model.base)[0])


def _base(base: str) -> tuple[str, str | None]:
    """(hub id or name of the base, its licence in the hub's words where it is known)."""
    for entry in CATALOGUE:
        folder = None if entry.folder is None else str(entry.folder)
        if base in (entry.id, entry.source, folder):
            known = entry.source if entry.folder is None else entry.id
            return known, "apache-2.0" if entry.licence == "Apache-2.0" else None
    return (Path(base).name if os.path.isabs(base) else base), None
