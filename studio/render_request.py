"""What a render is asked for: checked when it is made, before anything expensive. Standard library only."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from difflib import get_close_matches
from typing import Any, Literal, Self, get_args

from finetune.drawing.speed_names import (
    ATTENTION,
    ATTENTION_BACKENDS,
    CACHE,
    COMPILE,
    ROPE_METHODS,
    USUAL_THRESHOLD,
    SpeedOptions,
)
from finetune.whole_text import whole_text
from studio.init_image import InitImage
from studio.memory_rungs import RUNGS

SIZE_MULTIPLE_PX = 32
MIN_SIDE_PX, MAX_SIDE_PX = 256, 8192
NUM_SEEDS = 2**32
MAX_STEPS, MAX_GUIDANCE = 200, 30.0
MIN_COARSE_FIRST, MAX_COARSE_FIRST = 0.05, 0.95
SPEED_CHOICES = (
    COMPILE,
    f"{CACHE}:{USUAL_THRESHOLD:g}",
    *(f"{ATTENTION}:{name}" for name in ATTENTION_BACKENDS),
)
"""Of `RenderRequest.speed`."""

MAX_PROMPT_LETTERS = 10_000
MAX_PICTURES = 500  # of one submission
MAX_ADAPTERS, MAX_ADAPTER_WEIGHT = 8, 4.0

SeedMode = Literal["random", "fixed", "walk"]
"""A new seed for each picture; the given seed for every prompt; or the given seed and its successors."""


@dataclass(frozen=True, slots=True)
class AdapterUse:
    """One LoRA of a stack."""

    path: str
    """Its safetensors file: absolute, or under the studio's home, such as loras/oil.safetensors."""

    weight: float = 1.0
    """What its update is multiplied by: 0 leaves the model as it is, below 0 turns it around."""

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not self.path.endswith(".safetensors"):
            raise ValueError(f"an adapter is a .safetensors file, got {self.path!r}; choose another")
        if isinstance(self.weight, bool) or not isinstance(self.weight, int | float):
            raise ValueError(f"an adapter's weight must be a number, got {self.weight!r}; 1 is usual")
        if not math.isfinite(self.weight) or abs(self.weight) > MAX_ADAPTER_WEIGHT:
            raise ValueError(
                f"an adapter's weight must lie between -{MAX_ADAPTER_WEIGHT:g} and {MAX_ADAPTER_WEIGHT:g}, "
                f"got {self.weight:g}; 1 is usual"
            )
        object.__setattr__(self, "weight", float(self.weight))


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """One picture to make; everything that decides its pixels but the model's weights."""

    prompt: str
    negative_prompt: str = ""
    model: str = "micro-4k"
    """A catalogue id, a hub id, or a folder."""
    width_px: int = 4096
    height_px: int = 4096
    num_inference_steps: int
    guidance_scale: float
    """SD3: how far from the negative prompt, 1 is off. Flux: a number given to the transformer."""
    seed: int
    """Of the noise."""
    coarse_first: float = 0.0
    """Compose small, then double and draw anew from this noise level each time; 0 draws at full size alone."""
    adapters: tuple[AdapterUse, ...] = ()
    """LoRAs, all at once; their order has no say."""
    rope: str = "none"
    """Positions beyond the size that a Flux model was trained at, see `finetune.drawing.rope_extrapolation`."""
    speed: str = ""
    """Options that make it quicker, see `finetune.drawing.speed_names`; some change the picture."""
    memory: str = "auto"
    """How it is to fit: a `studio.memory_rungs.Rung`, or auto to choose by what is free."""
    init: InitImage | None = None
    """What it begins from instead of noise alone."""

    def __post_init__(self) -> None:
        self._check_types()
        for name in ("prompt", "negative_prompt", "model"):
            object.__setattr__(self, name, whole_text(getattr(self, name)))
        for name in ("guidance_scale", "coarse_first"):  # a browser's JSON knows 2 alone, and 2 is 2.0
            object.__setattr__(self, name, float(getattr(self, name)))
        self._check_adapters()
        if self.memory != "auto" and self.memory not in RUNGS:
            raise ValueError(f"memory must be auto or one of {', '.join(RUNGS)}, got {self.memory!r}")
        if self.rope not in ROPE_METHODS:
            raise ValueError(f"positions must be one of {', '.join(ROPE_METHODS)}, got {self.rope!r}")
        SpeedOptions.parse(self.speed)
        if not self.prompt.strip():
            raise ValueError("the prompt is empty; say what the picture should show")
        if max(len(self.prompt), len(self.negative_prompt)) > MAX_PROMPT_LETTERS:
            raise ValueError(f"a prompt may have {MAX_PROMPT_LETTERS:,} letters; shorten it")
        if not self.model.strip():
            raise ValueError("no model is chosen; choose one, such as micro-4k")
        for name, side in (("width", self.width_px), ("height", self.height_px)):
            _check_side(name, side)
        if not 1 <= self.num_inference_steps <= MAX_STEPS:
            raise ValueError(
                f"steps must lie between 1 and {MAX_STEPS}, got {self.num_inference_steps}; 30 is usual"
            )
        if not 0 <= self.guidance_scale <= MAX_GUIDANCE:
            raise ValueError(
                f"guidance must lie between 0 and {MAX_GUIDANCE:g}, got {self.guidance_scale:g}; 4 is usual"
            )
        if self.coarse_first and not MIN_COARSE_FIRST <= self.coarse_first <= MAX_COARSE_FIRST:
            raise ValueError(
                f"coarse first takes a noise level from {MIN_COARSE_FIRST:g} to {MAX_COARSE_FIRST:g}, or 0 for a "
                f"picture drawn at full size alone, got {self.coarse_first:g}; 0.3 is usual"
            )
        _check_seed(self.seed)

    def _check_types(self) -> None:
        """Requests come back from files and tables, where anything may stand."""
        kinds: dict[str, tuple[Any, str]]
        kinds = {"str": (str, "text"), "int": (int, "a whole number"), "float": ((int, float), "a number")}
        for field in fields(self):
            if field.name in ("adapters", "init"):
                continue
            value, (kind, words) = getattr(self, field.name), kinds[str(field.type)]
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ValueError(f"{field.name} must be {words}, got {value!r}")

    def _check_adapters(self) -> None:
        if not isinstance(self.adapters, tuple) or not all(isinstance(a, AdapterUse) for a in self.adapters):
            raise ValueError(f"adapters must be a list of files and weights, got {self.adapters!r}")
        if len(self.adapters) > MAX_ADAPTERS:
            raise ValueError(
                f"at most {MAX_ADAPTERS} adapters are used at once, got {len(self.adapters)}; leave some out"
            )
        if self.init is not None and not isinstance(self.init, InitImage):
            raise ValueError(f"init must be an id and a strength, got {self.init!r}")
        paths = [adapter.path for adapter in self.adapters]
        if twice := [path for path in paths if paths.count(path) > 1]:
            raise ValueError(f"the adapter {twice[0]} is named twice; give it one weight")

    def to_dict(self) -> dict[str, Any]:
        """JSON values. One that begins from noise alone has no `init`, as before there was one."""
        values = asdict(self) | {"adapters": [asdict(adapter) for adapter in self.adapters]}
        if self.init is None:
            del values["init"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The opposite of `to_dict`; a key that is not a field is an error, never ignored."""
        known = [field.name for field in fields(cls)]
        for key in sorted(values.keys() - set(known)):
            hint = "".join(f"; did you mean {name!r}?" for name in get_close_matches(key, known, n=1))
            raise ValueError(f"a render request has no {key!r}{hint}")
        missing = [f.name for f in fields(cls) if f.default is MISSING and f.name not in values]
        if missing:
            raise ValueError(
                f"the render request lacks {', '.join(missing)}; give every setting of a picture"
            )
        read = {name: _DEEPER[name](values[name]) for name in _DEEPER if name in values}
        return cls(**{**values, **read})


def expand_requests(
    *,
    prompts: str,
    as_list: bool,
    count: int,
    seed: int,
    seed_mode: str,
    num_inference_steps: int,
    guidance_scale: float,
    negative_prompt: str = "",
    model: str = "micro-4k",
    width_px: int = 4096,
    height_px: int = 4096,
    coarse_first: float = 0.0,
    adapters: Sequence[AdapterUse] = (),
    rope: str = "none",
    speed: str = "",
    memory: str = "auto",
    init: InitImage | None = None,
) -> list[RenderRequest]:
    """Make every request of one submission: each prompt `count` times.

    Args:
        prompts: One prompt, or one a line with `as_list`; blank lines are passed over.
        seed: Where "fixed" stays and "walk" begins; "random" does not look at it.
        seed_mode: A SeedMode.
    """
    if seed_mode not in get_args(SeedMode):
        raise ValueError(f"seed mode must be one of {', '.join(get_args(SeedMode))}, got {seed_mode!r}")
    lines = [line.strip() for line in prompts.splitlines() if line.strip()] if as_list else [prompts]
    if not lines:
        raise ValueError("the prompt list is empty; write one prompt a line")
    if count < 1 or count * len(lines) > MAX_PICTURES:
        raise ValueError(
            f"{count} x {len(lines)} pictures were asked for; one submission makes 1 to {MAX_PICTURES}"
        )
    if seed_mode == "fixed" and count > 1:
        raise ValueError(
            f"a fixed seed would draw the same picture {count} times; choose walk or random, or one picture"
        )
    if seed_mode != "random":
        _check_seed(seed)  # a walk would wrap around what is no seed
    drawn = random.SystemRandom()
    requests = []
    for place, line in enumerate(line for line in lines for _ in range(count)):
        seeds = {"random": drawn.randrange(NUM_SEEDS), "fixed": seed, "walk": (seed + place) % NUM_SEEDS}
        requests.append(
            RenderRequest(
                prompt=line,
                negative_prompt=negative_prompt,
                model=model,
                width_px=width_px,
                height_px=height_px,
                num_inference_steps=num_inference_steps,
                guidance_scale=guidance_scale,
                seed=seeds[seed_mode],
                coarse_first=coarse_first,
                adapters=tuple(adapters),
                rope=rope,
                speed=speed,
                memory=memory,
                init=init,
            )
        )
    return requests


def parse_adapter(text: str) -> AdapterUse:
    """Read FILE or FILE:WEIGHT, such as oil.safetensors:0.8."""
    if text.endswith(".safetensors"):
        return AdapterUse(text)
    path, _, weight = text.rpartition(":")
    try:
        number = float(weight)
    except ValueError as error:
        raise ValueError(
            f"an adapter reads FILE or FILE:WEIGHT, such as oil.safetensors:0.8, got {text!r}"
        ) from error
    return AdapterUse(path, number)


def parse_size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT, such as 3072x4096: (width_px, height_px)."""
    width, cross, height = text.lower().replace("×", "x").partition("x")
    if not cross or not width.strip().isdecimal() or not height.strip().isdecimal():
        raise ValueError(f"a size reads WIDTHxHEIGHT, such as 3072x4096, got {text!r}")
    return int(width), int(height)


def _adapters(listed: Any) -> tuple[AdapterUse, ...]:
    """As they stand in files and tables: [{"path": ..., "weight": ...}]."""
    try:
        return tuple(AdapterUse(**entry) for entry in listed)
    except TypeError as error:
        raise ValueError(f"adapters must be a list of a path and a weight each, got {listed!r}") from error


def _init(value: Any) -> InitImage | None:
    """{"id": ..., "strength": ...}, or None."""
    try:
        return None if value is None else InitImage(**value)
    except TypeError as error:
        raise ValueError(f"init must be an id and a strength, got {value!r}") from error


_DEEPER = {"adapters": _adapters, "init": _init}


def _check_seed(seed: int) -> None:
    if not 0 <= seed < NUM_SEEDS:
        raise ValueError(f"the seed must lie between 0 and {NUM_SEEDS - 1}, got {seed}; choose another")


def _check_side(name: str, side: int) -> None:
    if side % SIZE_MULTIPLE_PX:
        nearest = max(MIN_SIDE_PX, round(side / SIZE_MULTIPLE_PX) * SIZE_MULTIPLE_PX)
        raise ValueError(f"{name} must be a multiple of {SIZE_MULTIPLE_PX} px, got {side}; try {nearest}")
    if not MIN_SIDE_PX <= side <= MAX_SIDE_PX:
        nearest = min(max(side, MIN_SIDE_PX), MAX_SIDE_PX)
        raise ValueError(
            f"{name} must lie between {MIN_SIDE_PX} and {MAX_SIDE_PX} px, got {side}; try {nearest}"
        )
