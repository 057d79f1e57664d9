"""The whole page: header, tabs, and the wiring across them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import gradio as gr

from metrics.pictures import MAX_MEGAPIXELS
from studio.datasets import Datasets
from studio.gallery import Gallery
from studio.hub import Hub
from studio.hub_downloads import Downloads
from studio.inspection.layers import Layers
from studio.inspection.numbers import Numbers
from studio.inspection.opened import Opened
from studio.jobs import JobTable
from studio.score_cache import ScoreCache
from studio.settings import Settings
from studio.training import Trainings
from studio.ui.compare_desk import CompareDesk
from studio.ui.compare_tab import build_compare_tab, wire_compare_tab
from studio.ui.dataset_desk import DatasetDesk
from studio.ui.desk import Desk
from studio.ui.finetune_desk import FinetuneDesk
from studio.ui.finetune_runs import RunsDesk
from studio.ui.finetune_tab import build_finetune_tab, wire_finetune_tab
from studio.ui.gallery_tab import build_gallery_tab, wire_gallery_tab
from studio.ui.generate_tab import build_generate_tab, wire_generate_tab
from studio.ui.grid_desk import GridDesk, wire_grid_room
from studio.ui.header import Header
from studio.ui.inspect_board import Boards
from studio.ui.inspect_desk import InspectDesk
from studio.ui.inspect_tab import build_inspect_tab, wire_inspect_tab
from studio.ui.models_desk import ModelsDesk, wire_models_panel
from studio.ui.models_panel import ModelsPanel
from studio.ui.owner import kept_for, shown_to
from studio.ui.pulse import Pulse
from studio.ui.restoring import Restorer
from studio.ui.shelves import Shelves
from studio.ui.submission_gate import SubmissionGate
from studio.ui.tools import build_tools
from studio.ui.wiring import PRESSED


def build_page(
    jobs: JobTable,
    gallery: Gallery,
    settings: Settings,
    worker_words: Callable[[], str],
    *,
    looking: Path,
    gate: SubmissionGate | None = None,
) -> gr.Blocks:
    """Build every tab first, then wire them, so that tabs can write to one another.

    `looking` is the cache of what Inspect and the endpoints make of pictures. `gate` limits what is put into the
    queue; None lets everything through.
    """
    gate = SubmissionGate() if gate is None else gate
    with gr.Blocks(title="Diffusion-4K Studio", fill_width=True, analytics_enabled=False) as demo:
        header = Header(elem_id="header")
        panel = ModelsPanel(elem_id="models", padding=False)
        if gate.desk is not None:
            gr.Markdown(gate.desk.limits.sentence(), elem_id="limits", elem_classes="note")
        if settings.trainer is not None:
            gr.LoginButton("Sign in as the owner, to train", elem_id="sign-in", size="sm")
        # On a public host strangers neither see nor start a training.
        trains = not settings.hosted or settings.trainer is not None
        with gr.Tabs(selected="generate", elem_id="rooms", overflow_behavior="wrap") as tabs:
            generate = build_generate_tab()
            pictures = build_gallery_tab()
            inspect = build_inspect_tab()
            compare = build_compare_tab(folders=not settings.hosted)
            if trains:
                trainings = Trainings(gallery.workspace, jobs, settings.hosted)
                runs = RunsDesk(trainings)
                with kept_for(settings.trainer, demo):
                    finetune = build_finetune_tab(runs, hosted=settings.hosted)
        desk = Desk(jobs, gallery, settings, worker_words, gate)
        models = ModelsDesk(gallery.workspace, Downloads(Hub.from_environment(os.environ)), settings.hosted)
        pulse = Pulse(models.told_with(desk.changes))
        wire_models_panel(panel, models, pulse)
        build_tools(looking / "maps")

        restorer = Restorer(gallery, settings)
        wire_generate_tab(generate, desk, restorer, header, pulse, demo)
        wire_gallery_tab(pictures, Shelves(gallery), pulse, demo)
        opened = Opened(looking / "inspect", max_megapixels=min(MAX_MEGAPIXELS, settings.max_megapixels))
        looker = InspectDesk(Boards(gallery, opened, Layers(opened), Numbers(opened)))
        wire_inspect_tab(inspect, looker, demo, tabs)
        scorer = CompareDesk(gallery, opened, ScoreCache(looking / "scores"), not settings.hosted)
        wire_compare_tab(compare, scorer, demo)
        if trains:
            datasets = DatasetDesk(Datasets(gallery.workspace, hosted=settings.hosted), os.environ)
            with kept_for(settings.trainer, demo):
                wire_finetune_tab(finetune, FinetuneDesk(trainings), runs, datasets, demo)
                stack = generate.rail.controls.adapters
                finetune.view.use(runs.draw_with, None, [tabs, stack], **PRESSED)
                wire_grid_room(finetune.grid, GridDesk(trainings, gallery), finetune.chosen, finetune.pulse)
            if settings.trainer is not None:
                shown_to(settings.trainer, finetune.tab, demo)
        for details in (generate.details, pictures.details):
            details.act(restorer.act, None, [tabs, details, *generate.rail.form()], **PRESSED)
            details.inspect(looker.inspect, None, [tabs, inspect.keys], **PRESSED)
    return demo
