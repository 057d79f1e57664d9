"""How events are sent; shared by every tab so that they behave alike."""

from __future__ import annotations

from typing import Any

import gradio as gr

NOWHERE: list[Any] = []
"""Where an event shows that it runs. Gradio walks the whole page for every component that may show it, each time that
any event of any tab begins or ends, also where nothing is to be seen."""

UNQUEUED: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "show_progress_on": NOWHERE,
    "api_visibility": "private",
}
"""For what must answer at once and cannot fail: no place in the queue, no spinner, no public endpoint."""

QUEUED: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": NOWHERE, "api_visibility": "private"}
"""For what may end in a sentence on screen: through the queue an error is a message, not an HTTP 500."""

QUEUED_EACH: dict[str, Any] = {**QUEUED, "trigger_mode": "multiple"}
"""For what tells of one item, such as a press on a row's button. Unless told so, Gradio drops an event that comes
before the last one of its kind is answered; "always_last" sends it, but without saying of which item it was."""

QUEUED_LAST: dict[str, Any] = {**QUEUED, "trigger_mode": "always_last"}
"""For what reads fields: of changes that come while one is answered, the last is sent."""

# BrowserState encrypts what it keeps; a fixed key lets a restarted server read it. Nothing in it is secret.
NO_SECRET = "diffusion-4k-studio"


def after(*triggers: Any) -> Any:
    """What follows any of these events: handlers are chained to it, and each is sent again alone.

    For a handler that was asked again before its answer came ("always_last") Gradio 6 sends the whole event again, to
    every handler of it. Two of them keep each other going for ever, and the page and the server busy.
    """
    how: dict[str, Any] = {"fn": None, "inputs": None, "outputs": None, "js": "() => []", **UNQUEUED}
    if len(triggers) == 1:
        return triggers[0](**how)  # an event of our own components is none that `gr.on` takes
    return gr.on(list(triggers), **how)
