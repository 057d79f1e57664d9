"""The sheet of keyboard shortcuts: what "?" shows. The scripts of the parts that listen are not here."""

from __future__ import annotations

from html import escape

SHORTCUTS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Everywhere",
        (
            ("?", "This sheet"),
            ("Ctrl Enter", "Generate, on its tab"),
        ),
    ),
    (
        "A picture, on the stage or in the viewer",
        (
            ("0", "Whole picture"),
            ("1", "One pixel of it on one of the screen"),
            ("Z", "The one or the other, where the pointer is"),
            ("+ −", "Closer, farther; the wheel too"),
            ("← → ↑ ↓", "Move the part that is seen; of a whole picture, previous and next"),
            ("[ ]", "Previous and next at the same place and scale"),
            ("E", "Load the lossless master"),
            ("F", "Full screen"),
            ("S", "Star"),
            ("Delete", "Into the trash"),
            ("Ctrl Z", "Back out of the trash"),
            ("Esc", "Back to the grid"),
        ),
    ),
    (
        "Gallery",
        (
            ("← → ↑ ↓", "Choose; with Shift, several"),
            ("Enter", "Open"),
            ("S", "Star"),
            ("Delete", "Into the trash"),
            ("Ctrl A", "All"),
            ("Ctrl Z", "Back out of the trash"),
        ),
    ),
    (
        "Inspect",
        (
            ("1 2 3 4", "Picture, subbands, texture map, artefacts"),
            ("M", "The next way to compare"),
            ("C", "The first picture goes last"),
            ("[ ]", "Slider, blend or flicker, a little back or on"),
            ("S", "Save the view as PNG"),
            ("Esc", "Measure the whole picture again"),
        ),
    ),
    (
        "Blind duels",
        (
            ("A D", "The left one is better, the right one"),
            ("W X", "As good, both bad"),
            ("U", "Take the last vote back"),
            ("N", "Show names, which voids the pair; the next pair"),
        ),
    ),
)
"""(where, ((keys, what they do), ...)), in the order in which people meet them."""


def shortcuts_markup() -> str:
    """A dialog that is closed."""
    groups = "".join(
        f"<section><h3>{escape(where)}</h3><dl>{''.join(_row(keys, what) for keys, what in rows)}</dl></section>"
        for where, rows in SHORTCUTS
    )
    return (
        '<dialog class="shortcuts" aria-labelledby="shortcuts-title">'
        '<header><h2 id="shortcuts-title">Keyboard</h2>'
        '<button class="text-button shortcuts-close" type="button" aria-label="Close">×</button></header>'
        f"<div>{groups}</div></dialog>"
    )


def _row(keys: str, what: str) -> str:
    pressed = " ".join(f"<kbd>{escape(key)}</kbd>" for key in keys.split())
    return f"<dt>{pressed}</dt><dd>{escape(what)}</dd>"
