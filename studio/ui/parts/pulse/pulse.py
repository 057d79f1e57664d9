"""Tells a page that something has changed, for little: the page asks for one short text and compares.

A Gradio event costs the browser far more, changed or not, so there is one only for news. Not here: what changed.
"""

from __future__ import annotations

from collections.abc import Callable

from gradio.data_classes import GradioModel

from studio.ui.components import Drawn

SECONDS_BETWEEN_LOOKS = 0.7


class Period(GradioModel):
    """How often the page looks."""

    seconds: float = SECONDS_BETWEEN_LOOKS


class Pulse(Drawn):
    """Event: beat, after each change of what `version` says."""

    data_model = Period
    scripts = ("pulse.js",)
    markup = "<i hidden></i>"

    def __init__(self, version: Callable[[], str], value: Period | None = None) -> None:
        def current_version(_asked: object = None) -> str:
            try:
                return version()
            except ValueError as error:  # a locked database is news, too: the beat's handlers tell of it
                return str(error)

        super().__init__(value, server_functions=[current_version], elem_id="pulse", padding=False)
