"""The page as a whole: it builds, and its wiring fits its handlers."""

from __future__ import annotations

import inspect
from pathlib import Path

import gradio as gr
import pytest

from studio.gallery import Gallery
from studio.jobs import JobTable
from studio.settings import Settings
from studio.ui.layout import build_page
from studio.ui.theme import studio_theme, style_sheets
from tests.studio.ui.conftest import worker_words


@pytest.fixture
def page(jobs: JobTable, gallery: Gallery, settings: Settings) -> gr.Blocks:
    return build_page(jobs, gallery, settings, worker_words)


def test_every_handler_takes_what_the_wiring_sends(page: gr.Blocks) -> None:
    handlers = [fn for fn in page.fns.values() if fn.fn is not None]
    assert len(handlers) > 15
    for handler in handlers:
        parameters = inspect.signature(handler.fn).parameters.values()
        plain = [one for one in parameters if "EventData" not in str(one.annotation)]
        assert len(plain) == len(handler.inputs), handler.fn.__name__


def test_no_handler_is_a_lambda_and_none_is_a_public_endpoint(page: gr.Blocks) -> None:
    for handler in page.fns.values():
        assert handler.api_visibility == "private"
        if handler.fn is not None:
            assert handler.fn.__name__ != "<lambda>"


def test_timers_stay_off_the_queue(page: gr.Blocks) -> None:
    ticks = [fn for fn in page.fns.values() if any(event == "tick" for _, event in fn.targets)]
    assert len(ticks) == 2
    assert not any(tick.queue for tick in ticks)


def test_style_sheets_and_fonts_are_local() -> None:
    for sheet in style_sheets():
        text = Path(sheet).read_text(encoding="utf-8")
        assert "http" not in text
        assert "@import" not in text
    assert all(
        font.stylesheet()["url"] is None for font in studio_theme()._font if hasattr(font, "stylesheet")
    )
