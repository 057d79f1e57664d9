"""A checkpoint's LoRA as a file of its own, so that a run's steps can be drawn side by side. No torch.

The file is what the run would have left had it ended at that step: diffusers' format, alpha / rank multiplied into the
weights, the running mean where the run keeps one (`finetune.lora.files.save_adapter`).
Not here: writing and pruning checkpoints (`finetune.checkpointing`), drawing them (`studio.training.adapter_grid`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from finetune.config.files import write_toml
from finetune.run_folder import RunFolder
from finetune.whole_files import whole_file

FOLDER = "adapters"
TENSORS, WHOLE = "state.safetensors", "whole.json"  # of finetune.checkpointing
_LAYERS = ("lora_A", "lora_B")


def adapter_path(run: RunFolder, step: int) -> Path:
    """Where the LoRA of a checkpoint lies once it is exported."""
    return run.path / FOLDER / f"step-{step:06d}.safetensors"


def adapter_steps(run: RunFolder) -> tuple[int, ...]:
    """Steps that can be drawn: of checkpoints, and of those exported before their checkpoint was pruned."""
    held = {int(path.name.removeprefix("step-")) for path in run.checkpoints.glob("step-*") if path.is_dir()}
    kept = {int(path.stem.removeprefix("step-")) for path in (run.path / FOLDER).glob("step-*.safetensors")}
    return tuple(sorted(held | kept))


def export_step(run: RunFolder, step: int, *, family: str) -> Path:
    """Write the LoRA of the checkpoint of `step`, unless it is there already; returns the file.

    A run that was set back and passed the step anew is written anew.

    Args:
        family: Of the base model, "sd3" or "flux", for the file's header.

    Raises ValueError for a full run, a missing or damaged checkpoint, NaN, and a disk that does not take it.
    """
    config, target = run.config(), adapter_path(run, step)
    if config.method.kind != "lora":
        raise ValueError(
            f"{run.name} trains every weight, so its checkpoints hold no LoRA; choose a LoRA run"
        )
    source = run.checkpoints / f"step-{step:06d}"
    if not source.is_dir():
        if target.is_file():
            return target
        steps = ", ".join(str(one) for one in adapter_steps(run))
        raise ValueError(
            f"{run.name} has no checkpoint of step {step}; it has {steps if steps else 'none yet'}"
        )
    stamp = _stamp(source)
    if target.is_file() and _stamped(target) == stamp:
        return target
    state = _lora_of(source / TENSORS, scale=config.method.alpha / config.method.rank)
    about = {
        "family": family,
        "rank": str(config.method.rank),
        "base": config.model.base,
        "trigger": config.output.trigger,
        "recipe": write_toml(config),
        "steps": str(step),
        "run": run.name,
        "checkpoint": stamp,
        "format": "pt",
    }
    _write(target, state, about)
    return target


def _lora_of(path: Path, *, scale: float) -> dict[str, np.ndarray]:
    """Diffusers' names -> weights, float32."""
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            kind = "ema" if any(name.startswith("ema/") for name in names) else "weight"
            state = {}
            for name in names:
                layer, which = _layer(name, kind)
                if which is not None:
                    weights = file.get_tensor(name).astype(np.float32)
                    if not np.isfinite(weights).all():
                        raise ValueError(
                            f"the checkpoint {path.parent.name} holds NaN or infinity in {layer}; choose an earlier one"
                        )
                    if which == "lora_B":
                        weights = weights * np.float32(scale)
                    state[f"transformer.{layer}.{which}.weight"] = weights
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing; choose another checkpoint") from error
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"the checkpoint {path.parent.name} is damaged ({error}); choose another one"
        ) from error
    if not state:
        raise ValueError(f"the checkpoint {path.parent.name} holds no LoRA layers; choose a LoRA run")
    return state


def _layer(name: str, kind: str) -> tuple[str, str | None]:
    """(layer, lora_A or lora_B) of a tensor such as weight/transformer_blocks.0.attn.to_q.lora_A.default.weight."""
    if not name.startswith(f"{kind}/"):
        return "", None
    inside = name.removeprefix(f"{kind}/").removeprefix("module.").removeprefix("base_model.model.")
    for which in _LAYERS:
        layer, found, rest = inside.partition(f".{which}.")
        if found and rest.endswith("weight"):
            return layer, which
    return "", None


def _stamp(checkpoint: Path) -> str:
    """Another text for another checkpoint of the same step."""
    try:
        return str((checkpoint / WHOLE).stat().st_mtime_ns)
    except OSError as error:
        raise ValueError(
            f"the checkpoint {checkpoint.name} is damaged ({WHOLE}: {error.strerror}); choose another one"
        ) from error


def _stamped(adapter: Path) -> str:
    try:
        with safe_open(adapter, framework="numpy") as file:
            header: Mapping[str, str] | None = file.metadata()
    except (OSError, SafetensorError):
        return ""  # written anew
    return "" if header is None else header.get("checkpoint", "")


def _write(target: Path, state: Mapping[str, np.ndarray], about: Mapping[str, str]) -> None:
    try:
        target.parent.mkdir(exist_ok=True)
        with whole_file(target) as part:
            save_file(dict(state), part, dict(about))
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{target} cannot be written ({error}); free some space or check rights") from error
