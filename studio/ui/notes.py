"""The small print of the form: what a size or a model means, or what is wrong with it."""

from __future__ import annotations

from studio.models import check_available, find_model
from studio.requests import RenderRequest
from studio.ui.sizes import size_sentence


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


def model_note(model: str) -> str:
    """Licence and character of a model, or why it cannot run here."""
    try:
        entry = find_model(model)
        check_available(entry)
    except ValueError as error:
        return warning(str(error))
    return plain_text(" · ".join(part for part in (entry.licence, entry.note) if part))


def warning(text: str) -> str:
    return f"<span class='warn'>{plain_text(text)}</span>"


def plain_text(text: str) -> str:
    """Text for a Markdown widget with nothing in it that could be read as markup."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join("\\" + letter if letter in "\\`*_[]#" else letter for letter in escaped)
