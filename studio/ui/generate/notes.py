"""The small print of the form: what a size or a model means, or what is wrong with it."""

from __future__ import annotations

from studio.models.catalogue import CATALOGUE, ModelEntry
from studio.models.lookup import Gated, Offline, check_available, find_model, is_here
from studio.render_request import RenderRequest
from studio.ui.generate.sizes import size_sentence


def size_note(width_px: int | None, height_px: int | None) -> str:
    """The size in megapixels, or what is wrong with it."""
    if width_px is None or height_px is None:
        return warning("give a width and a height in pixels")
    try:
        RenderRequest(
            prompt="size",
            width_px=width_px,
            height_px=height_px,
            num_inference_steps=1,
            guidance_scale=1,
            seed=0,
        )
    except ValueError as error:
        return warning(str(error))
    return size_sentence(width_px, height_px)


def model_choices() -> list[tuple[str, str]]:
    """(label, id) of every model of the catalogue: those that can be drawn with at once, then the others, each with
    what is to be done first."""
    steps = [(_first_step(entry), entry) for entry in CATALOGUE]
    ordered = sorted(steps, key=lambda step: STEPS.index(step[0]))
    return [(f"{entry.title} · {step}" if step else entry.title, entry.id) for step, entry in ordered]


STEPS = ("", "to download", "licence to accept", "not here, offline", "damaged")
"""What a model of the list waits for, in its order."""


def _first_step(entry: ModelEntry) -> str:
    try:
        check_available(entry)
    except Gated:
        return "licence to accept"
    except Offline:
        return "not here, offline"
    except ValueError:
        return "damaged"
    return "" if is_here(entry) else "to download"


def model_note(model: str) -> str:
    """Licence and character of a model, or why it cannot run here."""
    trouble = model_trouble(model)
    if trouble is not None:
        return warning(trouble)
    entry = find_model(model)
    return plain_text(" · ".join(part for part in (entry.licence, entry.note) if part))


def model_trouble(model: str) -> str | None:
    """Why a model cannot run here, with the remedy; None if it can."""
    try:
        check_available(find_model(model))
    except ValueError as error:
        return str(error)
    return None


def warning(text: str) -> str:
    return f"<span class='warn'>{plain_text(text)}</span>"


def plain_text(text: str) -> str:
    """Text for a Markdown widget with nothing in it that could be read as markup."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join("\\" + letter if letter in "\\`*_[]#" else letter for letter in escaped)
