"""The page as a whole: it builds, and its wiring fits its handlers."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest

from studio.home.settings import Settings
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from studio.ui.benchmark.duels import DuelBar
from studio.ui.page import build_page
from studio.ui.theme import studio_theme, style_sheets
from tests.studio.ui.conftest import worker_state


@pytest.fixture
def page(jobs: JobTable, gallery: Gallery, settings: Settings, tmp_path: Path) -> gr.Blocks:
    return build_page(jobs, gallery, settings, worker_state, looking=tmp_path / "looking")


def test_every_handler_takes_what_the_wiring_sends(page: gr.Blocks) -> None:
    wired = [fn for fn in page.fns.values() if fn.fn is not None]
    assert len(wired) > 15
    for handler in wired:
        parameters = inspect.signature(handler.fn).parameters.values()
        plain = [one for one in parameters if not re.search("EventData|Request", str(one.annotation))]
        if any(one.kind is one.VAR_POSITIONAL for one in plain):
            assert len(plain) - 1 <= len(handler.inputs), handler.fn.__name__
        else:
            assert len(plain) == len(handler.inputs), handler.fn.__name__


def test_a_studio_that_only_draws_has_neither_training_nor_benchmark(
    page: gr.Blocks, jobs: JobTable, gallery: Gallery, settings: Settings, tmp_path: Path
) -> None:
    draws = build_page(
        jobs, gallery, replace(settings, trains=False), worker_state, looking=tmp_path / "looking"
    )
    assert rooms(page) - rooms(draws) >= {"Fine-tune", "Benchmark"}
    assert rooms(draws) >= {"Generate", "Gallery", "Inspect", "Compare"}
    assert len(draws.fns) < 0.6 * len(page.fns)


def rooms(page: gr.Blocks) -> set[str]:
    return {block.label for block in page.blocks.values() if isinstance(block, gr.Tab)}


TOOLS = {"subbands", "glcm_map", "compression_ratio", "artefacts", "effective_resolution", "score"}


def test_no_handler_is_a_lambda_and_only_measurements_are_public(page: gr.Blocks) -> None:
    assert {h.api_name for h in page.fns.values() if h.api_visibility == "public"} == TOOLS
    for handler in page.fns.values():
        assert handler.api_visibility in ("private", "public")
        if handler.fn is not None:
            assert handler.fn.__name__ != "<lambda>"


def test_no_component_waits_for_a_status_of_gradios(page: gr.Blocks) -> None:
    """Each that does is looked for in the whole page whenever any event begins or ends."""
    waiting = [
        handler.fn for handler in page.fns.values() if handler.outputs and handler.show_progress_on != []
    ]
    assert not waiting


def test_what_follows_an_event_is_not_dropped_while_its_last_answer_is_on_the_way(page: gr.Blocks) -> None:
    """Gradio's usual "once" would leave what it shows at the state before last."""
    dropped = [
        fn.fn.__name__
        for fn in page.fns.values()
        if fn.fn is not None and fn.queue and fn.inputs and fn.trigger_mode == "once"
        if any(event in ("then", "success", "change") for _, event in fn.targets)
    ]
    assert not dropped


def test_beats_stay_off_the_queue_and_none_is_lost(page: gr.Blocks) -> None:
    told = {fn._id for fn in page.fns.values() if any(event == "beat" for _, event in fn.targets)}
    beats = [fn for fn in page.fns.values() if fn.trigger_after in told]
    assert len(beats) >= 3
    assert not any(page.fns[one].fn for one in told), "it is not apart"
    assert not any(beat.queue for beat in beats)
    assert all(beat.trigger_mode == "always_last" for beat in beats)
    assert not any(event == "tick" for fn in page.fns.values() for _, event in fn.targets)


def test_no_press_and_no_last_word_is_dropped(page: gr.Blocks) -> None:
    """Through the queue Gradio drops a "once" event while the last of its kind is not answered yet."""
    fields = ("input", "blur", "change")
    for handler in page.fns.values():
        if handler.fn is None or not handler.queue:
            continue
        words = [str(one.annotation) for one in inspect.signature(handler.fn).parameters.values()]
        if any("EventData" in word for word in words):
            assert handler.trigger_mode == "multiple", handler.fn.__qualname__
        elif any(event in fields for _, event in handler.targets):
            assert handler.trigger_mode == "always_last", handler.fn.__qualname__


def test_style_sheets_and_fonts_are_local() -> None:
    for sheet in style_sheets():
        text = Path(sheet).read_text(encoding="utf-8")
        assert "http" not in text
        assert "@import" not in text
    assert all(
        font.stylesheet()["url"] is None for font in studio_theme()._font if hasattr(font, "stylesheet")
    )


def test_no_two_handlers_of_one_event_keep_each_other_going(page: gr.Blocks) -> None:
    """See `studio.ui.events.after`."""
    waiting: dict[tuple[int | None, str], list[str]] = {}
    for fn in page.fns.values():
        for target, event in fn.targets:
            if event not in ("then", "success") and fn.fn is not None and fn.trigger_mode == "always_last":
                waiting.setdefault((target, event), []).append(fn.fn.__qualname__)
    assert len(waiting) > 20
    assert {event: names for event, names in waiting.items() if len(names) > 1} == {}


def test_what_follows_apart_is_asked_again(page: gr.Blocks) -> None:
    """A handler that is chained to an event is "once" unless told so: what comes before its answer would be dropped."""
    apart = {
        fn._id
        for fn in page.fns.values()
        if fn.fn is None and fn.js == "() => []" and fn.trigger_after is None
    }
    chained = [fn for fn in page.fns.values() if fn.trigger_after in apart]
    assert len(chained) >= 10
    assert [fn.fn.__qualname__ for fn in chained if fn.trigger_mode != "always_last"] == []


def test_pairs_are_shown_in_turn(page: gr.Blocks) -> None:
    """A first pair that was still being drawn would come back over the one after the vote, and take the next vote."""
    bars = {block._id for block in page.blocks.values() if isinstance(block, DuelBar)}
    showing = [fn for fn in page.fns.values() if bars & {output._id for output in fn.outputs}]
    assert len(showing) == 4
    assert {(fn.concurrency_id, fn.concurrency_limit) for fn in showing} == {("duels", 1)}
    assert all(fn.queue for fn in showing)
