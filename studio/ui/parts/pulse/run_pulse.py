"""Tells the Fine-tune tab that a run has changed, as `pulse` does, and only while the tab is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradio.data_classes import GradioModel

from studio.ui.components import Drawn

LOOK = '() => window.dispatchEvent(new CustomEvent("d4k-runs"))'
"""Makes every pulse look at once."""


class Watched(GradioModel):
    """What the page looks at."""

    runs: tuple[str, ...] = ()
    """The chosen run, then those laid over it."""

    seconds: float = 1.0


class RunPulse(Drawn):
    """Event: news, after each change of what `version` says of the watched runs."""

    data_model = Watched
    scripts = ("run_pulse.js",)
    markup = '<i class="run-pulse" aria-hidden="true"></i>'

    def __init__(
        self, version: Callable[[list[str]], str], value: Watched | None = None, **kwargs: Any
    ) -> None:
        def runs_version(asked: Any) -> str:
            try:
                return version([str(name) for name in asked["runs"]])
            except ValueError as error:  # a locked table is news, too
                return str(error)

        look = {
            "elem_id": "run-pulse",
            "padding": False,
            **kwargs,
        }  # kwargs: gr.skip() rebuilds the component
        super().__init__(value, server_functions=[runs_version], **look)
