"""How events are sent; shared by every tab so that they behave alike."""

from __future__ import annotations

from typing import Any

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""For what must answer at once and cannot fail: no place in the queue, no spinner, no public endpoint."""

SPOKEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""For what may end in a sentence on screen: through the queue an error is a message, not an HTTP 500."""

# BrowserState encrypts what it keeps; a fixed key lets a restarted server read it. Nothing in it is secret.
NO_SECRET = "diffusion-4k-studio"
