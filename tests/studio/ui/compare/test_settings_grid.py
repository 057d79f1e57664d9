"""The settings grid on the page: what is said before, what is queued, the table as it fills, its pictures opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from studio.home.settings import Settings
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.pictures.record import PictureRecord
from studio.queue.table import JobTable
from studio.render_request import RenderRequest
from studio.ui.compare.settings_grid import SettingsGridHandlers
from studio.ui.parts.refusal import NOTHING_REFUSED
from studio.ui.visitors.submission_gate import SubmissionGate
from tests.studio.ui.conftest import a_request

ACROSS = ("steps", "8, 12", "guidance", "2, 3")
"""Of a picture of 12 steps at guidance 3: it is the last of the four cells."""


@pytest.fixture
def grids(jobs: JobTable, gallery: Gallery, settings: Settings) -> SettingsGridHandlers:
    return SettingsGridHandlers(jobs, gallery, settings, SubmissionGate())


def draw(gallery: Gallery, request: RenderRequest) -> Picture:
    pixels = np.full((request.height_px, request.width_px, 3), request.num_inference_steps, np.uint8)
    return gallery.add(pixels, PictureRecord(settings=request))


@pytest.fixture
def picture(gallery: Gallery) -> Picture:
    return draw(gallery, a_request())


def event(**values: Any) -> gr.EventData:
    return gr.EventData(None, values)


def test_what_would_be_drawn_is_said_before(grids: SettingsGridHandlers, picture: Picture) -> None:
    assert grids.told(picture.id, *ACROSS) == ("2 × 2 pictures, 3 to draw", "Draw 3 pictures")
    assert grids.told(picture.id, "steps", "12", "", "") == (
        "1 × 1 pictures, all are there or on their way",
        "Show the grid",
    )
    assert grids.told(None, *ACROSS)[0] == "no picture is chosen; choose the one whose settings are to vary"
    assert grids.told(picture.id, "steps", "", "", "")[0].startswith("no values are entered for Steps")


def test_what_is_missing_is_queued_once(
    grids: SettingsGridHandlers, picture: Picture, jobs: JobTable
) -> None:
    refused, kept = grids.draw(picture.id, *ACROSS)
    assert refused == NOTHING_REFUSED
    asked = sorted((job.request["guidance_scale"], job.request["num_inference_steps"]) for job in jobs.jobs())
    assert asked == [(2, 8), (2, 12), (3, 8)]
    assert grids.told(picture.id, *ACROSS)[1] == "Show the grid"
    assert grids.draw(picture.id, *ACROSS) == (NOTHING_REFUSED, kept)
    assert jobs.count(states=("queued",)) == 3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("steps", "8, many", "", ""), "numbers read"),
        (("steps", "8", "steps", "9"), "varied across and down"),
        (("model", "flux.1-dev", "", ""), "FLUX.1"),
        (("lora", "0, 1", "", ""), "without a LoRA"),
    ],
)
def test_what_is_not_drawn_is_refused_and_nothing_is_queued(
    grids: SettingsGridHandlers, picture: Picture, jobs: JobTable, asked: tuple[str, ...], said: str
) -> None:
    refused, kept = grids.draw(picture.id, *asked)
    assert said in refused
    assert kept == gr.skip()
    assert jobs.jobs() == []


def test_a_visitors_limit_is_asked(grids: SettingsGridHandlers, picture: Picture, jobs: JobTable) -> None:
    class Closed(SubmissionGate):
        def admit(self, requests: Any, jobs: JobTable) -> None:
            raise ValueError(f"{len(requests)} pictures are too many")

    refused, _ = replace(grids, gate=Closed()).draw(picture.id, *ACROSS)
    assert "3 pictures are too many" in refused
    assert jobs.jobs() == []


def test_the_table_fills_and_only_news_is_sent(
    grids: SettingsGridHandlers, picture: Picture, gallery: Gallery, jobs: JobTable
) -> None:
    assert grids.news(None, "")[0].cells == ()
    _, kept = grids.draw(picture.id, *ACROSS)
    table, seen = grids.news(kept, "")
    assert (table.rows, table.columns) == (("guidance 2", "guidance 3"), ("8 steps", "12 steps"))
    assert [cell.state for cell in table.cells] == ["queued", "queued", "queued", "done"]
    assert [cell.words for cell in table.cells][2:] == [
        "guidance 3, 8 steps: waiting",
        "guidance 3, 12 steps",
    ]
    assert table.cells[3].picture == picture.id
    assert grids.news(kept, seen) == (gr.skip(), seen)
    job = jobs.claim(1)
    assert job is not None
    jobs.fail(job.id, "the disk is full")
    table, seen = grids.news(kept, seen)
    assert "guidance 2, 8 steps: the disk is full" in [cell.words for cell in table.cells]
    draw(gallery, RenderRequest.from_dict(job.request))
    assert [cell.state for cell in grids.news(kept, seen)[0].cells] == ["done", "queued", "queued", "done"]


def test_a_grid_outlives_the_picture_that_it_began_from(
    grids: SettingsGridHandlers, picture: Picture, gallery: Gallery
) -> None:
    _, kept = grids.draw(picture.id, *ACROSS)
    gallery.trash([picture.id])
    table, _ = grids.news(kept, "")
    assert [cell.state for cell in table.cells] == ["queued", "queued", "queued", "absent"]


@pytest.mark.parametrize(
    "kept",
    [
        {"drawn": {"prompt": 7}, "across": ["steps", "8"], "down": ["", ""]},
        {"drawn": {}, "across": ["mood", "8"], "down": ["", ""]},
        {"across": None},
        "nonsense",
    ],
)
def test_what_another_version_kept_is_no_trouble(grids: SettingsGridHandlers, kept: Any) -> None:
    content, _ = grids.news(kept, "x")
    assert content == gr.skip() or content.cells == ()


def test_a_pictures_button_leads_there_however_old_it_is(
    grids: SettingsGridHandlers, picture: Picture, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.ui.compare.settings_grid.OFFERED", 1)
    newer = draw(gallery, a_request("a lake"))
    tabs, views, chosen = grids.vary(event(id=picture.id))
    assert (tabs.selected, views.selected, chosen.value) == (
        "compare",
        "settings-grid",
        picture.id,
    )
    assert [key for _, key in chosen.choices] == [picture.id, newer.id]


def test_the_chosen_picture_stays_however_old_it_is(
    grids: SettingsGridHandlers, picture: Picture, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.ui.compare.settings_grid.OFFERED", 1)
    newer = draw(gallery, a_request("a lake"))
    assert [key for _, key in grids.offer(picture.id).choices] == [picture.id, newer.id]
    for nothing_more in (None, newer.id, "long-gone"):
        assert [key for _, key in grids.offer(nothing_more).choices] == [newer.id]


def test_a_picture_opens_and_its_neighbours_follow(
    grids: SettingsGridHandlers, picture: Picture, gallery: Gallery
) -> None:
    _, kept = grids.draw(picture.id, *ACROSS)
    first = draw(gallery, replace(a_request(), num_inference_steps=8, guidance_scale=2.0))
    scene, shown = grids.open(event(id=first.id))
    assert (scene.kind, shown) == ("picture", first.id)
    assert grids.turn(kept, shown, event(delta=1))[1] == picture.id
    assert grids.turn(kept, picture.id, event(delta=1))[1] == picture.id
    assert Path(scene.layers[0].master.path).is_file()
