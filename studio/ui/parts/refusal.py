"""What was refused, said at its place: a box beside the button or field that was used, empty until something is.

A toast is for what has no place of its own. Not here: when a box is emptied, which each tab wires for itself.
"""

from __future__ import annotations

from html import escape

import gradio as gr

NOTHING_REFUSED = ""
"""Empties the box; one that is empty takes no room."""


def build_refusal(elem_id: str) -> gr.HTML:
    """The box. Its looks are in studio.css."""
    return gr.HTML(NOTHING_REFUSED, elem_id=elem_id, elem_classes="refusal", padding=False)


def refusal(*sentences: str) -> str:
    """What the box shows of these sentences, a paragraph each, which a screen reader tells at once."""
    if not sentences:
        return NOTHING_REFUSED
    told = "".join(f"<p class='warn'>{escape(sentence)}</p>" for sentence in sentences)
    return f"<div role='alert'>{told}</div>"
