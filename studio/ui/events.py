"""How events are sent; shared by every tab so that they behave alike."""

from __future__ import annotations

from typing import Any

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
