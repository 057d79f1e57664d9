"""Tells a page that something has changed, for little: the page asks for one short text and compares.

A Gradio event costs the browser far more, changed or not, so there is one only for news. Not here: what changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradio.data_classes import GradioModel

from studio.ui.components import Drawn
from studio.ui.events import UNQUEUED, after

SECONDS_BETWEEN_LOOKS = 0.7
SECONDS_AFTER_FAILURE = 3
"""A handler of news that fails may fail again, and each time says so on the page."""
LOOK = "() => window.dispatchEvent(new Event('d4k-look'))"


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


def at_each_beat(pulse: Pulse, tick: Callable[..., Any], inputs: Any, outputs: Any) -> None:
    """Asks `tick` for the news. If no answer comes, the page asks again: its pulse has seen them and would rest."""
    told = after(pulse.beat).then(tick, inputs, outputs, trigger_mode="always_last", **UNQUEUED)
    told.failure(None, js=f"() => setTimeout({LOOK}, {1000 * SECONDS_AFTER_FAILURE})", **UNQUEUED)


def look_again(answered: Any) -> None:
    """After this event's answer the page looks again: a beat's answer may have come first and be the newer one.

    The answers of two events that run at once come in either order, and the later one stays on the page.
    """
    answered.then(None, js=LOOK, **UNQUEUED)
