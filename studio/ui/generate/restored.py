"""What became of a picture's settings: where they came from, and all that the form left out, with its reason.

Not here: filling the form (`studio.ui.generate.restoring`), reading a file (`studio.pictures.settings_reader`).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import gradio as gr

NOTHING_LEFT_OUT = ""
"""Empties the box; one that is empty takes no room."""


def build_restored() -> gr.HTML:
    """The box, in sight wherever the picture was dropped. Its looks are in controls.css."""
    return gr.HTML(NOTHING_LEFT_OUT, elem_id="restored", elem_classes=["refusal", "restored"], padding=False)


def restored_note(left_out: Sequence[str], *, source: str = "") -> str:
    """What the box shows: `source` such as "theirs.png, written by InvokeAI", then a line for each thing left out.

    Those a screen reader tells at once, and that all went well when it has nothing else to say. Empty for neither.
    """
    told = f"<p role='status'>Restored from {escape(source)}.</p>" if source else ""
    if not left_out:
        return told or NOTHING_LEFT_OUT
    lines = "".join(f"<li>{escape(line)}</li>" for line in left_out)
    return f"{told}<div role='alert'><p class='warn'>The form left out:</p><ul>{lines}</ul></div>"
