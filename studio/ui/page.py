"""The whole page: header, tabs, and the wiring across them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import gradio as gr

from metrics.pictures import MAX_MEGAPIXELS
from studio.comparison.score_cache import ScoreCache
from studio.datasets.open import Datasets
from studio.home.settings import Settings
from studio.inspection.layers import Layers
from studio.inspection.numbers import Numbers
from studio.inspection.opened import Opened
from studio.models.adapter_fit import AdapterFits
from studio.models.downloads import Downloads
from studio.models.hub import Hub
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from studio.training.runs import Trainings
from studio.ui.agents import build_agent_tools
from studio.ui.benchmark.duels import DuelHandlers
from studio.ui.benchmark.handlers import BenchmarkHandlers
from studio.ui.benchmark.tab import wire_benchmark_view
from studio.ui.compare.handlers import CompareHandlers
from studio.ui.compare.settings_grid import SettingsGridHandlers, wire_settings_grid
from studio.ui.compare.tab import build_compare_tab, wire_compare_tab
from studio.ui.datasets.handlers import DatasetHandlers
from studio.ui.events import QUEUED_EACH
from studio.ui.finetune.grid import GridHandlers, wire_grid_room
from studio.ui.finetune.handlers import FinetuneHandlers
from studio.ui.finetune.results import ResultsHandlers, wire_results_room
from studio.ui.finetune.runs import RunsHandlers
from studio.ui.finetune.tab import build_finetune_tab, wire_finetune_tab
from studio.ui.gallery.handlers import GalleryHandlers
from studio.ui.gallery.tab import build_gallery_tab, wire_gallery_tab
from studio.ui.generate.handlers import GenerateHandlers
from studio.ui.generate.lora_fits import LoraFitHandlers
from studio.ui.generate.restoring import Restorer
from studio.ui.generate.tab import build_generate_tab, wire_generate_tab
from studio.ui.inspect.board import Boards
from studio.ui.inspect.handlers import InspectHandlers
from studio.ui.inspect.tab import build_inspect_tab, wire_inspect_tab
from studio.ui.models.handlers import ModelsHandlers, wire_models_panel
from studio.ui.models.panel import ModelsPanel
from studio.ui.parts.header.header import Header
from studio.ui.parts.pulse.pulse import Pulse
from studio.ui.tools import build_tools
from studio.ui.visitors.owner import kept_for, shown_to
from studio.ui.visitors.submission_gate import SubmissionGate
from studio.work.worker_state import WorkerState


def build_page(
    jobs: JobTable,
    gallery: Gallery,
    settings: Settings,
    worker_state: Callable[[], WorkerState],
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
        if gate.quota is not None:
            gr.Markdown(gate.quota.limits.sentence(), elem_id="limits", elem_classes="note")
        if settings.trainer is not None:
            gr.LoginButton("Sign in as the owner, to train", elem_id="sign-in", size="sm")
        # On a public host strangers neither see nor start a training.
        trains = settings.trains and (not settings.hosted or settings.trainer is not None)
        with gr.Tabs(selected="generate", elem_id="rooms", overflow_behavior="wrap") as tabs:
            generate = build_generate_tab()
            pictures = build_gallery_tab()
            inspect = build_inspect_tab()
            grids = SettingsGridHandlers(jobs, gallery, settings, gate)
            benchmarks = BenchmarkHandlers(jobs, gallery, settings, looking) if trains else None
            with kept_for(settings.trainer, demo):
                compare = build_compare_tab(folders=not settings.hosted, grids=grids, benchmarks=benchmarks)
            if trains:
                trainings = Trainings(gallery.workspace, jobs, settings.hosted)
                runs = RunsHandlers(trainings)
                with kept_for(settings.trainer, demo):
                    finetune = build_finetune_tab(runs, hosted=settings.hosted)
        handlers = GenerateHandlers(jobs, gallery, settings, worker_state, gate)
        models = ModelsHandlers(
            gallery.workspace, Downloads(Hub.from_environment(os.environ)), settings.hosted
        )
        pulse = Pulse(models.told_with(handlers.changes))
        wire_models_panel(panel, models, pulse)
        names_pictures = settings.mcp and not settings.shared
        build_tools(looking / "maps", described=not names_pictures)
        if names_pictures:
            build_agent_tools(gallery, looking / "maps")

        restorer = Restorer(gallery, settings)
        fits = LoraFitHandlers(AdapterFits(gallery.workspace.root, os.environ))
        wire_generate_tab(generate, handlers, fits, restorer, header, pulse, demo)
        wire_gallery_tab(pictures, GalleryHandlers(gallery), pulse, demo)
        most = settings.max_megapixels if settings.hosted else MAX_MEGAPIXELS
        opened = Opened(looking / "inspect", max_megapixels=most)
        looker = InspectHandlers(Boards(gallery, opened, Layers(opened), Numbers(opened)))
        wire_inspect_tab(inspect, looker, demo, tabs)
        scorer = CompareHandlers(gallery, opened, ScoreCache(looking / "scores"), not settings.hosted)
        wire_compare_tab(compare, scorer, demo)
        wire_settings_grid(compare.grid, grids, compare.tab)
        if benchmarks is not None and compare.benchmark is not None:
            with kept_for(settings.trainer, demo):
                judge, form = DuelHandlers(jobs, gallery, opened), generate.rail.controls
                wire_benchmark_view(compare.benchmark, benchmarks, judge, form, compare.tab, demo)
            if settings.trainer is not None:
                shown_to(settings.trainer, compare.benchmark.tab, demo)
        if trains:
            datasets = DatasetHandlers(
                Datasets(gallery.workspace, hosted=settings.hosted), os.environ, shared=settings.shared
            )
            with kept_for(settings.trainer, demo):
                wire_finetune_tab(finetune, FinetuneHandlers(trainings), runs, datasets, demo)
                stack = generate.rail.controls.adapters
                finetune.view.use(runs.draw_with, None, [tabs, stack], **QUEUED_EACH)
                wire_grid_room(
                    finetune.grid, GridHandlers(trainings, gallery), finetune.chosen, finetune.pulse
                )
                left = ResultsHandlers(trainings, looking)
                wire_results_room(finetune.results, left, finetune.chosen, finetune.pulse)
            if settings.trainer is not None:
                shown_to(settings.trainer, finetune.tab, demo)
        for details in (generate.details, pictures.details):
            outputs = [tabs, details, generate.rail.restored, *generate.rail.form()]
            details.act(restorer.act, None, outputs, **QUEUED_EACH)
            details.inspect(looker.inspect, None, [tabs, inspect.keys], **QUEUED_EACH)
            details.vary(grids.vary, None, [tabs, compare.views, compare.grid.picture], **QUEUED_EACH)
        pictures.grid.inspect(looker.inspect, None, [tabs, inspect.keys], **QUEUED_EACH)
    return demo
