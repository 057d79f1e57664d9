"""A config as TOML and as plain data, both ways. Standard library and tomli-w, no torch.

Not here: what the settings mean (`finetune.config.run_config`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import tomli_w

from finetune.config.run_config import SECTIONS, FinetuneConfig
from finetune.config.section import Section
from finetune.whole_text import told

RECIPES = Path(__file__).parents[1] / "recipes"
LONGEST_WORD = 60
"""Of an unknown key, where it is named."""


def read_toml(path: Path) -> FinetuneConfig:
    """Read a recipe. Raises ValueError naming the file and the key for anything that is not a setting."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({error}); give a TOML file of settings") from error
    return parse_toml(text, source=str(path))


def parse_toml(text: str, *, source: str = "the settings") -> FinetuneConfig:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{source} is no TOML: {error}; mend that line") from error
    return from_values(values, source=source)


def write_toml(config: FinetuneConfig) -> str:
    """Only what differs from the defaults; reading it gives the same config."""
    values: dict[str, dict[str, Any]] = {}
    for name in SECTIONS:
        section: Any = getattr(config, name)
        set_here = {
            each.name: _plain(getattr(section, each.name))
            for each in fields(section)
            if getattr(section, each.name) != each.default
        }
        if set_here:
            values[name] = set_here
    return tomli_w.dumps(values)


def to_values(config: FinetuneConfig) -> dict[str, dict[str, Any]]:
    """Every setting, as JSON holds it."""
    return {name: {k: _plain(v) for k, v in section.items()} for name, section in asdict(config).items()}


def from_values(values: Mapping[str, Any], *, source: str = "the settings") -> FinetuneConfig:
    """Build a config; what is left out has its default.

    Raises ValueError for an unknown section or key, with a suggestion, for a value of the wrong type, and for all
    that `FinetuneConfig` refuses.
    """
    try:
        sections: dict[str, Any] = {name: _section(name, given) for name, given in values.items()}
        return FinetuneConfig(**sections)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def without_silent(values: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Drop the values that have no say under the choices made: a form hides them, and keeps them to itself."""
    kept: dict[str, dict[str, Any]] = {}
    for name, section in values.items():
        given, known = dict(section), {each.name: each for each in fields(SECTIONS[name])}  # type: ignore[arg-type]
        # Twice, since what a choice depends on may itself have no say.
        for _ in range(2):
            for key in list(given):
                when = known[key].metadata["when"] if key in known else None
                if when is not None and given.get(when[0], known[when[0]].default) not in when[1]:
                    del given[key]
        kept[name] = given
    return kept


def differences(one: FinetuneConfig, other: FinetuneConfig) -> list[tuple[str, Any, Any]]:
    """(section.key, value of one, value of the other) where they differ."""
    first, second = to_values(one), to_values(other)
    return [
        (f"{name}.{key}", value, second[name][key])
        for name, section in first.items()
        for key, value in section.items()
        if value != second[name][key]
    ]


def changed(config: FinetuneConfig, section: str, **settings: Any) -> FinetuneConfig:
    """The same with some settings of one section replaced."""
    return replace(config, **{section: replace(getattr(config, section), **settings)})


def recipes() -> tuple[Path, ...]:
    """The recipes that come along."""
    return tuple(sorted(RECIPES.glob("*.toml")))


def _section(name: str, given: Any) -> Section:
    if name not in SECTIONS:
        raise ValueError(f"unknown section {told(name)}{_hint(name, list(SECTIONS))}")
    if not isinstance(given, Mapping):
        raise ValueError(f"{name} must be a section [{name}], got {told(given)}")
    kind = SECTIONS[name]
    hints = get_type_hints(kind)
    known = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    for key in given:
        if key not in known:
            everywhere = {k: s for s, c in SECTIONS.items() for k in (f.name for f in fields(c))}  # type: ignore[arg-type]
            elsewhere = f"; it belongs to [{everywhere[key]}]" if key in everywhere else _hint(key, known)
            raise ValueError(f"unknown key {name}.{key[:LONGEST_WORD]}{elsewhere}")
    return kind(**{key: _converted(f"{name}.{key}", hints[key], value) for key, value in given.items()})


def _hint(word: str, known: list[str]) -> str:
    near = get_close_matches(word[:LONGEST_WORD], known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"


def _converted(name: str, kind: Any, value: Any) -> Any:
    """`value` as the type of its field. Nothing is guessed: text is never read as a number."""
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if not isinstance(value, list | tuple):
            raise ValueError(f"{name} must be a list, got {told(value)}")
        if inner[-1] is Ellipsis:
            return tuple(_converted(name, inner[0], each) for each in value)
        if len(value) != len(inner):
            raise ValueError(f"{name} must hold lists of {len(inner)} numbers, got {told(value)}")
        return tuple(_converted(name, each_kind, each) for each_kind, each in zip(inner, value, strict=True))
    wanted = str if get_origin(kind) is Literal else kind
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise ValueError(f"{name} is larger than any number here can be; choose a smaller one") from error
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        raise ValueError(f"{name} must be {words[wanted]}, got {told(value)}")
    return value


def _plain(value: Any) -> Any:
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value
