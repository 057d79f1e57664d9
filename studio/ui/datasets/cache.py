"""What is encoded of the chosen dataset, in the dataset room: its size, and a button that clears it.

Not here: the cache (`studio.datasets.cache`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.datasets.cache import clear_encoded, encoded_bytes
from studio.home.workspace import Workspace
from studio.ui.events import QUEUED, UNQUEUED, after
from studio.ui.messages import shows_errors


@dataclass(frozen=True, slots=True)
class CacheBox:
    """A sentence, and the button."""

    note: gr.Markdown
    clear: gr.Button

    def told(self) -> list[Any]:
        """In the order of CacheHandlers.look()."""
        return [self.note, self.clear]


@dataclass(frozen=True, slots=True)
class CacheHandlers:
    """Over the caches of a home."""

    workspace: Workspace

    def look(self, source: str, model: str) -> tuple[str, Any]:
        """(the sentence, the button where there is something to clear)"""
        if not source.strip():
            return "", gr.update(visible=False)
        size = encoded_bytes(self.workspace, source, model)
        if not size:
            return "Nothing of it is encoded for this model yet.", gr.update(visible=False)
        return f"Encoded for this model: {size / 2**20:,.0f} MiB.", gr.update(visible=True)

    @shows_errors
    def clear(self, source: str, model: str) -> tuple[str, Any]:
        freed = clear_encoded(self.workspace, source, model)
        return f"{freed / 2**20:,.0f} MiB freed; the next run encodes again.", gr.update(visible=False)


def build_cache_box() -> CacheBox:
    with gr.Row(elem_classes="pair dataset-cache"):
        note = gr.Markdown("", elem_classes="note", elem_id="dataset-cache")
        clear = gr.Button("Clear", size="sm", elem_id="dataset-cache-clear", min_width=60, visible=False)
    return CacheBox(note, clear)


def wire_cache_box(
    box: CacheBox, handlers: CacheHandlers, source: gr.Textbox, model: gr.Textbox, *news: Any
) -> None:
    """`source` and `model` hold the chosen ones; `news` are further events after which it may be another size."""
    chosen = [source, model]
    after(source.change, model.change, *news).then(
        handlers.look,
        chosen,
        box.told(),
        trigger_mode="always_last",
        **UNQUEUED,
    )
    box.clear.click(handlers.clear, chosen, box.told(), **QUEUED)
