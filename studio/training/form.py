"""The settings of a run as fields of a form, and as TOML. No torch, no gradio.

The fields follow from `finetune.config.run_config` alone: a setting that is added there appears in the form.
Not here: widgets (`studio.ui.finetune.form`), what they weigh (`studio.training.weights`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
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
