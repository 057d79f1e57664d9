"""The Gallery tab's handlers over plain values."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from studio.pictures.gallery import Gallery
from studio.ui.gallery.handlers import Shelves
from studio.ui.parts.grid.picture_grid import PAGE
from tests.studio.ui.conftest import add_picture


@pytest.fixture
def shelves(gallery: Gallery) -> Shelves:
    for seed, prompt in enumerate(("mountains", "sea", "mountain lake")):
        add_picture(gallery, prompt, seed=seed)
    return Shelves(gallery)


def event(**data: Any) -> gr.EventData:
    return gr.EventData(None, data)


def prompts(content: Any) -> list[str]:
    return [picture.prompt for picture in content.pictures]


def ids(shelves: Shelves) -> list[str]:
    return [picture.id for picture in shelves.gallery.pictures()]


def test_newest_first_and_searched(shelves: Shelves) -> None:
    content, _ = shelves.show("all", "", PAGE)
    assert prompts(content) == ["mountain lake", "sea", "mountains"]
    assert (prompts(shelves.show("all", "mountain", PAGE)[0])) == ["mountain lake", "mountains"]
    nothing, _ = shelves.show("all", "volcano", PAGE)
    assert (prompts(nothing), nothing.total) == ([], 0)
    assert "volcano" in nothing.nothing


def test_a_page_is_limited_and_more_is_more(shelves: Shelves) -> None:
    content, _ = shelves.show("all", "", 2)
    assert (len(content.pictures), content.total) == (2, 3)
    limit, content, _, _ = shelves.act("all", "", 2, "", event(action="more", ids=[]))
    assert (limit, len(content.pictures)) == (2 + PAGE, 3)


def test_star_trash_undo_restore(shelves: Shelves) -> None:
    newest, *others = ids(shelves)
    shelves.act("all", "", PAGE, "", event(action="star", ids=[newest]))
    assert prompts(shelves.show("starred", "", PAGE)[0]) == ["mountain lake"]
    _, content, _, _ = shelves.act("all", "", PAGE, "", event(action="trash", ids=others))
    assert (prompts(content), set(content.undo)) == (["mountain lake"], set(others))
    assert len(shelves.show("trash", "", PAGE)[0].pictures) == 2
    _, content, _, _ = shelves.act("all", "", PAGE, "", event(action="undo", ids=others))
    assert (len(content.pictures), content.undo) == (3, ())


def test_emptying_the_trash_deletes_for_good(shelves: Shelves) -> None:
    doomed = ids(shelves)[0]
    shelves.act("all", "", PAGE, "", event(action="trash", ids=[doomed]))
    shelves.act("trash", "", PAGE, "", event(action="empty", ids=[]))
    with pytest.raises(gr.Error):
        shelves.open(event(id=doomed))


def test_a_tick_sends_nothing_while_nothing_changes(shelves: Shelves) -> None:
    _, seen = shelves.show("all", "", PAGE)
    assert shelves.tick("all", "", PAGE, seen) == gr.skip()
    add_picture(shelves.gallery, "new", seed=9)
    assert shelves.tick("all", "", PAGE, seen) != gr.skip()


def test_the_viewer_turns_within_the_search(shelves: Shelves) -> None:
    lake, _, mountains = ids(shelves)
    _, _, opened = shelves.open(event(id=lake))
    _, details, opened = shelves.turn("all", "mountain", opened, event(delta=1))
    assert (opened, details.prompt) == (mountains, "mountains")
    assert shelves.turn("all", "mountain", opened, event(delta=1))[2] == mountains


def test_leaving_is_a_later_wish_than_opening(shelves: Shelves) -> None:
    scene, _, _ = shelves.open(event(id=ids(shelves)[0]))
    assert shelves.leave().demand >= scene.demand
    assert shelves.leave().kind == "empty"


def test_an_unknown_action_is_refused(shelves: Shelves) -> None:
    with pytest.raises(gr.Error, match="explode"):
        shelves.act("all", "", PAGE, "", event(action="explode", ids=[]))
