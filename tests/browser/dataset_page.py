"""The dataset room alone, over the home in STUDIO_HOME, on STUDIO_PORT: `python -m tests.browser.dataset_page`."""

from __future__ import annotations

import os

from studio.home.settings import Settings
from studio.home.workspace import Workspace


def main() -> None:
    settings = Settings.from_environment(os.environ)
    workspace = Workspace.open(settings.home)
    from studio.ui.startup import import_gradio

    gr = import_gradio(workspace.uploads)
    from studio.datasets.open import Datasets
    from studio.ui.datasets.handlers import DatasetHandlers
    from studio.ui.datasets.room import (
        NAMED_UNLESS_TYPED,
        build_dataset_room,
        name_again,
        wire_dataset_room,
    )
    from studio.ui.theme import head, studio_theme, style_sheets

    gr.set_static_paths([workspace.looking])
    with gr.Blocks(title="Dataset", fill_width=True, analytics_enabled=False) as demo:
        with gr.Column(elem_id="rooms"):
            room = build_dataset_room(hosted=settings.hosted)
        handlers = DatasetHandlers(Datasets(workspace, hosted=settings.hosted), os.environ)
        wire_dataset_room(room, handlers, demo)
        choice = room.choice
        name_again(demo.load(handlers.offer, choice.source, choice.known), choice, NAMED_UNLESS_TYPED)
    demo.queue(default_concurrency_limit=8)
    demo.launch(
        server_name="127.0.0.1",
        server_port=settings.port,
        theme=studio_theme(),
        css_paths=style_sheets(),
        head=head(),
        ssr_mode=False,
        run_history=False,
        footer_links=[],
        quiet=True,
    )


if __name__ == "__main__":
    main()
