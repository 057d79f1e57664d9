"""The Gallery tab's handlers over plain values."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
import pytest

from studio.pictures.gallery import Gallery
from studio.pictures.gallery_search import Narrowed
from studio.ui.gallery.handlers import Shelves
from studio.ui.parts.grid.picture_grid import PAGE
from tests.studio.ui.conftest import add_picture

ALL = Narrowed()


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
    content, _ = shelves.show("all", "", ALL, PAGE)
    assert prompts(content) == ["mountain lake", "sea", "mountains"]
    assert (prompts(shelves.show("all", "mountain", ALL, PAGE)[0])) == ["mountain lake", "mountains"]
    nothing, _ = shelves.show("all", "volcano", ALL, PAGE)
    assert (prompts(nothing), nothing.total) == ([], 0)
    assert "volcano" in nothing.nothing


def test_a_page_is_limited_and_more_is_more(shelves: Shelves) -> None:
    content, _ = shelves.show("all", "", ALL, 2)
    assert (len(content.pictures), content.total) == (2, 3)
    limit, content, _, _ = shelves.act("all", "", ALL, 2, "", event(action="more", ids=[]))
    assert (limit, len(content.pictures)) == (2 + PAGE, 3)


def test_star_trash_undo_restore(shelves: Shelves) -> None:
    newest, *others = ids(shelves)
    shelves.act("all", "", ALL, PAGE, "", event(action="star", ids=[newest]))
    assert prompts(shelves.show("starred", "", ALL, PAGE)[0]) == ["mountain lake"]
    _, content, _, _ = shelves.act("all", "", ALL, PAGE, "", event(action="trash", ids=others))
    assert (prompts(content), set(content.undo)) == (["mountain lake"], set(others))
    assert len(shelves.show("trash", "", ALL, PAGE)[0].pictures) == 2
    _, content, _, _ = shelves.act("all", "", ALL, PAGE, "", event(action="undo", ids=others))
    assert (len(content.pictures), content.undo) == (3, ())


def test_emptying_the_trash_deletes_for_good(shelves: Shelves) -> None:
    doomed = ids(shelves)[0]
    shelves.act("all", "", ALL, PAGE, "", event(action="trash", ids=[doomed]))
    shelves.act("trash", "", ALL, PAGE, "", event(action="empty", ids=[]))
    with pytest.raises(gr.Error):
        shelves.open(event(id=doomed))


def test_a_tick_sends_nothing_while_nothing_changes(shelves: Shelves) -> None:
    _, seen = shelves.show("all", "", ALL, PAGE)
    assert shelves.tick("all", "", ALL, PAGE, seen) == gr.skip()
    add_picture(shelves.gallery, "new", seed=9)
    assert shelves.tick("all", "", ALL, PAGE, seen) != gr.skip()


def test_the_viewer_turns_within_the_search(shelves: Shelves) -> None:
    lake, _, mountains = ids(shelves)
    _, _, opened = shelves.open(event(id=lake))
    _, details, opened = shelves.turn("all", "mountain", ALL, opened, event(delta=1))
    assert (opened, details.prompt) == (mountains, "mountains")
    assert shelves.turn("all", "mountain", ALL, opened, event(delta=1))[2] == mountains


def test_leaving_selects_what_was_seen_last(shelves: Shelves) -> None:
    lake, sea, _ = ids(shelves)
    scene, _, opened = shelves.open(event(id=lake))
    _, _, opened = shelves.turn("all", "", ALL, opened, event(delta=1))
    empty, limit, content, seen = shelves.leave("all", "", ALL, PAGE, opened)
    assert (empty.kind, empty.demand >= scene.demand) == ("empty", True)
    assert (content.current, content.demand >= scene.demand, limit) == (sea, True, PAGE)
    assert shelves.tick("all", "", ALL, limit, seen) == gr.skip()


def test_leaving_shows_as_many_as_reach_it(shelves: Shelves, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.ui.gallery.handlers.PAGE", 1)
    _, limit, content, _ = shelves.leave("all", "", ALL, 1, ids(shelves)[2])
    assert (limit, len(content.pictures)) == (3, 3)


def test_keys_in_the_viewer(shelves: Shelves) -> None:
    lake, sea, mountains = ids(shelves)

    def pressed(action: str, opened: str, search: str = "") -> tuple[Any, str, Any]:
        scene, details, opened, _, content, _ = shelves.act_on_opened(
            "all", search, ALL, PAGE, opened, event(action=action)
        )
        assert details.id == opened
        return scene, opened, content

    pressed("star", sea)
    assert shelves.gallery.get(sea).starred
    pressed("star", sea)
    assert not shelves.gallery.get(sea).starred
    scene, opened, content = pressed("trash", sea)
    assert (opened, content.undo) == (mountains, (sea,))
    assert scene.picture == mountains
    _, opened, _ = pressed("trash", mountains)  # the oldest: its newer neighbour
    assert opened == lake
    scene, opened, _ = pressed("trash", lake)
    assert (scene.kind, opened) == ("empty", "")
    assert pressed("undo", "")[1] == lake
    assert pressed("undo", lake)[1] == mountains


def test_details_go_with_the_picture_that_is_no_longer_listed(shelves: Shelves) -> None:
    _, sea, _ = ids(shelves)
    _, _, _, details, opened = shelves.turn_to("all", "", ALL, sea)
    assert (details.id, opened) == (sea, sea)
    _, _, _, details, opened = shelves.turn_to("all", "mountain", ALL, sea)
    assert (details.id, details.title, opened) == ("", "", "")


def test_an_unknown_action_is_refused(shelves: Shelves) -> None:
    with pytest.raises(gr.Error, match="explode"):
        shelves.act("all", "", ALL, PAGE, "", event(action="explode", ids=[]))
    with pytest.raises(gr.Error, match="explode"):
        shelves.act_on_opened("all", "", ALL, PAGE, ids(shelves)[0], event(action="explode"))


def test_another_order_begins_at_its_first_page_and_names_what_it_could_be_narrowed_to(
    shelves: Shelves,
) -> None:
    add_picture(shelves.gallery, "wide", image=np.zeros((256, 512, 3), np.uint8))
    lake = ids(shelves)[1]
    narrowed, limit, content, seen, details, opened = shelves.narrow(
        "all", "", lake, event(order="oldest", model="", size="256x256")
    )
    assert prompts(content) == ["mountains", "sea", "mountain lake"]
    assert (content.order, content.size, content.sizes) == (
        "oldest",
        "256x256",
        (("256x256", 3), ("512x256", 1)),
    )
    assert (limit, details.id, opened) == (PAGE, lake, lake)
    assert shelves.tick("all", "", narrowed, limit, seen) == gr.skip()
    assert shelves.tick("all", "", ALL, limit, seen) != gr.skip()
    _, _, opened = shelves.turn("all", "", narrowed, lake, event(delta=1))
    assert opened == lake, "the last of this order"
    empty = shelves.narrow("all", "wide", lake, event(order="newest", model="", size="256x256"))[2]
    assert (prompts(empty), empty.sizes) == ([], (("512x256", 1),))
    assert "among those of 256 × 256" in empty.nothing


def test_an_unknown_order_is_refused(shelves: Shelves) -> None:
    with pytest.raises(gr.Error, match="newest, oldest, largest, smallest"):
        shelves.narrow("all", "", "", event(order="random", model="", size=""))
