"""The Gallery tab's handlers over plain values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np
import pytest

from studio.pictures.gallery import Gallery
from studio.pictures.gallery_search import Narrowed
from studio.ui.gallery import handlers as handlers_module
from studio.ui.gallery.handlers import GalleryHandlers
from studio.ui.parts.grid.picture_grid import PAGE
from tests.studio.ui.conftest import add_picture

ALL = Narrowed()


@pytest.fixture
def handlers(gallery: Gallery) -> GalleryHandlers:
    for seed, prompt in enumerate(("mountains", "sea", "mountain lake")):
        add_picture(gallery, prompt, seed=seed)
    return GalleryHandlers(gallery)


def event(**data: Any) -> gr.EventData:
    return gr.EventData(None, data)


def prompts(content: Any) -> list[str]:
    return [picture.prompt for picture in content.pictures]


def ids(handlers: GalleryHandlers) -> list[str]:
    return [picture.id for picture in handlers.gallery.pictures()]


def test_newest_first_and_searched(handlers: GalleryHandlers) -> None:
    content, _ = handlers.show("all", "", ALL, PAGE)
    assert prompts(content) == ["mountain lake", "sea", "mountains"]
    assert (prompts(handlers.show("all", "mountain", ALL, PAGE)[0])) == ["mountain lake", "mountains"]
    nothing, _ = handlers.show("all", "volcano", ALL, PAGE)
    assert (prompts(nothing), nothing.total) == ([], 0)
    assert "volcano" in nothing.nothing


def test_a_page_is_limited_and_more_is_more(handlers: GalleryHandlers) -> None:
    content, _ = handlers.show("all", "", ALL, 2)
    assert (len(content.pictures), content.total) == (2, 3)
    limit, content, _, _ = handlers.act("all", "", ALL, 2, "", event(action="more", ids=[]))
    assert (limit, len(content.pictures)) == (2 + PAGE, 3)


def test_star_trash_undo_restore(handlers: GalleryHandlers) -> None:
    newest, *others = ids(handlers)
    handlers.act("all", "", ALL, PAGE, "", event(action="star", ids=[newest]))
    assert prompts(handlers.show("starred", "", ALL, PAGE)[0]) == ["mountain lake"]
    _, content, _, _ = handlers.act("all", "", ALL, PAGE, "", event(action="trash", ids=others))
    assert (prompts(content), set(content.undo)) == (["mountain lake"], set(others))
    assert len(handlers.show("trash", "", ALL, PAGE)[0].pictures) == 2
    _, content, _, _ = handlers.act("all", "", ALL, PAGE, "", event(action="undo", ids=others))
    assert (len(content.pictures), content.undo) == (3, ())


def test_emptying_the_trash_deletes_for_good(handlers: GalleryHandlers) -> None:
    doomed = ids(handlers)[0]
    handlers.act("all", "", ALL, PAGE, "", event(action="trash", ids=[doomed]))
    handlers.act("trash", "", ALL, PAGE, "", event(action="empty", ids=[]))
    with pytest.raises(gr.Error):
        handlers.open(event(id=doomed))


def test_a_tick_sends_nothing_while_nothing_changes(handlers: GalleryHandlers) -> None:
    _, seen = handlers.show("all", "", ALL, PAGE)
    assert handlers.tick("all", "", ALL, PAGE, seen) == gr.skip()
    add_picture(handlers.gallery, "new", seed=9)
    assert handlers.tick("all", "", ALL, PAGE, seen) != gr.skip()


def test_what_changes_during_a_look_is_news_to_the_next(
    handlers: GalleryHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    starred = ids(handlers)[0]
    usual = handlers_module.grid_content

    def content(*asked: Any, **how: Any) -> Any:
        read = usual(*asked, **how)
        add_picture(handlers.gallery, "meanwhile", seed=9)
        return read

    looks: list[Callable[[], Any]] = [
        lambda: handlers.show("all", "", ALL, PAGE),
        lambda: handlers.act("all", "", ALL, PAGE, "", event(action="star", ids=[starred]))[1:3],
        lambda: handlers.act_on_opened("all", "", ALL, PAGE, starred, event(action="star"))[-2:],
        lambda: handlers.leave("all", "", ALL, PAGE, starred)[-2:],
    ]
    for number, look in enumerate(looks):
        with monkeypatch.context() as during:
            during.setattr(handlers_module, "grid_content", content)
            shown, seen = look()
        assert len(shown.pictures) == 3 + number
        assert len(handlers.tick("all", "", ALL, PAGE, seen)[0].pictures) == 4 + number


def test_the_viewer_turns_within_the_search(handlers: GalleryHandlers) -> None:
    lake, _, mountains = ids(handlers)
    _, _, opened = handlers.open(event(id=lake))
    _, details, opened = handlers.turn("all", "mountain", ALL, opened, event(delta=1))
    assert (opened, details.prompt) == (mountains, "mountains")
    assert handlers.turn("all", "mountain", ALL, opened, event(delta=1))[2] == mountains


def test_leaving_selects_what_was_seen_last(handlers: GalleryHandlers) -> None:
    lake, sea, _ = ids(handlers)
    scene, _, opened = handlers.open(event(id=lake))
    _, _, opened = handlers.turn("all", "", ALL, opened, event(delta=1))
    empty, limit, content, seen = handlers.leave("all", "", ALL, PAGE, opened)
    assert (empty.kind, empty.demand >= scene.demand) == ("empty", True)
    assert (content.current, content.demand >= scene.demand, limit) == (sea, True, PAGE)
    assert handlers.tick("all", "", ALL, limit, seen) == gr.skip()


def test_leaving_shows_as_many_as_reach_it(
    handlers: GalleryHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.ui.gallery.handlers.PAGE", 1)
    _, limit, content, _ = handlers.leave("all", "", ALL, 1, ids(handlers)[2])
    assert (limit, len(content.pictures)) == (3, 3)


def test_keys_in_the_viewer(handlers: GalleryHandlers) -> None:
    lake, sea, mountains = ids(handlers)

    def pressed(action: str, opened: str, search: str = "") -> tuple[Any, str, Any]:
        scene, details, opened, _, content, _ = handlers.act_on_opened(
            "all", search, ALL, PAGE, opened, event(action=action)
        )
        assert details.id == opened
        return scene, opened, content

    pressed("star", sea)
    assert handlers.gallery.get(sea).starred
    pressed("star", sea)
    assert not handlers.gallery.get(sea).starred
    scene, opened, content = pressed("trash", sea)
    assert (opened, content.undo) == (mountains, (sea,))
    assert scene.picture == mountains
    _, opened, _ = pressed("trash", mountains)  # the oldest: its newer neighbour
    assert opened == lake
    scene, opened, _ = pressed("trash", lake)
    assert (scene.kind, opened) == ("empty", "")
    assert pressed("undo", "")[1] == lake
    assert pressed("undo", lake)[1] == mountains


def test_details_go_with_the_picture_that_is_no_longer_listed(handlers: GalleryHandlers) -> None:
    _, sea, _ = ids(handlers)
    _, _, _, details, opened = handlers.turn_to("all", "", ALL, sea)
    assert (details.id, opened) == (sea, sea)
    _, _, _, details, opened = handlers.turn_to("all", "mountain", ALL, sea)
    assert (details.id, details.title, opened) == ("", "", "")


def test_an_unknown_action_is_refused(handlers: GalleryHandlers) -> None:
    with pytest.raises(gr.Error, match="explode"):
        handlers.act("all", "", ALL, PAGE, "", event(action="explode", ids=[]))
    with pytest.raises(gr.Error, match="explode"):
        handlers.act_on_opened("all", "", ALL, PAGE, ids(handlers)[0], event(action="explode"))


def test_another_order_begins_at_its_first_page_and_names_what_it_could_be_narrowed_to(
    handlers: GalleryHandlers,
) -> None:
    add_picture(handlers.gallery, "wide", image=np.zeros((256, 512, 3), np.uint8))
    lake = ids(handlers)[1]
    narrowed, limit, content, seen, details, opened = handlers.narrow(
        "all", "", lake, event(order="oldest", model="", size="256x256")
    )
    assert prompts(content) == ["mountains", "sea", "mountain lake"]
    assert (content.order, content.size, content.sizes) == (
        "oldest",
        "256x256",
        (("256x256", 3), ("512x256", 1)),
    )
    assert (limit, details.id, opened) == (PAGE, lake, lake)
    assert handlers.tick("all", "", narrowed, limit, seen) == gr.skip()
    assert handlers.tick("all", "", ALL, limit, seen) != gr.skip()
    _, _, opened = handlers.turn("all", "", narrowed, lake, event(delta=1))
    assert opened == lake, "the last of this order"
    empty = handlers.narrow("all", "wide", lake, event(order="newest", model="", size="256x256"))[2]
    assert (prompts(empty), empty.sizes) == ([], (("512x256", 1),))
    assert "among those of 256 × 256" in empty.nothing


def test_an_unknown_order_is_refused(handlers: GalleryHandlers) -> None:
    with pytest.raises(gr.Error, match="newest, oldest, largest, smallest"):
        handlers.narrow("all", "", "", event(order="random", model="", size=""))
