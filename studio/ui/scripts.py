"""Reads the scripts that lie beside the components; a component's script is one function body for Gradio."""

from __future__ import annotations

from pathlib import Path


def script(*names: str) -> str:
    """The named files of this folder as one script, with the DOM helpers in front."""
    folder = Path(__file__).parent
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in ("elements.js", *names))
