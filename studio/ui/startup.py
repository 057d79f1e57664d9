"""Before gradio is imported: what it must know by then."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio

EVENT_WAITS_S, PROGRESS_WAITS_S = 0.01, 0.1
"""How long what comes into an empty queue waits at most."""


def import_gradio(uploads: Path) -> ModuleType:
    """Gradio, told to send nothing anywhere and to keep uploads in the folder `uploads`."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # After each event Gradio sums up the times of all of them, by pandas, for a page that the studio does not have.
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    import gradio

    return gradio


def calm_queue(demo: gradio.Blocks) -> None:
    """Let a server that nobody uses rest: Gradio looks into its empty queue a thousand times a second."""
    demo._queue.sleep_when_free = EVENT_WAITS_S
    demo._queue.progress_update_sleep_when_free = PROGRESS_WAITS_S
