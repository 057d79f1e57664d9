"""Captions of a whole dataset: find and replace, prefix, suffix, trigger word, and a model that writes them. Widgets.

Not here: one caption (`studio.ui.datasets.grid`), the handlers (`studio.ui.datasets.handlers`).
"""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from studio.datasets.captioning import USUAL_ENDPOINT, USUAL_MODEL, USUAL_PROMPT
from studio.ui.datasets.handlers import DatasetHandlers
from studio.ui.events import QUEUED, UNQUEUED


@dataclass(frozen=True, slots=True)
class BulkEditor:
    """Changes to every caption."""

    find: gr.Textbox
    instead: gr.Textbox
    match_case: gr.Checkbox
    replace: gr.Button
    prefix: gr.Textbox
    suffix: gr.Textbox
    affix: gr.Button
    trigger: gr.Textbox
    add_trigger: gr.Button
    note: gr.Markdown


@dataclass(frozen=True, slots=True)
class Captioner:
    """Captions by a model."""

    base_url: gr.Textbox
    model: gr.Textbox
    local: gr.Textbox
    prompt: gr.Textbox
    replace_others: gr.Checkbox
    start: gr.Button
    stop: gr.Button
    note: gr.Markdown


def build_bulk_editor() -> BulkEditor:
    with gr.Accordion("All captions", open=False, elem_id="dataset-bulk"):
        with gr.Row(elem_classes="pair"):
            find = gr.Textbox(label="Find", max_lines=1, elem_id="caption-find", min_width=60)
            instead = gr.Textbox(label="Replace with", max_lines=1, elem_id="caption-instead", min_width=60)
        with gr.Row(elem_classes="pair"):
            match_case = gr.Checkbox(False, label="Match case", elem_id="caption-case", min_width=60)
            replace = gr.Button("Replace in all", size="sm", elem_id="caption-replace", min_width=60)
        with gr.Row(elem_classes="pair"):
            prefix = gr.Textbox(label="Prefix", max_lines=1, elem_id="caption-prefix", min_width=60)
            suffix = gr.Textbox(label="Suffix", max_lines=1, elem_id="caption-suffix", min_width=60)
        affix = gr.Button("Add to all", size="sm", elem_id="caption-affix")
        with gr.Row(elem_classes="pair dataset-trigger"):
            trigger = gr.Textbox(
                label="Trigger word",
                placeholder="a rare word",
                max_lines=1,
                elem_id="caption-trigger",
                min_width=60,
            )
            add_trigger = gr.Button("Put in front", size="sm", elem_id="caption-add-trigger", min_width=60)
        note = gr.Markdown("", elem_classes="note", elem_id="caption-note")
    return BulkEditor(find, instead, match_case, replace, prefix, suffix, affix, trigger, add_trigger, note)


def build_captioner(*, visible: bool) -> Captioner:
    with gr.Accordion("Captions by a model", open=False, visible=visible, elem_id="dataset-captioner"):
        base_url = gr.Textbox(
            USUAL_ENDPOINT, label="Endpoint, OpenAI-compatible", max_lines=1, elem_id="captioner-url"
        )
        model = gr.Textbox(USUAL_MODEL, label="Vision model", max_lines=1, elem_id="captioner-model")
        local = gr.Textbox(
            label="Or a model of this machine",
            placeholder="its folder, or owner/name on the hub",
            max_lines=1,
            elem_id="captioner-local",
        )
        prompt = gr.Textbox(USUAL_PROMPT, label="Prompt", lines=3, elem_id="captioner-prompt")
        replace_others = gr.Checkbox(
            False,
            label="Also where there is a caption that no hand wrote",
            elem_id="captioner-all",
        )
        with gr.Row(elem_classes="pair"):
            start = gr.Button("Write captions", size="sm", elem_id="captioner-start", min_width=80)
            stop = gr.Button("Stop", size="sm", elem_id="captioner-stop", min_width=60)
        note = gr.Markdown("", elem_classes="note", elem_id="captioner-note")
    return Captioner(base_url, model, local, prompt, replace_others, start, stop, note)


def wire_caption_tools(
    bulk: BulkEditor, asked: Captioner, source: gr.Textbox, handlers: DatasetHandlers
) -> None:
    """`source` holds the dataset's path."""
    held = [source, bulk.find, bulk.match_case]
    gr.on(
        [bulk.find.change, bulk.match_case.input],  # a paste is no `input`
        handlers.count,
        held,
        bulk.note,
        trigger_mode="always_last",
        **UNQUEUED,
    )
    bulk.replace.click(
        handlers.replace, [source, bulk.find, bulk.instead, bulk.match_case], bulk.note, **QUEUED
    )
    bulk.affix.click(handlers.add_affixes, [source, bulk.prefix, bulk.suffix], bulk.note, **QUEUED)
    bulk.add_trigger.click(handlers.add_trigger, [source, bulk.trigger], bulk.note, **QUEUED)
    asking = [asked.base_url, asked.model, asked.prompt, asked.replace_others, asked.local]
    asked.start.click(handlers.caption, [source, *asking], None, **QUEUED)
    asked.stop.click(handlers.stop_captions, source, None, **UNQUEUED)
