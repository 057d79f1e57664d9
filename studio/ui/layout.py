"""The whole page: header, tabs, and the wiring across them."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from studio.gallery import Gallery
from studio.jobs import JobTable
from studio.settings import Settings
from studio.ui.desk import Desk
from studio.ui.gallery_tab import build_gallery_tab, wire_gallery_tab
from studio.ui.generate_tab import build_generate_tab, wire_generate_tab
from studio.ui.header import Header
from studio.ui.restoring import Restorer
from studio.ui.shelves import Shelves
from studio.ui.wiring import SPOKEN

SECONDS_BETWEEN_LOOKS = 0.7


def build_page(
    jobs: JobTable, gallery: Gallery, settings: Settings, worker_words: Callable[[], str]
) -> gr.Blocks:
    """Build every tab first, then wire them, so that tabs can write to one another."""
    with gr.Blocks(title="Diffusion-4K Studio", fill_width=True, analytics_enabled=False) as demo:
        header = Header(elem_id="header")
        with gr.Tabs(selected="generate", elem_id="rooms", overflow_behavior="wrap") as tabs:
            generate = build_generate_tab()
            pictures = build_gallery_tab()
        timer = gr.Timer(SECONDS_BETWEEN_LOOKS)

        restorer = Restorer(gallery, settings)
        wire_generate_tab(
            generate, Desk(jobs, gallery, settings, worker_words), restorer, header, timer, demo
        )
        wire_gallery_tab(pictures, Shelves(gallery), timer, demo)
        for details in (generate.details, pictures.details):
            details.act(restorer.act, None, [tabs, details, *generate.rail.form()], **SPOKEN)
    return demo
