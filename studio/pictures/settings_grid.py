"""A picture drawn again with one or two of its settings varied: an X/Y grid, every cell one request. No torch.

Not here: how far a cell is (`studio.pictures.standing`), a run's checkpoints against strengths
(`studio.training.adapter_grid`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from studio.models.lookup import find_model
from studio.render_request import RenderRequest

MAX_CELLS = 64
GO_ON = ".."
"""Between numbers: from the two before it evenly on to the one behind it."""

Change = Callable[[RenderRequest], RenderRequest]


@dataclass(frozen=True, slots=True)
class Value:
    """One of an axis: what stands at its row or column, and what it changes."""

    label: str
    change: Change


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting that can be varied."""

    name: str
    title: str
    hint: str
    """What may be entered, by an example."""

    read: Callable[[str, RenderRequest], tuple[Value, ...]]
    """Values from text, for a picture. Raises ValueError for what is none."""


@dataclass(frozen=True, slots=True)
class SettingsGrid:
    """Every cell, row by row."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    requests: tuple[RenderRequest, ...]
    """len(rows) * len(columns) of them; two may be equal."""


def plan_settings_grid(
    drawn: RenderRequest, *, across: tuple[str, str], down: tuple[str, str] = ("", "")
) -> SettingsGrid:
    """Cells around the settings of a picture.

    Args:
        across: (name of an axis, its values as text); one column each.
        down: The same for the rows; an empty name for a single row.

    Raises:
        ValueError: An axis that is none or named twice, values that are none, too many cells.
    """
    if down[0] and across[0] == down[0]:
        raise ValueError(
            f"{_axis(across[0]).title} is varied across and down; choose another for one of them"
        )
    columns = _values(drawn, *across)
    rows = _values(drawn, *down) if down[0] else (Value("", _as_drawn),)
    if len(rows) * len(columns) > MAX_CELLS:
        raise ValueError(
            f"{len(rows)} x {len(columns)} cells were asked for, and a grid has at most {MAX_CELLS}; "
            "leave some values out"
        )
    return SettingsGrid(
        tuple(row.label for row in rows),
        tuple(column.label for column in columns),
        tuple(column.change(row.change(drawn)) for row in rows for column in columns),
    )


def parse_numbers(text: str) -> tuple[Decimal, ...]:
    """Read 8, 14, 20, or 2, 4, .., 20. Raises ValueError for what is no number, and for one that is named twice."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    numbers = list[Decimal]()
    for place, part in enumerate(parts):
        if part in (GO_ON, "...", "…"):
            numbers += _between(numbers, parts[place + 1 : place + 2])
            continue
        try:
            number = Decimal(part)
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite():
            raise ValueError(f"numbers read 8, 14, 20 or 2, 4, .., 20, got {part[:40]!r}")
        numbers.append(number)
    if twice := [number for number in numbers if numbers.count(number) > 1]:
        raise ValueError(f"{twice[0]:f} is named twice; once is enough")
    return tuple(numbers)


def _between(before: list[Decimal], behind: list[str]) -> list[Decimal]:
    """The numbers that two dots stand for."""
    wrong = ValueError(
        f"{GO_ON} goes on evenly from the two numbers before it to the one behind it: 2, 4, .., 20"
    )
    try:
        last = Decimal(behind[0])
    except (IndexError, InvalidOperation):
        raise wrong from None
    if len(before) < 2 or not last.is_finite():
        raise wrong
    step = before[-1] - before[-2]
    count = (last - before[-1]) / step if step else Decimal(0)
    if count <= 0:
        raise wrong
    if count > MAX_CELLS:
        raise ValueError(f"{GO_ON} stands for more than {MAX_CELLS} numbers here; take larger steps")
    between = [before[-1] + step * i for i in range(1, int(count) + 1)]
    return [number for number in between if number != last]


def _values(drawn: RenderRequest, name: str, text: str) -> tuple[Value, ...]:
    axis = _axis(name)
    values = axis.read(text, drawn)
    if not values:
        raise ValueError(f"no values are entered for {axis.title}; enter {axis.hint}, say")
    return values


def _axis(name: str) -> Axis:
    for axis in AXES:
        if axis.name == name:
            return axis
    raise ValueError(f"there is no setting {name!r} to vary; choose one of {', '.join(a.name for a in AXES)}")


def _as_drawn(request: RenderRequest) -> RenderRequest:
    return request


def _numbers(
    label: str, put: Callable[[RenderRequest, Any], RenderRequest], *, whole: bool = False
) -> Callable[[str, RenderRequest], tuple[Value, ...]]:
    """`label` is formatted with each number, `put` gives it to a request."""

    def value(number: Decimal) -> Value:
        if whole and number != int(number):
            raise ValueError(
                f"{label.format(f'{number:f}')}: that is no whole number, and none other is taken"
            )
        given = int(number) if whole else float(number)
        return Value(
            label.format(f"{given:d}" if whole else f"{given:g}"), lambda request: put(request, given)
        )

    return lambda text, _: tuple(value(number) for number in parse_numbers(text))


def _with_steps(request: RenderRequest, steps: int) -> RenderRequest:
    return replace(request, num_inference_steps=steps)


def _with_guidance(request: RenderRequest, scale: float) -> RenderRequest:
    return replace(request, guidance_scale=scale)


def _with_coarse_first(request: RenderRequest, level: float) -> RenderRequest:
    return replace(request, coarse_first=level)


def _with_seed(request: RenderRequest, seed: int) -> RenderRequest:
    return replace(request, seed=seed)


def _strengths(text: str, drawn: RenderRequest) -> tuple[Value, ...]:
    """Of all LoRAs together; at 0 there is none."""
    if not drawn.adapters:
        raise ValueError("this picture was drawn without a LoRA; choose one that was drawn with one")

    def value(number: Decimal) -> Value:
        def change(request: RenderRequest) -> RenderRequest:
            worn = (replace(use, weight=use.weight * float(number)) for use in request.adapters)
            return replace(request, adapters=tuple(worn) if number else ())

        return Value(f"LoRA × {float(number):g}" if number else "no LoRA", change)

    return tuple(value(number) for number in parse_numbers(text))


def _redrawn(text: str, drawn: RenderRequest) -> tuple[Value, ...]:
    """How much of the picture that it began from is drawn anew."""
    begun = drawn.init
    if begun is None:
        raise ValueError("this picture began from noise alone; choose one that began from a picture")

    def value(number: Decimal) -> Value:
        init = replace(begun, strength=float(number))
        return Value(f"strength {float(number):g}", lambda request: replace(request, init=init))

    return tuple(value(number) for number in parse_numbers(text))


def _words(text: str, drawn: RenderRequest) -> tuple[Value, ...]:
    """The first words stand in the prompt; the others take their place."""
    words = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if words and words[0] not in drawn.prompt:
        raise ValueError(
            f"the prompt does not say {words[0][:60]!r}; begin with words of it, which the others replace"
        )

    def value(word: str) -> Value:
        return Value(word, lambda request: replace(request, prompt=request.prompt.replace(words[0], word)))

    return tuple(value(word) for word in words)


def _models(text: str, _: RenderRequest) -> tuple[Value, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))

    def value(name: str) -> Value:
        return Value(find_model(name).title, lambda request: replace(request, model=name))

    return tuple(value(name) for name in names)


AXES = (
    Axis("steps", "Steps", "8, 14, 20", _numbers("{} steps", _with_steps, whole=True)),
    Axis("guidance", "Guidance", "1, 1.5, .., 4", _numbers("guidance {}", _with_guidance)),
    Axis("coarse_first", "Coarse first", "0, 0.3, 0.5", _numbers("coarse first {}", _with_coarse_first)),
    Axis("seed", "Seed", "1, 2, .., 6", _numbers("seed {}", _with_seed, whole=True)),
    Axis("words", "Words of the prompt", "dusk, dawn, night", _words),
    Axis("model", "Model", "micro-4k, sd3.5-medium", _models),
    Axis("lora", "LoRA strength", "0, 0.5, 1", _strengths),
    Axis("redrawn", "Strength over its picture", "0.3, 0.5, 0.7", _redrawn),
)
"""In the order in which they are offered."""
