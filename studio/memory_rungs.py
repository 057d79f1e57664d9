"""What a render needs, and the ladder of ways to make it fit: as numbers, without torch.

A footprint is what is known of a model before it is opened: its weights, and straight lines for what denoising and
decoding hold beside them (both grow with the picture's pixels; `studio.memory.footprints` draws the lines on the meta
device). Not here: putting a pipeline on a rung (`studio.pipeline.taking_rungs`), what this machine has measured
(`studio.memory.measured`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

Rung = Literal["resident", "encoders_freed", "model_offload", "int8", "nf4", "group_offload"]
"""From the quickest to the one that needs least; the two with smaller weights change the picture a little."""

RUNGS: tuple[Rung, ...] = get_args(Rung)

RUNG_TITLES: Mapping[Rung, str] = {
    "resident": "everything stays on the GPU",
    "encoders_freed": "text encoders leave after the prompt is read",
    "model_offload": "each part is on the GPU only while it works",
    "int8": "8-bit weights, each part on the GPU only while it works",
    "nf4": "4-bit weights, each part on the GPU only while it works",
    "group_offload": "a few layers at a time on the GPU",
}

CHANGES_PICTURE: frozenset[Rung] = frozenset({"int8", "nf4"})

FREE_SHARE, KEPT_FREE = 0.92, 400 * 2**20
"""Of free memory, what a plan may use: fragments and libraries' workspaces take the rest."""

_WEIGHT_SHARE: Mapping[Rung, float] = {"int8": 0.5, "nf4": (0.5 + 4 / 64) / 2}
"""Of bfloat16's two bytes: int8 takes one; nf4 half of one, and a float32 scale for 64 of them."""

_GROUPS_AT_ONCE = 2  # the one at work and the one on its way
_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")


@dataclass(frozen=True, slots=True)
class Line:
    """Bytes as a straight line over the picture's pixels."""

    fixed: float
    per_pixel: float

    def at(self, width_px: int, height_px: int) -> int:
        return round(self.fixed + self.per_pixel * width_px * height_px)


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Of one model, at two bytes a number."""

    weights: Mapping[str, int]
    """Bytes of each part: transformer, vae, text_encoder, ..."""

    encode: int
    """Bytes that the largest text encoder holds beside its weights."""

    denoise: Line
    denoise_guided: Line
    """With guidance that calls the transformer on two prompts at once."""

    decode: Line
    group: int
    """Bytes of the largest block of layers, for group offloading."""

    flops_per_pixel: float
    flops_per_pixel_squared: float
    """Of one call of the transformer on one picture: what grows with its tokens, and attention among them."""

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "weights": dict(self.weights)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        lines = {name: Line(**values[name]) for name in ("denoise", "denoise_guided", "decode")}
        return cls(**{**values, **lines})

    def flops(self, width_px: int, height_px: int, *, guided: bool) -> float:
        """Of one step."""
        pixels = width_px * height_px
        once = self.flops_per_pixel * pixels + self.flops_per_pixel_squared * pixels**2
        return (2 if guided else 1) * once


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderMemory:
    """Most bytes on the device at once, stage by stage, of one picture on one rung."""

    rung: Rung
    encode: int
    denoise: int
    decode: int

    @property
    def peak(self) -> int:
        return max(self.encode, self.denoise, self.decode)


def render_memory(
    footprint: Footprint,
    rung: Rung,
    *,
    width_px: int,
    height_px: int,
    guided: bool,
    weight_bytes: int = 2,
    adapter_bytes: int = 0,
) -> RenderMemory:
    """Forecast one picture.

    Args:
        guided: See `Footprint.denoise_guided`.
        weight_bytes: Of one number: 2 in bfloat16, 4 in float32; activations grow alike.
        adapter_bytes: Of LoRA files that the transformer wears.
    """
    scale = weight_bytes / 2
    weights = {name: round(size * scale) for name, size in footprint.weights.items()}
    weights["transformer"] = round(weights["transformer"] * _WEIGHT_SHARE.get(rung, 1.0)) + adapter_bytes
    encoders = [size for name, size in weights.items() if name in _ENCODERS]
    line = footprint.denoise_guided if guided else footprint.denoise
    encode = round(footprint.encode * scale)
    denoise = round(line.at(width_px, height_px) * scale)
    decode = round(footprint.decode.at(width_px, height_px) * scale)
    drawing = weights["transformer"] + weights["vae"]
    if rung == "resident":
        everything = sum(weights.values())
        stages = (everything + encode, everything + denoise, everything + decode)
    elif rung == "encoders_freed":
        stages = (sum(encoders) + encode, drawing + denoise, drawing + decode)
    elif rung == "group_offload":
        groups = round(_GROUPS_AT_ONCE * footprint.group * scale)
        stages = (groups + encode, groups + adapter_bytes + denoise, weights["vae"] + decode)
    else:
        stages = (
            max(encoders, default=0) + encode,
            weights["transformer"] + denoise,
            weights["vae"] + decode,
        )
    return RenderMemory(rung=rung, encode=stages[0], denoise=stages[1], decode=stages[2])


def usable(free_bytes: int) -> int:
    """What a plan may count on."""
    return max(0, round(FREE_SHARE * free_bytes) - KEPT_FREE)


def choose_rung(forecasts: Sequence[RenderMemory], free_bytes: int) -> RenderMemory:
    """The first that fits, else the one that needs least: it is tried, since a forecast may be too high."""
    for forecast in forecasts:
        if forecast.peak <= usable(free_bytes):
            return forecast
    return min(forecasts, key=lambda forecast: forecast.peak)
