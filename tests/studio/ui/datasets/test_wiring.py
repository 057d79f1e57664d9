"""The plot of a dataset's sizes, and the dataset room once it is wired to its handlers."""

from __future__ import annotations

import inspect

import gradio as gr
import pytest

from studio.training.form import FIELDS
from studio.ui.datasets.grid import DatasetContent, not_wired
from studio.ui.datasets.handlers import DatasetHandlers
from studio.ui.datasets.plots import bar_width, size_plot
from studio.ui.datasets.room import build_dataset_room, wire_dataset_room
from tests.studio.ui.datasets.conftest import settle, shown


def test_bars_hold_every_picture_once() -> None:
    figure = size_plot([300, 310, 700], [150], resolution_px=256)
    assert sum(sum(bar.y) for bar in figure.data) == 4
    assert [bar.name for bar in figure.data] == ["trained on", "left out"]
    width = bar_width([300, 310, 700], [150])
    assert width == 64  # 550 px in at most 16 bars
    for side in (300, 700):
        assert any(abs(x - side) <= width / 2 for x in figure.data[0].x)
    assert bar_width([], []) == 16
    assert bar_width([100, 100_000]) == 8192
    equal = size_plot([4096] * 3, [], resolution_px=1024)
    assert equal.data[0].width == 256 * 0.9  # wide enough to be seen beside the resolution
    assert equal.layout.xaxis.dtick == 1024
    assert len(size_plot([], [], resolution_px=1024).data) == 0


@pytest.fixture
def page(handlers: DatasetHandlers) -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as demo:
        with gr.Column():
            room = build_dataset_room()
        wire_dataset_room(room, handlers, demo)
    return demo


def test_every_handler_takes_what_the_wiring_sends(page: gr.Blocks) -> None:
    wired = [fn for fn in page.fns.values() if fn.fn is not None]
    assert len(wired) >= 15
    for handler in wired:
        parameters = inspect.signature(handler.fn).parameters.values()
        plain = [one for one in parameters if "EventData" not in str(one.annotation)]
        assert len(plain) == len(handler.inputs), handler.fn.__name__
        assert handler.fn.__name__ != "<lambda>"
        assert handler.api_visibility == "private"


def test_the_grid_speaks_to_the_handlers_once_wired(handlers: DatasetHandlers) -> None:
    with gr.Blocks(analytics_enabled=False) as demo:
        room = build_dataset_room()
        assert room.pictures.grid.asked.look is not_wired
        with pytest.raises(RuntimeError, match="not wired"):
            room.pictures.grid.look("x")
        wire_dataset_room(room, handlers, demo)
    assert room.pictures.grid.look("x") == {"version": "", "tasks": []}
    usual = FIELDS["data.resolution_px"].default
    assert (room.source.value, room.resolution_px.value, room.square.value) == ("", usual, False)


def test_a_public_host_gets_no_folder_field_and_no_captions_by_a_model() -> None:
    with gr.Blocks(analytics_enabled=False):
        open_room, hosted_room = build_dataset_room(), build_dataset_room(hosted=True)
    assert open_room.choice.folder.visible
    assert not hosted_room.choice.folder.visible


def test_a_card_survives_the_way_to_the_browser(handlers: DatasetHandlers, source: str) -> None:
    shown(handlers, source)
    settle(handlers, source)
    content = shown(handlers, source)
    assert content.cards[0].thumbnail is not None
    assert DatasetContent(**content.model_dump()) == content
