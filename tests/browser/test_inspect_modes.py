"""Other ways to look in Inspect: in turn, through one another, four at once; where artefacts and clipping are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.acting import until
from tests.browser.conftest import NewPage
from tests.browser.studio_server import Server
from tests.browser.test_inspect import STAGE, colours, place, stage
from tests.studio.ui.conftest import add_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Show = Callable[..., Page]

pytestmark = pytest.mark.drawing

SIDE_PX = 768
COLOURS = {"red": (200, 40, 40), "green": (40, 160, 40), "blue": (40, 40, 220), "grey": (120, 120, 120)}


def flat(colour: tuple[int, int, int]) -> np.ndarray:
    """A picture of one colour with a white square of 32 px in its middle."""
    image = np.full((SIDE_PX, SIDE_PX, 3), colour, np.uint8)
    middle = SIDE_PX // 2
    image[middle - 16 : middle + 16, middle - 16 : middle + 16] = 255
    return image


@pytest.fixture
def show(new_page: NewPage, server: Server) -> Show:
    """Adds pictures to the gallery and opens them by the address of a view of them."""

    def made(*images: np.ndarray, query: str) -> Page:
        keys = [add_picture(server.gallery, image=image).id for image in images]
        page = new_page(server.url)
        page.goto(f"{server.url}/?tab=inspect&{'&'.join(f'p={key}' for key in keys)}&{query}")
        stage(page, f"s.panes.split(' ').length === {len(keys)} && ['preview', 'master'].includes(s.step)")
        return page

    return made


def drawn_at(page: Page, share_x: float, share_y: float) -> tuple[int, ...]:
    """The colour at a place of the stage, by share of its sides."""
    seen = colours(page)
    height, width = seen.shape[:2]
    return tuple(int(value) for value in seen[int(share_y * height), int(share_x * width)])


def is_near(found: tuple[int, ...], wanted: tuple[int, ...], *, within: int = 4) -> bool:
    return max(abs(one - other) for one, other in zip(found, wanted, strict=True)) <= within


def test_flicker_shows_the_pictures_in_turn(show: Show) -> None:
    page = show(flat(COLOURS["red"]), flat(COLOURS["blue"]), query="mode=flicker")
    for name in ("red", "blue", "red"):
        until(page, lambda name=name: is_near(drawn_at(page, 0.5, 0.4), COLOURS[name]))  # type: ignore[misc]


def test_transparency_mixes_the_second_into_the_first(show: Show) -> None:
    page = show(flat(COLOURS["red"]), flat(COLOURS["blue"]), query="mode=blend&at=0")
    until(page, lambda: is_near(drawn_at(page, 0.5, 0.4), COLOURS["red"]))
    page.locator(STAGE).hover()
    for _ in range(5):
        page.keyboard.press("]")
    mixed = tuple(
        round(0.75 * one + 0.25 * other) for one, other in zip(COLOURS["red"], COLOURS["blue"], strict=True)
    )
    until(page, lambda: is_near(drawn_at(page, 0.5, 0.4), mixed))
    expect(page.locator(f"{STAGE} .inspect-mode")).to_contain_text("25 %")
    for _ in range(15):
        page.keyboard.press("]")
    until(page, lambda: is_near(drawn_at(page, 0.5, 0.4), COLOURS["blue"]))


def test_four_panes_move_as_one(show: Show) -> None:
    page = show(*(flat(colour) for colour in COLOURS.values()), query="mode=side")
    corners = [(x, y) for y in (0.25, 0.75) for x in (0.25, 0.75)]

    def each(wanted: list[tuple[int, ...]], dx: float = 0.0, dy: float = 0.0) -> bool:
        found = [drawn_at(page, x + dx, y + dy) for x, y in corners]
        return all(is_near(one, other) for one, other in zip(found, wanted, strict=True))

    white = [(255, 255, 255)] * 4
    until(page, lambda: each(white))  # the middle of each
    until(page, lambda: each(list(COLOURS.values()), dy=-0.1))
    page.locator(STAGE).hover()
    for _ in range(4):
        page.keyboard.press("+")  # a side that fits stays centred
    until(page, lambda: each(white))
    page.keyboard.press("ArrowRight")
    until(page, lambda: each(list(COLOURS.values())))


def test_a_seam_is_marked_where_it_was_put(show: Show) -> None:
    noise = np.random.default_rng(0).normal(110, 12, (SIDE_PX, SIDE_PX, 1))
    noise[:, 384:] += 30
    picture = np.repeat(noise.clip(0, 255).astype(np.uint8), 3, axis=2)
    page = show(picture, query="layer=artefacts")
    stage(page, "s.marks.includes('artefact')")
    page.wait_for_selector("#energies .js-plotly-plot")
    expect(page.locator("#numbers-rail")).to_contain_text("A seam before column 384")
    plain = show(picture, query="layer=picture")
    until(plain, lambda: not np.array_equal(colours(plain), colours(page)))
    columns = np.nonzero((colours(page).astype(int) - colours(plain)).any(-1))[1]
    box = page.locator(f"{STAGE} .viewer-canvas").bounding_box()
    assert box is not None
    x, _ = place(page, 384, 0)
    assert columns.min() - 8 <= x - box["x"] <= columns.max() + 8


def test_clipping_shows_what_has_no_room_left_and_nothing_else(show: Show) -> None:
    picture = np.full((SIDE_PX, SIDE_PX, 3), 100, np.uint8)
    picture[100:200, 300:500] = (255, 180, 180)
    picture[500:600, 100:200] = (0, 90, 90)
    page = show(picture, query="layer=clipping")
    stage(page, "s.planes !== '' && s.ready === 'true'")
    box = page.locator(f"{STAGE} .viewer-canvas").bounding_box()
    assert box is not None

    def drawn(x: int, y: int) -> tuple[int, ...]:
        left, top = place(page, x, y)
        return tuple(int(value) for value in colours(page)[int(top - box["y"]), int(left - box["x"])])

    def told() -> bool:
        blown, crushed, plain = drawn(400, 150), drawn(150, 550), drawn(400, 400)
        return len({blown, crushed, plain}) == 3 and max(plain) - min(plain) <= 2 and plain == drawn(50, 50)

    until(page, told)
