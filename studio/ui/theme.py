"""Colours, type and style sheets of the studio. No widgets here.

Pictures are judged against neutral grey, so every surface is a grey without hue and teal is the only accent.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from studio.ui.scripts import page_file

STYLE_SHEETS = (
    "studio.css",
    "controls.css",
    "viewer.css",
    "queue.css",
    "pictures.css",
    "inspect.css",
    "compare.css",
    "benchmark.css",
    "models.css",
    "finetune.css",
    "grid.css",
    "cells.css",
    "dataset.css",
    "phone.css",
)

EARLY_SCRIPTS = (
    "answers.js",
    "statuses.js",
    "colours.js",
    "form.js",
    "opened.js",
    "radios.js",
    "drop_anywhere.js",
)
"""Run before the first paint and before Gradio: no answer is lost; inputs are not told of events that have ended;
the side that the reader chose; what is entered while the page, a tab or an accordion opens; radios as one group;
files dropped beside the fields."""


def head() -> str:
    """What the page's <head> holds beside Gradio's own."""
    scripts = (f"<script>\n{page_file(name).read_text(encoding='utf-8')}</script>" for name in EARLY_SCRIPTS)
    return "\n".join(('<meta name="color-scheme" content="dark light">', *scripts))


def studio_theme() -> gr.themes.Base:
    """Base theme in teal on hueless grey; dark and light are both designed."""
    # The bundled SemiBold files of IBM Plex lack Latin letters: weight 700 is the complete bold face.
    sans: list[gr.themes.Font | str] = [
        gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)),
        "system-ui",
        "sans-serif",
    ]
    mono: list[gr.themes.Font | str] = [
        gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)),
        "ui-monospace",
        "monospace",
    ]
    theme = gr.themes.Base(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="neutral",
        text_size="sm",
        spacing_size="sm",
        radius_size="sm",
        font=sans,
        font_mono=mono,
    )
    return theme.set(
        body_background_fill="#f1f1f1",
        body_background_fill_dark="#121212",
        body_text_color="#1c1c1c",
        body_text_color_dark="#dedede",
        body_text_color_subdued="#666666",
        body_text_color_subdued_dark="#8c8c8c",
        background_fill_primary="#fafafa",
        background_fill_primary_dark="#191919",
        background_fill_secondary="#f1f1f1",
        background_fill_secondary_dark="#121212",
        border_color_primary="#d9d9d9",
        border_color_primary_dark="#2b2b2b",
        border_color_accent_dark="#2dd4bf",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_shadow="none",
        block_shadow_dark="none",
        block_padding="0px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_title_text_color="#666666",
        block_title_text_color_dark="#8c8c8c",
        block_title_text_weight="400",
        block_title_text_size="12px",
        input_background_fill="#ffffff",
        input_background_fill_dark="#1f1f1f",
        input_border_color="#8a8a8a",  # 3 : 1 against what is beside it, and placeholders 4.5 : 1
        input_border_color_dark="#707070",
        input_placeholder_color="#6b6b6b",
        input_placeholder_color_dark="#9a9a9a",
        input_border_color_focus="#0d9488",
        input_border_color_focus_dark="#2dd4bf",
        input_border_width="1px",
        input_shadow="none",
        input_shadow_dark="none",
        input_shadow_focus="0 0 0 1px #0d9488",
        input_shadow_focus_dark="0 0 0 1px #2dd4bf",
        slider_color="#0d9488",
        slider_color_dark="#2dd4bf",
        button_primary_background_fill="#0f766e",
        button_primary_background_fill_dark="#2dd4bf",
        button_primary_background_fill_hover="#0d9488",
        button_primary_background_fill_hover_dark="#5eead4",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#04211d",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#232323",
        button_secondary_background_fill_hover="#ececec",
        button_secondary_background_fill_hover_dark="#2c2c2c",
        button_secondary_border_color="#d4d4d4",
        button_secondary_border_color_dark="#333333",
        button_border_width="1px",
        button_large_padding="9px 16px",
        panel_background_fill="transparent",
        panel_background_fill_dark="transparent",
        layout_gap="12px",
        form_gap_width="0px",
        container_radius="4px",
        block_radius="4px",
    )


def style_sheets() -> list[Path]:
    """The studio's own style sheets, in cascade order."""
    return [page_file(name) for name in STYLE_SHEETS]
