"""What a render is asked for: checked when it is made, before anything expensive. Standard library only."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from difflib import get_close_matches
from typing import Any, Literal, Self, get_args

SIZE_MULTIPLE_PX = 32
MIN_SIDE_PX, MAX_SIDE_PX = 256, 8192
NUM_SEEDS = 2**32
MAX_STEPS, MAX_GUIDANCE = 200, 30.0
MAX_PROMPT_LETTERS = 10_000
MAX_PICTURES = 500  # of one submission

SeedMode = Literal["random", "fixed", "walk"]
"""A new seed for each picture; the given seed for every prompt; or the given seed and its successors."""


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

    def __post_init__(self) -> None:
        self._check_types()
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
        if not 0 <= self.seed < NUM_SEEDS:
            raise ValueError(
                f"the seed must lie between 0 and {NUM_SEEDS - 1}, got {self.seed}; choose another"
            )

    def _check_types(self) -> None:
        """Requests come back from files and tables, where anything may stand."""
        kinds: dict[str, tuple[Any, str]]
        kinds = {"str": (str, "text"), "int": (int, "a whole number"), "float": ((int, float), "a number")}
        for field in fields(self):
            value, (kind, words) = getattr(self, field.name), kinds[str(field.type)]
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ValueError(f"{field.name} must be {words}, got {value!r}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

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
        return cls(**values)


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
            )
        )
    return requests


def parse_size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT, such as 3072x4096: (width_px, height_px)."""
    width, cross, height = text.lower().replace("×", "x").partition("x")
    if not cross or not width.strip().isdecimal() or not height.strip().isdecimal():
        raise ValueError(f"a size reads WIDTHxHEIGHT, such as 3072x4096, got {text!r}")
    return int(width), int(height)


def _check_side(name: str, side: int) -> None:
    if side % SIZE_MULTIPLE_PX:
        nearest = max(MIN_SIDE_PX, round(side / SIZE_MULTIPLE_PX) * SIZE_MULTIPLE_PX)
        raise ValueError(f"{name} must be a multiple of {SIZE_MULTIPLE_PX} px, got {side}; try {nearest}")
    if not MIN_SIDE_PX <= side <= MAX_SIDE_PX:
        nearest = min(max(side, MIN_SIDE_PX), MAX_SIDE_PX)
        raise ValueError(
            f"{name} must lie between {MIN_SIDE_PX} and {MAX_SIDE_PX} px, got {side}; try {nearest}"
        )
