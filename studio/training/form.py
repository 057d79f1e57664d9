"""The settings of a run as fields of a form, and as TOML; what they weigh, as curves. No torch, no gradio.

The fields follow from `finetune.config.run_config` alone: a setting that is added there appears in the form.
Not here: widgets (`studio.ui.finetune.form`), checks of this machine (`studio.training.preflight`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from finetune.config.files import (
    from_values,
    parse_toml,
    read_toml,
    recipes,
    to_values,
    without_silent,
    write_toml,
)
from finetune.config.run_config import SECTIONS
from finetune.config.run_config import FinetuneConfig as FinetuneConfig
from finetune.objectives.band_weights import BandCurves as BandCurves
from finetune.objectives.band_weights import band_curves
from studio.models.catalogue import ModelEntry
from studio.models.lookup import cached_folder, find_model

Kind = Literal["text", "lines", "integer", "number", "numbers", "table", "switch", "choice"]
"""lines: one text a line. numbers: between commas. table: lines of numbers."""

_TITLES = {
    "model.base": "Base model",
    "model.guidance_embed": "Guidance while training",
    "data.source": "Dataset",
    "data.resolution_px": "Resolution (px)",
    "data.max_sequence_length": "T5 tokens",
    "objective.kind": "Objective",
    "objective.weights_from": "Weights",
    "objective.residual": "Error of",
    "objective.detail_weights": "Weights of lh, hl, hh",
    "objective.huber_c": "Huber threshold",
    "objective.lwd_floor": "Mask floor",
    "objective.lwd_renormalise": "Keep the loss's size",
    "timesteps.sampling": "Noise levels",
    "method.kind": "Method",
    "optimizer.kind": "Optimizer",
    "optimizer.max_grad_norm": "Longest gradient",
    "optimizer.ema_decay": "EMA decay",
    "schedule.num_steps": "Steps",
    "validation.every": "Validate every (steps)",
    "validation.num_examples": "Examples kept out",
    "validation.sigmas": "Noise levels of validation",
    "validation.seed": "Validation seed",
    "samples.every": "Sample every (steps)",
    "samples.seed": "Sample seed",
    "samples.num_inference_steps": "Denoising steps",
    "samples.guidance_scale": "Guidance",
    "output.name": "Name",
    "output.trigger": "Trigger word",
    "output.parent": "Made from",
}
_MEASURED = ("objective.low_weight", "objective.detail_weights")
"""Have no say while the weights come from the data."""

_KEY = re.compile(r"\b([a-z]+)\.([a-z0-9_]+)\b")

# Where a hub model is not on this machine yet; of the published scheduler_config.json of SD3 and FLUX.1-dev.
_PUBLISHED_SCHEDULER: Mapping[str, Mapping[str, Any]] = {
    "sd3": {"shift": 3.0},
    "flux": {
        "use_dynamic_shifting": True,
        "base_shift": 0.5,
        "max_shift": 1.15,
        "base_image_seq_len": 256,
        "max_image_seq_len": 4096,
    },
}


@dataclass(frozen=True, slots=True)
class Field:
    """One setting as a form needs it."""

    key: str
    """section.name"""

    title: str
    kind: Kind
    help: str
    default: Any
    """As the form shows it."""

    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    advanced: bool = False
    when: tuple[str, tuple[str, ...]] | None = None
    """(key, its values): otherwise the setting has no say."""

    @property
    def section(self) -> str:
        return self.key.partition(".")[0]


class WrongSetting(ValueError):
    """A setting that cannot be; `key` is the first one that the sentence names, empty for none."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        named = (f"{section}.{name}" for section, name in _KEY.findall(words))
        self.key = next((key for key in named if key in FIELDS), "")


def config_of(shown: Mapping[str, Any]) -> FinetuneConfig:
    """The settings of a form's values; one that has no say keeps its default.

    Raises WrongSetting for a value that cannot be.
    """
    values: dict[str, dict[str, Any]] = {}
    try:
        for key, value in shown.items():
            section, _, name = key.partition(".")
            if key in _MEASURED and shown.get("objective.weights_from") == "data":
                continue
            values.setdefault(section, {})[name] = _stored(FIELDS[key], value)
        return from_values(without_silent(values), source="settings")
    except ValueError as error:
        raise WrongSetting(str(error).removeprefix("settings: ")) from error


def shown_values(config: FinetuneConfig) -> dict[str, Any]:
    """Key -> what the form's widget holds."""
    values = to_values(config)
    return {
        key: _shown(each.kind, values[each.section][key.partition(".")[2]]) for key, each in FIELDS.items()
    }


def silent_keys(shown: Mapping[str, Any]) -> frozenset[str]:
    """Settings without a say under the choices that the form shows."""
    silent = set(_MEASURED if shown["objective.weights_from"] == "data" else ())
    for key, each in FIELDS.items():  # a choice comes before what depends on it
        if each.when is not None and (shown[each.when[0]] not in each.when[1] or each.when[0] in silent):
            silent.add(key)
    return frozenset(silent)


def config_of_toml(text: str) -> FinetuneConfig:
    """Raises WrongSetting for what is no TOML or no setting."""
    try:
        return parse_toml(text, source="settings")
    except ValueError as error:
        raise WrongSetting(str(error).removeprefix("settings: ")) from error


def toml_of(config: FinetuneConfig) -> str:
    """What differs from the defaults."""
    return write_toml(config)


def recipe_names() -> tuple[str, ...]:
    """Recipes that come along, by the names of their files."""
    return tuple(path.stem for path in recipes())


def recipe(name: str) -> FinetuneConfig:
    found = {path.stem: path for path in recipes()}
    if name not in found:
        raise ValueError(f"there is no recipe {name!r}; there are {', '.join(found)}")
    return read_toml(found[name])


def keeping(config: FinetuneConfig, before: FinetuneConfig) -> FinetuneConfig:
    """A recipe with the dataset, name and notes that the form already holds."""
    data = replace(config.data, source=before.data.source, cache=before.data.cache)
    return replace(config, data=data, output=before.output)


def curves_of(config: FinetuneConfig) -> BandCurves:
    """Weight of each band against sigma, how often each sigma is drawn, and what to call it."""
    return band_curves(
        config.objective, config.timesteps, inference_shift=inference_shift(config), num_points=61
    )


def inference_shift(config: FinetuneConfig) -> float:
    """s of sigma -> s sigma / (1 + (s - 1) sigma) that pictures of the trained size are drawn with.

    As `Family.timestep_shift`, from the pipeline's own scheduler_config.json; as published for a hub model that is not
    here yet, and 1 for a model that nobody knows.
    """
    try:
        entry = find_model(config.model.base)
    except ValueError:
        return 1.0
    folder = entry.folder if entry.folder is not None else cached_folder(entry.source)
    scheduler = _json(folder, "scheduler/scheduler_config.json")
    about = _PUBLISHED_SCHEDULER[entry.family] if scheduler is None else scheduler
    if not about.get("use_dynamic_shifting", False):
        return float(about.get("shift", 1.0))
    f16 = is_f16(config, entry)
    tokens = (config.data.resolution_px // ((16 if f16 else 8) * _patch(entry, folder))) ** 2
    slope = (about["max_shift"] - about["base_shift"]) / (
        about["max_image_seq_len"] - about["base_image_seq_len"]
    )
    mu = float(about["base_shift"] + slope * (tokens - about["base_image_seq_len"]))
    return mu if about.get("time_shift_type", "exponential") == "linear" else math.exp(mu)


def is_f16(config: FinetuneConfig, entry: ModelEntry) -> bool:
    """Whether the run sees 16 pixels per latent: as it says, or as the studio draws with the model."""
    asked = config.model.autoencoder
    return (entry.autoencoder if asked == "auto" else asked) == "f16"


def _patch(entry: ModelEntry, folder: Path | None) -> int:
    """Latents per token along a side. Flux packs 2 x 2 itself and says 1."""
    found = _json(folder, "transformer/config.json") if entry.family == "sd3" else None
    return 2 if found is None else int(found.get("patch_size", 2))


def _json(folder: Path | None, name: str) -> dict[str, Any] | None:
    if folder is None or not (folder / name).is_file():
        return None
    content: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return content


def _kind_of(hint: Any) -> Kind:
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        if inner is str:
            return "lines"
        return "table" if get_origin(inner) is tuple else "numbers"
    if get_origin(hint) is Literal:
        return "choice"
    kinds: dict[Any, Kind] = {bool: "switch", int: "integer", float: "number", str: "text"}
    return kinds[hint]


def _shown(kind: Kind, value: Any) -> Any:
    if kind == "lines":
        return "\n".join(value)
    if kind == "numbers":
        return ", ".join(f"{number:.12g}" for number in value)
    if kind == "table":
        return "\n".join(", ".join(f"{number:.12g}" for number in line) for line in value)
    return value


def _stored(field: Field, value: Any) -> Any:
    """A widget's value as a config file holds it. Raises ValueError naming the field."""
    if field.kind in ("integer", "number"):
        if value is None:
            raise ValueError(f"{field.key} is empty; give a number")
        if field.kind == "integer" and isinstance(value, float) and value.is_integer():
            return int(value)
        return value
    if field.kind == "lines":
        return [line.strip() for line in value.splitlines() if line.strip()]
    if field.kind == "numbers":
        return _numbers(field.key, value)
    if field.kind == "table":
        return [_numbers(field.key, line) for line in value.splitlines() if line.strip()]
    return "" if value is None else value


def _numbers(key: str, text: str) -> list[float]:
    try:
        return [float(word) for word in text.replace(";", ",").split(",") if word.strip()]
    except ValueError as error:
        raise ValueError(
            f"{key} must be numbers between commas, such as 0.1, 0.5; got {text[:60]!r}"
        ) from error


def _title(key: str) -> str:
    words = key.partition(".")[2].replace("_px", " (px)").replace("_", " ").strip()
    return _TITLES.get(key, words[:1].upper() + words[1:])


def _fields() -> dict[str, Field]:
    found = {}
    for section, about in SECTIONS.items():
        hints = get_type_hints(about)
        for each in fields(about):  # type: ignore[arg-type]
            key, kind = f"{section}.{each.name}", _kind_of(hints[each.name])
            when = each.metadata["when"]
            default = list(each.default) if isinstance(each.default, tuple) else each.default
            found[key] = Field(
                key=key,
                title=_title(key),
                kind=kind,
                help=each.metadata["help"],
                default=_shown(kind, default),
                choices=get_args(hints[each.name]) if kind == "choice" else (),
                low=each.metadata["low"],
                high=each.metadata["high"],
                advanced=each.metadata["advanced"],
                when=None if when is None else (f"{section}.{when[0]}", when[1]),
            )
    return found


FIELDS: Mapping[str, Field] = _fields()
