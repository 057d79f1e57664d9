"""What a reader makes of another tool's text: values that the form can take, and what stays aside, with reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.render_request import (
    MAX_COARSE_FIRST,
    MAX_GUIDANCE,
    MAX_PROMPT_LETTERS,
    MAX_SIDE_PX,
    MAX_STEPS,
    MIN_COARSE_FIRST,
    MIN_SIDE_PX,
    NUM_SEEDS,
    SIZE_MULTIPLE_PX,
)

_RANGES: dict[str, tuple[float, float]] = {
    "num_inference_steps": (1, MAX_STEPS),
    "guidance_scale": (0, MAX_GUIDANCE),
    "seed": (0, NUM_SEEDS - 1),
    "coarse_first": (MIN_COARSE_FIRST, MAX_COARSE_FIRST),
    "width_px": (MIN_SIDE_PX, MAX_SIDE_PX),
    "height_px": (MIN_SIDE_PX, MAX_SIDE_PX),
}


@dataclass(slots=True)
class Reading:
    """One tool's text, read."""

    tool: str
    """Its name as its makers write it."""

    values: dict[str, Any] = field(default_factory=dict)
    """Named as in `RenderRequest`, each such as a request takes."""

    left_out: dict[str, str] = field(default_factory=dict)
    """By their name in the text: values that have no counterpart here, or why one cannot be taken."""

    without_counterpart: set[str] = field(default_factory=set)
    """The names of those that have none."""

    def take(self, name: str, value: Any, *, called: str) -> None:
        """Keep a value under its name here, or leave it out under its name there. The first of two alike counts."""
        if name in self.values or value is None:
            return
        if name in ("prompt", "negative_prompt", "model"):
            if not isinstance(value, str) or len(value) > MAX_PROMPT_LETTERS:
                self.left_out[called] = f"{str(value)[:40]} (too long, or no text)"
            else:
                self.values[name] = value
            return
        number = _number(value)
        low, high = _RANGES[name]
        whole = name not in ("guidance_scale", "coarse_first")
        if number is None or (whole and number != int(number)):
            self.left_out[called] = f"{str(value)[:40]} (not a {'whole ' if whole else ''}number)"
        elif not low <= number <= high:
            self.left_out[called] = (
                f"{value} (here it lies between {low:g} and {int(high) if whole else high})"
            )
        elif name.endswith("_px") and number % SIZE_MULTIPLE_PX:
            self.left_out[called] = f"{value} (here a multiple of {SIZE_MULTIPLE_PX})"
        else:
            self.values[name] = int(number) if whole else number

    def take_size(self, width: Any, height: Any, *, called: str) -> None:
        """Both sides or none."""
        trial = Reading(self.tool)
        trial.take("width_px", width, called=called)
        trial.take("height_px", height, called=called)
        if len(trial.values) == 2:
            for name, value in trial.values.items():
                self.values.setdefault(name, value)
        elif trial.left_out:
            reason = trial.left_out[called].partition(" (")[2]
            self.left_out[called] = f"{width} x {height} ({reason}"

    def take_all(
        self, found: Mapping[str, Any], names: Mapping[str, str], *, passed_over: frozenset[str]
    ) -> None:
        """Each value of `found` under its name here, by `names`; the rest is left out but for what is `passed_over`."""
        for called, value in found.items():
            if called in names:
                self.take(names[called], value, called=called)
            elif called not in passed_over:
                self.leave(called, value)

    def leave(self, called: str, value: Any) -> None:
        """Left out, with so much of it that it can be recognised."""
        if value not in (None, "", [], {}):
            words = " ".join(str(value).split())
            if called not in self.left_out:
                self.without_counterpart.add(called)
                self.left_out[called] = words if len(words) <= 60 else f"{words[:59]}…"


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
