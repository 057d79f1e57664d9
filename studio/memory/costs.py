"""What one picture of a catalogue model takes on this machine, for its card: measured here, else estimated. No torch.

Not here: the forecast (`studio.memory.fit_note`, `studio.memory.measured`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from studio.memory.fit_note import fit_note
from studio.memory.free import FreeMemory
from studio.memory.measured import FILE
from studio.models.cards import CARDS, ModelCard
from studio.render_request import RenderRequest

_BOUNDLESS = 10**15
ANY_GPU = FreeMemory(_BOUNDLESS, _BOUNDLESS, _BOUNDLESS, ("a GPU", _BOUNDLESS, _BOUNDLESS))
"""Stands for the machine where nothing may be told of it: everything is resident, nothing is measured."""


def costs(free: FreeMemory, home: Path) -> Mapping[str, str]:
    """`cost_words` of every card, by the model's id. Counted anew when a gigabyte has moved or something was drawn."""
    file = home / FILE
    drawn = file.stat().st_mtime_ns if file.is_file() else 0
    gpu = None
    if free.gpu is not None:
        name, left, total = free.gpu
        gpu = (name, left // 10**9 * 10**9, total)
    return _costs(FreeMemory(0, free.ram_total, 0, gpu), home, drawn)


@lru_cache(maxsize=4)
def _costs(free: FreeMemory, home: Path, drawn: int) -> Mapping[str, str]:
    return {card.entry.id: cost_words(card, free, home) for card in CARDS}


def cost_words(card: ModelCard, free: FreeMemory, home: Path) -> str:
    """Of the size that is advised first, with the model's own steps and guidance."""
    entry, (width_px, height_px) = card.entry, card.advised_sizes_px[0]
    request = RenderRequest(
        prompt="cost",
        model=entry.id,
        width_px=width_px,
        height_px=height_px,
        num_inference_steps=entry.default_steps,
        guidance_scale=entry.default_guidance_scale,
        coarse_first=entry.default_coarse_first,
        seed=0,
    )
    text = fit_note(entry, request, free, home).text
    timed = text if "estimated" not in text else f"{text} · time not measured here"
    return f"{width_px} × {height_px} takes {timed}"
