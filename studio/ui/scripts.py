"""Finds the scripts and style sheets beside the components; a component's script is one function for Gradio."""

from __future__ import annotations

from functools import cache
from pathlib import Path

UI = Path(__file__).parent


@cache
def page_file(name: str) -> Path:
    """The one file of that name below `studio/ui`: a part moves to another folder without a word changed elsewhere."""
    (file,) = UI.rglob(name)
    return file


def script(*names: str) -> str:
    """The named files as one script, with the DOM helpers in front."""
    return "\n".join(page_file(name).read_text(encoding="utf-8") for name in ("elements.js", *names))
