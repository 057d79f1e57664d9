"""Models on the same prompts: means with intervals, paired differences, what is really best, how many more prompts.

Pictures of one prompt (other seeds) are drawn together when prompts are drawn again: they are no independent evidence.
Not here: intervals of plain sets (`metrics.intervals`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.catalogue import Direction
from metrics.intervals import difference_interval, mean_interval, set_mean

Values = Mapping[str, Sequence[float]]
"""By prompt: one number a picture."""


@dataclass(frozen=True, slots=True)
class Mean:
    """Of one model in one column."""

    value: float
    interval: tuple[float, float] | None
    """95 %; None of a single prompt."""

    num_prompts: int
    num_pictures: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One model less another, over the prompts that both have."""

    value: float
    interval: tuple[float, float] | None
    num_prompts: int
    more_prompts: int | None
    """About how many more prompts would take 0 out of the interval, were the difference what it seems; 0 where it is
    out already, None where the models do not differ at all or there are too few prompts to say."""

    @property
    def is_real(self) -> bool:
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


def mean_of(values: Values, raw: Values | None = None) -> Mean:
    """Over prompts; with `raw` bytes a picture, the ratio of sums. Raises ValueError for no pictures."""
    if not any(values.values()):
        raise ValueError("there are no pictures to take a mean of; draw some first")
    kept = [prompt for prompt in values if values[prompt]]
    numbers, weights = _by_prompt(kept, values, raw)
    interval = mean_interval(numbers, weights) if len(kept) > 1 else None
    return Mean(set_mean(numbers, weights), interval, len(kept), sum(len(values[prompt]) for prompt in kept))


def difference_of(
    ours: Values, theirs: Values, *, raw: tuple[Values | None, Values | None] = (None, None)
) -> Difference:
    """`ours` less `theirs` over their common prompts, drawn again together."""
    common = [prompt for prompt in ours if ours[prompt] and theirs.get(prompt)]
    if not common:
        raise ValueError("the two models have no prompt in common; draw both on the same ones")
    first, second = _by_prompt(common, ours, raw[0]), _by_prompt(common, theirs, raw[1])
    value = set_mean(*first) - set_mean(*second)
    if len(common) < 2:
        return Difference(value, None, len(common), None)
    interval = difference_interval(first[0], second[0], paired=True, raw=(first[1], second[1]))
    return Difference(value, interval, len(common), _more(value, interval, len(common)))


def best_of(
    models: Mapping[str, Values], direction: Direction, raw: Mapping[str, Values] | None = None
) -> str | None:
    """The model that is really ahead of every other; None where none is, or where no direction is better."""
    if direction == "neither" or len(models) < 2:
        return None
    sign = 1 if direction == "higher" else -1
    weights = raw or {}
    means = {name: mean_of(values, weights.get(name)).value for name, values in models.items()}
    first = max(means, key=lambda name: sign * means[name])
    for name in models:
        if name == first:
            continue
        try:
            ahead = difference_of(models[first], models[name], raw=(weights.get(first), weights.get(name)))
        except ValueError:
            return None
        if not ahead.is_real or sign * ahead.value <= 0:
            return None
    return first


def _by_prompt(
    prompts: Sequence[str], values: Values, raw: Values | None
) -> tuple[list[float], list[float] | None]:
    """One number a prompt, and its raw bytes: so that `set_mean` of them is that of all pictures."""
    if raw is None:
        return [float(np.mean(values[prompt])) for prompt in prompts], None
    numbers, weights = [], []
    for prompt in prompts:
        found, sizes = _array(values[prompt]), _array(raw[prompt])
        weights.append(float(sizes.sum()))
        numbers.append(float(sizes.sum() / (sizes / found).sum()))
    return numbers, weights


def _array(values: Sequence[float]) -> NDArray[np.float64]:
    return np.asarray(values, np.float64)


def _more(value: float, interval: tuple[float, float], count: int) -> int | None:
    """From the interval's own width: half of it shrinks with the root of the number of prompts."""
    if interval[0] > 0 or interval[1] < 0:
        return 0
    half = (interval[1] - interval[0]) / 2
    if value == 0 or half == 0:
        return None
    return max(1, math.ceil(count * (half / abs(value)) ** 2) - count)
