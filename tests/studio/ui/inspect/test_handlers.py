"""Handlers of Inspect over a gallery filled by hand: boards, parts, addresses, and files that mean harm."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import psutil
import pytest
from PIL import Image
from starlette.datastructures import QueryParams

from studio.inspection.layers import Layers
from studio.inspection.numbers import Numbers
from studio.inspection.opened import Opened
from studio.pictures.gallery import Gallery
from studio.ui.inspect.board import Boards, Part, checked_at, checked_view, gains_of
from studio.ui.inspect.handlers import InspectHandlers
from studio.ui.inspect.settings import InspectSettings
from studio.ui.inspect.stage import Board
from studio.ui.parts.refusal import NOTHING_REFUSED
from tests.studio.ui.conftest import add_picture
from tests.studio.ui.inspect.hostile_files import hostile_files, odd_pictures, written

USUAL = InspectSettings().values()


@pytest.fixture
def handlers(gallery: Gallery, tmp_path: Path) -> InspectHandlers:
    opened = Opened(tmp_path / "looking")
    return InspectHandlers(Boards(gallery, opened, Layers(opened), Numbers(opened)))


@pytest.fixture
def keys(gallery: Gallery) -> list[str]:
    return [add_picture(gallery, prompt, seed=i).id for i, prompt in enumerate(("dunes", "sea"))]


def settings(**changes: Any) -> tuple[Any, ...]:
    return InspectSettings(**changes).values()


def event(**data: Any) -> Any:
    return SimpleNamespace(**data)


def names(board: Board, pane: int = 0) -> list[str]:
    return [plane.name for plane in board.panes[pane].planes]


def test_each_layer_puts_its_planes_over_every_picture(handlers: InspectHandlers, keys: list[str]) -> None:
    board = handlers.redraw("", keys, "", *settings(layer="subbands", levels=2))
    assert names(board) == names(board, 1) == ["lh1", "hl1", "hh1", "lh2", "hl2", "hh2", "ll2"]
    quarter = board.panes[0].planes[2]
    assert (quarter.x, quarter.y, quarter.width, quarter.height) == (128, 128, 128, 128)
    assert board.panes[0].under == 0
    alone = handlers.redraw("", keys[:1], "", *settings(layer="subbands", band="hh1")).panes[0].planes
    assert [(p.name, p.x, p.width) for p in alone] == [("hh1", 0, 256)]
    glcm = handlers.redraw("", keys[:1], "", *settings(layer="glcm", measure="contrast"))
    cell = glcm.panes[0].planes[0]
    assert (cell.name, cell.unit, cell.x, cell.width) == ("contrast", "levels²", 24, 13 * 16)
    assert names(handlers.redraw("", keys[:1], "", *settings(layer="clipping"))) == ["clipped"]
    assert names(handlers.redraw("", keys[:1], "", *settings(layer="picture"))) == []


def test_rebuilding_shows_another_picture_in_the_same_place(
    handlers: InspectHandlers, keys: list[str]
) -> None:
    plain = handlers.redraw("", keys[:1], "", *USUAL).panes[0]
    rebuilt = handlers.redraw("", keys[:1], "", *settings(layer="rebuild", muted=("hh1",))).panes[0]
    assert rebuilt.id == plain.id
    assert rebuilt.picture.master.path != plain.picture.master.path
    assert rebuilt.picture.stamp != plain.picture.stamp


def test_bands_are_muted_or_scaled_one_by_one() -> None:
    view = InspectSettings(layer="rebuild", levels=2, muted=("lh2",), scaled=("hh1",), detail=3.0)
    assert gains_of(view) == {("hh", 1): 3.0, ("lh", 2): 0.0}
    every = InspectSettings(layer="rebuild", levels=1, muted=("lh1",), detail=0.5)
    assert gains_of(every) == {("lh", 1): 0.0, ("hl", 1): 0.5, ("hh", 1): 0.5}


def test_a_click_measures_its_patch_and_marks_it(handlers: InspectHandlers, keys: list[str]) -> None:
    pane = handlers.redraw("", keys, "", *USUAL).panes[1]
    clicked = event(x=70, y=130, pane=pane.id)
    part, board, group, chips, matrix, histogram, spectrum = handlers.pick(clicked, "", keys, 2, 90, *USUAL)
    assert part == f"{pane.id},64,128,64,64"
    assert [len(one.marks) for one in board.panes] == [0, 1]
    assert (board.panes[1].marks[0].kind, group.visible) == ("patch", True)
    assert chips.heading == "64 × 64 px at 64, 128"
    assert "distance 2, 90°" in matrix.layout.title.text
    assert sum(histogram.data[0].y) == 64 * 64
    assert spectrum is not None
    assert f"part={pane.id}" in board.query
    turned = handlers.turn_matrix(part, keys, 1, 0)
    assert "distance 1, 0°" in turned.layout.title.text


def test_a_region_is_measured_where_it_lies_and_a_sliver_is_refused(
    handlers: InspectHandlers, keys: list[str], gallery: Gallery
) -> None:
    pane = handlers.redraw("", keys[:1], "", *USUAL).panes[0]
    dragged = event(x=200, y=-20, width=100, height=120, pane=pane.id)
    part, board, _, chips, _, histogram, _ = handlers.region(dragged, "", keys, 1, 0, *USUAL)
    assert part == f"{pane.id},200,0,56,100"
    assert board.panes[0].marks[0].kind == "region"
    assert sum(histogram.data[0].y) == 56 * 100
    mean = next(chip for chip in chips.chips if chip.name == "mean")
    with Image.open(gallery.get(keys[0]).path) as image:
        crop = np.asarray(image.convert("RGB"))[0:100, 200:256]
    assert float(mean.text) == pytest.approx((crop @ [0.299, 0.587, 0.114]).mean(), abs=0.06)
    with pytest.raises(gr.Error, match="too small to measure"):
        handlers.region(event(x=0, y=0, width=3, height=90, pane=pane.id), "", keys, 1, 0, *USUAL)


def test_a_part_leaves_with_its_picture(handlers: InspectHandlers, keys: list[str]) -> None:
    pane = handlers.redraw("", keys, "", *USUAL).panes[1]
    part = f"{pane.id},0,0,64,64"
    assert handlers.choose("", keys, part, *USUAL)[0] == part
    kept, board = handlers.choose("", keys[:1], part, *USUAL)
    assert (kept, board.panes[0].marks) == ("", ())
    group, chips, *_ = handlers.show_part(part, keys[:1], 1, 0)
    assert (group.visible, chips.chips) == (False, ())
    assert handlers.whole("", keys, *USUAL)[0] == ""


def test_an_address_restores_pictures_settings_part_and_view(
    handlers: InspectHandlers, keys: list[str]
) -> None:
    pane = handlers.redraw("", keys, "", *USUAL).panes[0]
    query = f"tab=inspect&p={keys[0]}&p={keys[1]}&layer=glcm&gain=2&part={pane.id},0,0,64,64&view=10,20,3"
    tabs, chosen, *values, part, board = handlers.restore(event(query_params=QueryParams(query)))
    assert (tabs.selected, chosen.value) == ("inspect", keys)
    assert InspectSettings.of(tuple(values)) == InspectSettings(layer="glcm", gain=2.0)
    assert (part, board.view, board.look.gain) == (f"{pane.id},0,0,64,64", "10.0,20.0,3.0", 2.0)
    assert board.panes[0].id == pane.id


def test_an_address_restores_slider_and_matrix(handlers: InspectHandlers, keys: list[str]) -> None:
    query = f"tab=inspect&p={keys[0]}&p={keys[1]}&mode=slider&at=0.25&part_distance=3&part_angle=90"
    *_, board = handlers.restore(event(query_params=QueryParams(query)))
    assert board.at == "0.25"
    assert "part_distance=3&part_angle=90" in board.query
    assert [checked_at(text) for text in ("0", "3", "", "x", "nan", "-1", "4")] == ["0", "3", *[""] * 5]


@pytest.mark.parametrize(
    "query",
    [
        "tab=inspect&p=nothing",
        "tab=inspect&p=file-0000000000000000",
        "tab=inspect&levels=99",
        "tab=inspect&part=x",
    ],
)
def test_a_wrong_address_gets_a_sentence(handlers: InspectHandlers, query: str) -> None:
    with pytest.raises(gr.Error):
        handlers.restore(event(query_params=QueryParams(query)))


def test_an_address_of_another_tab_changes_nothing(handlers: InspectHandlers) -> None:
    updates = handlers.restore(event(query_params=QueryParams("__theme=dark")))
    assert all(update == gr.skip() for update in updates)
    assert len(updates) == 4 + len(USUAL)


def test_numbers_of_all_pictures_go_into_one_file(handlers: InspectHandlers, keys: list[str]) -> None:
    rail, chips, verdict, spectrum, energies = handlers.measure(keys)
    assert rail.visible
    assert {"glcm_score", "compression_ratio"} <= {chip.name for chip in chips.chips}
    assert all(chip.card is not None for chip in chips.chips)
    assert [chip.name for chip in verdict.chips] == ["stripes", "grid", "seam"]
    assert len(spectrum.data) == 3  # two pictures and the natural slope
    assert len(energies.data) == 3
    pane = handlers.redraw("", keys, "", *USUAL).panes[0]
    button = handlers.numbers_file(keys, f"{pane.id},0,0,64,64", *USUAL)
    told = json.loads(
        Path(button.value["path"] if isinstance(button.value, dict) else button.value).read_text()
    )
    assert [one["title"] for one in told["pictures"]] == ["dunes", "sea"]
    assert told["pictures"][1]["scores"]["glcm_score"] > 0
    assert told["part"]["of"] == "dunes"
    assert told["settings"]["wavelet"] == "haar"


def test_no_picture_is_no_error(handlers: InspectHandlers) -> None:
    assert handlers.choose("", [], "", *USUAL)[1].panes == ()
    assert not handlers.measure([])[0].visible
    assert not handlers.numbers_file([], "", *USUAL).visible
    with pytest.raises(gr.Error, match="holds 4 pictures, got 5"):
        handlers.choose("", ["a"] * 5, "", *USUAL)


def test_parts_and_views_of_an_address_are_checked() -> None:
    assert str(Part.of("ab,1,2,3,4")) == "ab,1,2,3,4"
    assert Part.of("") is None
    for wrong in ("ab", "ab,1,2,3", "ab,1,2,3,x"):
        with pytest.raises(ValueError, match="id,x,y,width,height"):
            Part.of(wrong)
    assert checked_view("1,2,0.5") == "1.0,2.0,0.5"
    assert [checked_view(t) for t in ("", "1,2", "nan,1,1", "1,1,0", "1,1,1e9", "inf,0,1")] == [""] * 6


def test_a_hundred_hostile_files_get_a_sentence_each(handlers: InspectHandlers, tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    before = psutil.Process().memory_info().rss
    refused, taken = [], 0
    files = list(hostile_files(folder))
    for path in files:
        try:
            subject = handlers.boards.opened.open(path)
            assert 0 < subject.width_px * subject.height_px <= 100e6
            taken += 1  # a flipped byte in the pixels of a TIFF is no damage that anyone can see
        except ValueError as error:
            refused.append(str(error))
    assert len(files) > 100
    assert any("1 x 100000" in sentence for sentence in refused)
    assert len(refused) > 0.7 * len(files)
    assert all("\n" not in sentence and len(sentence) < 500 for sentence in refused)
    assert psutil.Process().memory_info().rss - before < 300 * 2**20


def test_odd_pictures_open_and_every_layer_and_number_answers(
    handlers: InspectHandlers, tmp_path: Path
) -> None:
    for path in odd_pictures(tmp_path):
        _, refused, listed = handlers.drop([str(path)], [])
        assert refused == NOTHING_REFUSED, path.name
        key = listed.value[-1]
        board = handlers.redraw("", [key], "", *USUAL)
        assert board.panes[0].title == path.name
        assert handlers.measure([key])[0].visible


def test_good_files_of_a_drop_are_taken_and_bad_ones_named(handlers: InspectHandlers, tmp_path: Path) -> None:
    good, bad, worse = (
        tmp_path / "good.png",
        written(tmp_path / "bad.png", b"x"),
        written(tmp_path / "<b>.png", b""),
    )
    Image.fromarray(np.zeros((80, 80, 3), np.uint8)).save(good)
    emptied, refused, listed = handlers.drop([str(bad), str(good), str(worse)], [])
    assert emptied is None, "the zone must take the next ones"
    assert len(listed.value) == 1
    assert listed.value[0].startswith("file-")
    assert refused.count("role='alert'") == 1
    assert "bad.png is no PNG, JPEG, WebP or TIFF picture; convert it to one" in refused
    assert "&lt;b&gt;.png is empty; copy it again" in refused
    _, refused, again = handlers.drop([str(good)], listed.value)
    assert (refused, again.value) == (NOTHING_REFUSED, listed.value)


def test_a_file_that_is_dropped_again_takes_its_own_place(handlers: InspectHandlers, tmp_path: Path) -> None:
    """The page sends it anew: another time of the same file, and so another key."""
    path = tmp_path / "good.png"
    Image.fromarray(np.zeros((80, 80, 3), np.uint8)).save(path)
    _, _, before = handlers.drop([str(path)], [])
    os.utime(path, (1, 1))
    _, refused, after = handlers.drop([str(path)], before.value)
    assert refused == NOTHING_REFUSED
    assert len(after.value) == 1
    assert after.value != before.value


def test_what_a_full_stage_gives_up_for_a_drop_is_told(
    handlers: InspectHandlers, keys: list[str], tmp_path: Path
) -> None:
    names = ["one.png", "two.png", "three.png", "four.png"]
    for shade, name in enumerate(names):
        Image.fromarray(np.full((80, 80, 3), 40 * shade, np.uint8)).save(tmp_path / name)
    _, refused, listed = handlers.drop([str(tmp_path / name) for name in names[:3]], keys[:1])
    assert (refused, listed.value[0]) == (NOTHING_REFUSED, keys[0])
    _, refused, again = handlers.drop([str(tmp_path / names[3])], listed.value)
    title = handlers.boards.subject(keys[0]).title
    assert f"taken off the stage: {title}; it holds 4 pictures, the last that came" in refused
    assert again.value[:3] == listed.value[1:]
    assert len(again.value) == 4


def test_a_dropped_file_is_taken_beside_a_picture_that_is_gone(
    handlers: InspectHandlers, keys: list[str], tmp_path: Path
) -> None:
    good = tmp_path / "good.png"
    Image.fromarray(np.zeros((80, 80, 3), np.uint8)).save(good)
    _, refused, listed = handlers.drop([str(good)], ["gone", keys[0]])
    assert "taken off the stage: there is no picture gone; it was deleted" in refused
    assert listed.value[0] == keys[0]
    assert listed.value[1].startswith("file-")
