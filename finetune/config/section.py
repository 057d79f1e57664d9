"""A section of settings: fields that carry their help and their range, and the checks that follow from them. No torch.

Not here: the settings (`finetune.config.run_config`).
"""

from __future__ import annotations

from dataclasses import field, fields
from typing import Any, get_args, get_type_hints

from finetune.whole_text import told


def setting(
    default: Any,
    help_text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    advanced: bool = False,
    when: tuple[str, tuple[str, ...]] | None = None,
) -> Any:
    """A field; `low` and `high` belong to the range; `when` is (other field of the section, its values)."""
    about = {"help": help_text, "low": low, "high": high, "advanced": advanced, "when": when}
    return field(default=default, metadata=about)


class Section:
    """Checks shared by all sections: choices, ranges, and values that have no say."""

    __slots__ = ()
    title: str

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for each in fields(self):  # type: ignore[arg-type]
            value, about = getattr(self, each.name), each.metadata
            name = f"{self.title}.{each.name}"
            choices = get_args(hints[each.name]) if isinstance(value, str) else ()
            if choices and value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {told(value)}")
            numbers = value if isinstance(value, tuple) else (value,)
            for number in numbers:
                if isinstance(number, int | float) and not isinstance(number, bool):
                    check_range(name, number, about["low"], about["high"])
            when = about["when"]
            if when is not None and value != each.default and getattr(self, when[0]) not in when[1]:
                raise ValueError(
                    f"{name} = {told(value)} has no say while {self.title}.{when[0]} is {getattr(self, when[0])!r}; "
                    f"leave it out, or set {when[0]} to {' or '.join(when[1])}"
                )


def check_range(name: str, number: float, low: float | None, high: float | None) -> None:
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(f"{name} must be a finite number, got {number}")
    if low is not None and number < low:
        raise ValueError(f"{name} must be at least {low:g}, got {number:g}; raise it")
    if high is not None and number > high:
        raise ValueError(f"{name} must be at most {high:g}, got {number:g}; lower it")
