"""How a worker stands, as whoever watches over it tells the page.

Not here: finding it out (`studio.work.supervisor`, `studio.work.in_place_worker`).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Mood = Literal["well", "busy", "ill"]
"""Ready for work; at work or on the way to it; in need of somebody, or not watched at all."""


class WorkerState(NamedTuple):
    """In a few words, and the mood that they are meant in."""

    words: str
    mood: Mood
