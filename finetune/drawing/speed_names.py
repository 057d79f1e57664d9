"""Speed options and positions by name: what a render may be told, read and checked without torch.

"compile", "first_block_cache:0.08", "attention:flash". None is ever on by itself, and each is told in the picture.
Not here: what they do to a pipeline (`finetune.drawing.speed_options`, `finetune.drawing.rope_extrapolation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

RopeMethod = Literal["none", "ntk", "yarn", "dynamic"]
ROPE_METHODS: tuple[str, ...] = get_args(RopeMethod)

COMPILE, CACHE, ATTENTION = "compile", "first_block_cache", "attention"
USUAL_THRESHOLD, MAX_THRESHOLD = 0.08, 0.5
ATTENTION_BACKENDS = (
    *("native", "_native_cudnn", "_native_efficient", "_native_flash", "_native_math", "flex"),
    *("flash", "_flash_3", "sage", "xformers"),
)
"""As diffusers calls them; kernels that are fetched from the hub when they are first used are not among them."""


@dataclass(frozen=True, slots=True)
class SpeedOptions:
    """What was asked for."""

    attention: str | None = None
    compile: bool = False
    cache_threshold: float | None = None
    """Of the first block's change between two steps, relative: below it the other blocks' last output serves again."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read names with commas between; empty is none. Raises ValueError for an unknown name or value."""
        found: dict[str, Any] = {}
        for part in (part.strip() for part in text.split(",") if part.strip()):
            name, _, value = part.partition(":")
            setting: Any
            if name == COMPILE and not value:
                field, setting = "compile", True
            elif name == CACHE:
                field, setting = "cache_threshold", _threshold(value)
            elif name == ATTENTION and value in ATTENTION_BACKENDS:
                field, setting = "attention", value
            elif name == ATTENTION:
                raise ValueError(
                    f"there is no attention {value!r}; choose one of {', '.join(ATTENTION_BACKENDS)}"
                )
            else:
                raise ValueError(
                    f"there is no speed option {part!r}; choose {COMPILE}, {CACHE}:{USUAL_THRESHOLD:g} or "
                    f"{ATTENTION}:NAME"
                )
            if field in found:
                raise ValueError(f"{name} is named twice; once is enough")
            found[field] = setting
        return cls(**found)

    @property
    def is_repeatable(self) -> bool:
        """Whether a step's result follows from its latents alone, so that an interrupted render resumes to the same."""
        return self.cache_threshold is None

    def __str__(self) -> str:
        parts = [COMPILE] if self.compile else []
        if self.cache_threshold is not None:
            parts.append(f"{CACHE}:{self.cache_threshold:g}")
        if self.attention is not None:
            parts.append(f"{ATTENTION}:{self.attention}")
        return ",".join(parts)


def _threshold(text: str) -> float:
    if not text:
        return USUAL_THRESHOLD
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= MAX_THRESHOLD:
        raise ValueError(
            f"the threshold of {CACHE} lies above 0 and at most at {MAX_THRESHOLD:g}, got {text!r}; "
            f"{USUAL_THRESHOLD:g} is usual"
        )
    return value
