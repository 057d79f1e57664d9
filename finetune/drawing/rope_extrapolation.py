"""Positions beyond a model's training size, without training: other rotary frequencies while a Flux model draws.

With d channels an axis, channel pair i turns by theta_i = base^(-2 i / d) a token. FLUX.1 saw up to L = 64 tokens a
side (1024 px with F8, 2048 px with F16). At n tokens the scale is s = max(1, n / L), for each axis by itself; at
s = 1 the model's own positions are used, bit for bit.

- "ntk": base' = base s^(d / (d - 2)), so the slowest pair turns s times slower and the fastest as before (NTK-aware
  scaling, as told in arXiv 2309.00071).
- "yarn": theta_i' = (1 - g) theta_i / s + g theta_i with g = clamp((r_i - 1) / (8 - 1), 0, 1), r_i = L theta_i / 2 pi
  the turns within the training size: pairs that never turned once are stretched, quick ones kept; and sines and cosines
  are multiplied by 0.1 ln s + 1, which sharpens attention (YaRN, the same paper; its 32 turns in place of 8 are for
  texts: over 64 tokens the quickest pair turns 10 times).
- "dynamic": "ntk" with s^k, k = 2 sigma^2: strong while noise is high and shapes are laid out, none at its end (after
  DyPE, arXiv 2510.20766, with its lambda_s = lambda_t = 2).

Not here: models with a table of positions (SD3), which have no frequencies to change.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from finetune.drawing.speed_names import RopeMethod

TRAINED_TOKENS = 64
"""A side, of FLUX.1."""

SLOW_TURNS, QUICK_TURNS = 1.0, 8.0
LAMBDA_SCALE, LAMBDA_TIME = 2.0, 2.0


def frequencies(
    method: RopeMethod,
    *,
    dim: int,
    base: float,
    scale: float,
    sigma: float = 1.0,
    trained: int = TRAINED_TOKENS,
) -> Tensor:
    """Radians a token of each channel pair of one axis: (dim / 2,) float64. See the module for the formulas.

    Args:
        scale: s, 1 or more.
        sigma: Noise level, 1 to 0; "dynamic" alone looks at it.
    """
    pairs = torch.arange(0, dim, 2, dtype=torch.float64) / dim
    if method == "dynamic":
        scale = scale ** (LAMBDA_SCALE * sigma**LAMBDA_TIME)
    if method in ("ntk", "dynamic"):
        return 1.0 / (base * scale ** (dim / (dim - 2))) ** pairs
    plain = 1.0 / base**pairs
    if method == "none":
        return plain
    turns = trained * plain / (2 * math.pi)
    kept = ((turns - SLOW_TURNS) / (QUICK_TURNS - SLOW_TURNS)).clamp(0, 1)
    return (1 - kept) * plain / scale + kept * plain


def attention_scale(method: RopeMethod, scale: float) -> float:
    """What sines and cosines are multiplied by."""
    return 0.1 * math.log(scale) + 1 if method == "yarn" else 1.0


class ExtrapolatedRope(nn.Module):
    """In the place of a Flux transformer's `pos_embed`."""

    def __init__(self, own: nn.Module, method: RopeMethod, trained: int) -> None:
        super().__init__()
        # Outside of the module's children: the transformer's own stays where it was.
        self._own = (own,)
        self.method: RopeMethod = method
        self.trained = trained
        self.sigma = 1.0

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """(tokens, axes) positions -> cosines and sines, each (tokens, sum of the axes' channels) float32."""
        own: Any = self._own[0]
        # The first axis is the text's, where every token stands at 0.
        sides = ids[:, 1:].amax(0).add(1).tolist()
        scales = [1.0, *(max(1.0, side / self.trained) for side in sides)]
        if max(scales) == 1.0:
            plain: tuple[Tensor, Tensor] = own(ids)
            return plain
        angles = []
        for axis, (dim, scale) in enumerate(zip(own.axes_dim, scales, strict=True)):
            turned = frequencies(
                self.method, dim=dim, base=own.theta, scale=scale, sigma=self.sigma, trained=self.trained
            )
            angles.append(torch.outer(ids[:, axis].double().cpu(), turned))
        whole = torch.cat(angles, dim=1).repeat_interleave(2, dim=1)
        sharp = attention_scale(self.method, max(scales))
        return (whole.cos() * sharp).float().to(ids.device), (whole.sin() * sharp).float().to(ids.device)


@contextmanager
def extrapolated(transformer: Any, method: RopeMethod, *, trained: int = TRAINED_TOKENS) -> Iterator[None]:
    """While inside, a Flux transformer has these positions; afterwards its own again.

    Raises ValueError for a transformer without rotary positions, unless `method` is "none".
    """
    if method == "none":
        yield
        return
    own: Any = getattr(transformer, "pos_embed", None)
    if not hasattr(own, "axes_dim"):
        raise ValueError(
            f"{type(transformer).__name__} has no rotary positions; choose a FLUX model, or positions none"
        )
    rope = ExtrapolatedRope(own, method, trained)

    def look_at_the_clock(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        rope.sigma = float(kwargs["timestep"].flatten()[0])

    hook = transformer.register_forward_pre_hook(look_at_the_clock, with_kwargs=True)
    transformer.pos_embed = rope
    try:
        yield
    finally:
        transformer.pos_embed = own
        hook.remove()
