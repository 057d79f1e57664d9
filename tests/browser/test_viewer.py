"""The deep viewer against a chart whose every pixel is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.browser.acting import chart, open_studio, until, wait_until_true
from tests.browser.conftest import NewPage
from tests.browser.studio_server import Server
from tests.studio.ui.conftest import add_picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.drawing

WIDTH_PX, HEIGHT_PX = 2048, 1536

STAGE = "#stage .viewer"


@pytest.fixture(scope="session")
def master() -> np.ndarray:
    return chart(WIDTH_PX, HEIGHT_PX)


@pytest.fixture(autouse=True)
def picture(server: Server, master: np.ndarray) -> str:
    return add_picture(server.gallery, "the chart", image=master).id


@pytest.fixture
def page(picture: str, new_page: NewPage, server: Server) -> Page:
    """The studio with the whole picture in view."""
    page = new_page(server.url)
    open_studio(page, server)
    wait_for_step(page, "preview")
    return page


def view(page: Page) -> dict[str, str]:
    """What the viewer says of itself once it has drawn what it was told."""
    return page.locator(STAGE).evaluate(
        "viewer => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => "
        "done({...viewer.dataset}))))"
    )


def wait_for_step(page: Page, step: str) -> None:
    page.wait_for_selector(f'{STAGE}[data-kind="picture"][data-step="{step}"]')


def canvas_pixels(page: Page, x: int, y: int, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 of the canvas, in device pixels from (x, y)."""
    flat = page.locator(f"{STAGE} .viewer-canvas").evaluate(
        "(canvas, [x, y, w, h]) => Array.from(canvas.getContext('2d').getImageData(x, y, w, h).data)",
        [x, y, width, height],
    )
    return np.array(flat, dtype=np.uint8).reshape(height, width, 4)[..., :3]


def canvas_size(page: Page) -> tuple[int, int]:
    width, height = page.locator(f"{STAGE} .viewer-canvas").evaluate("c => [c.width, c.height]")
    return width, height


def corner(page: Page) -> tuple[int, int]:
    """Where the picture's top left corner lies on the canvas, in device pixels, as the viewer rounds it."""
    seen, (width, height) = view(page), canvas_size(page)
    scale = float(seen["scale"])
    return (
        int(np.floor(width / 2 - float(seen["cx"]) * scale + 0.5)),
        int(np.floor(height / 2 - float(seen["cy"]) * scale + 0.5)),
    )


def test_opens_fitted_with_the_preview_and_not_yet_the_master(
    new_page: NewPage, server: Server, picture: str
) -> None:
    page = new_page(server.url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_studio(page, server)
    wait_for_step(page, "preview")
    seen, (width, height) = view(page), canvas_size(page)
    assert not [url for url in asked if url.endswith(f"{picture}.png")]
    assert seen["fitted"] == "true"
    assert float(seen["scale"]) == pytest.approx(min(width / WIDTH_PX, height / HEIGHT_PX), abs=1e-4)
    assert seen["step"] == "preview"


def test_one_to_one_shows_the_master_pixel_for_pixel(page: Page, master: np.ndarray) -> None:
    page.keyboard.press("1")
    wait_for_step(page, "master")
    assert float(view(page)["scale"]) == 1
    left, top = corner(page)
    shown = canvas_pixels(page, 100, 120, 64, 48)
    expected = master[120 - top : 168 - top, 100 - left : 164 - left]
    np.testing.assert_array_equal(shown, expected)


def test_four_times_shows_each_pixel_as_a_flat_block(page: Page, master: np.ndarray) -> None:
    page.keyboard.press("1")
    wait_for_step(page, "master")
    for _ in range(4):
        page.keyboard.press("+")
    assert float(view(page)["scale"]) == pytest.approx(4, abs=1e-3)
    left, top = corner(page)
    x, y = 400, 300
    shown = canvas_pixels(page, x, y, 40, 40)
    rows, columns = (np.arange(40) + y - top) // 4, (np.arange(40) + x - left) // 4
    np.testing.assert_array_equal(shown, master[np.ix_(rows, columns)])


def test_reads_out_the_pixel_under_the_pointer(page: Page, master: np.ndarray) -> None:
    page.keyboard.press("1")
    wait_for_step(page, "master")
    left, top = corner(page)
    box = page.locator(f"{STAGE} .viewer-canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200.5, box["y"] + 150.5)
    x, y = 200 - left, 150 - top
    red, green, blue = master[y, x]
    said = ["x", str(x), "y", str(y), f"#{red:02x}{green:02x}{blue:02x}", str(red), str(green), str(blue)]
    readout = page.locator(f"{STAGE} .viewer-readout span")
    until(page, lambda: readout.inner_text().split() == said)


def test_the_wheel_zooms_about_the_pointer(page: Page) -> None:
    box = page.locator(f"{STAGE} .viewer-canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 300, box["y"] + 333)
    page.keyboard.press("1")
    readout = page.locator(f"{STAGE} .viewer-readout span")
    until(page, lambda: view(page)["scale"] == "1.0000")
    before = readout.inner_text().split()[1:4:2]
    page.mouse.wheel(0, -600)
    until(page, lambda: float(view(page)["scale"]) == pytest.approx(np.exp(600 * 0.0018), rel=0.01))
    after = readout.inner_text().split()[1:4:2]
    for was, now in zip(before, after, strict=True):
        assert abs(int(was) - int(now)) <= 1


def test_keys_pan_fit_and_zoom(page: Page) -> None:
    page.keyboard.press("1")
    start = view(page)
    page.keyboard.press("ArrowRight")
    assert float(view(page)["cx"]) > float(start["cx"])
    page.keyboard.press("ArrowDown")
    assert float(view(page)["cy"]) > float(start["cy"])
    page.keyboard.press("-")
    assert float(view(page)["scale"]) == pytest.approx(2**-0.5, abs=1e-3)
    page.keyboard.press("0")
    assert view(page)["fitted"] == "true"
    page.keyboard.press("z")
    assert float(view(page)["scale"]) == 1


def test_typing_in_a_field_does_not_steer_the_viewer(page: Page) -> None:
    page.locator("#prompt textarea").fill("")
    page.keyboard.type("1 z + 0")
    assert view(page)["fitted"] == "true"
    assert page.locator("#prompt textarea").input_value() == "1 z + 0"


def test_dragging_moves_the_picture_with_the_pointer(page: Page) -> None:
    page.keyboard.press("1")
    box = page.locator(f"{STAGE} .viewer-canvas").bounding_box()
    assert box is not None
    before = view(page)
    page.mouse.move(box["x"] + 400, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 340, box["y"] + 280, steps=5)
    page.mouse.up()
    after = view(page)
    assert float(after["cx"]) - float(before["cx"]) == pytest.approx(60, abs=1)
    assert float(after["cy"]) - float(before["cy"]) == pytest.approx(20, abs=1)


def test_two_fingers_pinch(new_page: NewPage, server: Server) -> None:
    page = new_page(server.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    open_studio(page, server)
    wait_for_step(page, "preview")
    page.locator(STAGE).scroll_into_view_if_needed()
    box = page.locator(f"{STAGE} .viewer-canvas").bounding_box()
    assert box is not None
    middle_x, middle_y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = float(view(page)["scale"])
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, apart: float) -> None:
        points = [
            {"x": middle_x - apart, "y": middle_y, "id": 0},
            {"x": middle_x + apart, "y": middle_y, "id": 1},
        ]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points if apart else []})

    fingers("touchStart", 20)
    for apart in (30, 40, 50, 60):
        fingers("touchMove", apart)
    fingers("touchEnd", 0)
    until(page, lambda: float(view(page)["scale"]) == pytest.approx(3 * before, rel=0.1))


@pytest.mark.parametrize("way", ["keys", "buttons"])
def test_a_neighbour_of_the_same_size_is_shown_at_the_same_place(
    way: str, server: Server, new_page: NewPage, master: np.ndarray
) -> None:
    """Two seeds are compared at 1:1 without finding the place again."""
    small, older, newest = (
        add_picture(server.gallery, "a seed", image=image)
        for image in (master[:256, :256].copy(), master[::-1].copy(), master)
    )
    page = new_page(server.url)
    open_studio(page, server)
    wait_for_step(page, "preview")
    page.keyboard.press("1")
    wait_for_step(page, "master")
    page.keyboard.press("ArrowRight")
    before = view(page)
    turn = {
        "keys": (lambda: page.keyboard.press("]"), lambda: page.keyboard.press("[")),
        "buttons": (
            page.locator(f"{STAGE} .viewer-after").click,
            page.locator(f"{STAGE} .viewer-before").click,
        ),
    }[way]
    turn[0]()
    page.wait_for_selector(f'{STAGE}[data-scene="picture-{older.id}"][data-step="master"]')
    after = view(page)
    assert [after[name] for name in ("scale", "cx", "cy", "fitted")] == [
        before[name] for name in ("scale", "cx", "cy", "fitted")
    ]
    turn[0]()  # one of another size is fitted, as ever
    page.wait_for_selector(f'{STAGE}[data-scene="picture-{small.id}"][data-fitted="true"]')
    turn[1]()
    turn[1]()
    page.wait_for_selector(f'{STAGE}[data-scene="picture-{newest.id}"]')


def test_a_finger_turns_over_what_fits(
    picture: str, new_page: NewPage, server: Server, master: np.ndarray
) -> None:
    add_picture(server.gallery, "newer", image=master)
    page = new_page(server.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    open_studio(page, server)
    wait_for_step(page, "preview")
    newest = page.locator(STAGE).get_attribute("data-scene")
    page.locator(STAGE).scroll_into_view_if_needed()
    touch = page.context.new_cdp_session(page)

    def swipe(dx: int, dy: int) -> None:
        box = page.locator(f"{STAGE} .viewer-canvas").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind, share in (("touchStart", 0.0), ("touchMove", 0.5), ("touchMove", 1.0)):
            points = [{"x": x + dx * share, "y": y + dy * share, "id": 0}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(-30, 0)  # too short to mean it
    swipe(-100, 0)
    page.wait_for_selector(f'{STAGE}[data-scene="picture-{picture}"]')
    swipe(100, 0)
    page.wait_for_selector(f'{STAGE}[data-scene="{newest}"]')


def test_a_dense_screen_gets_its_own_pixels(new_page: NewPage, server: Server, master: np.ndarray) -> None:
    page = new_page(server.url, viewport={"width": 1200, "height": 800}, device_scale_factor=2)
    open_studio(page, server)
    wait_for_step(page, "preview")
    box = page.locator(f"{STAGE} .viewer-canvas").bounding_box()
    assert box is not None
    width, height = canvas_size(page)
    assert (width, height) == pytest.approx((2 * box["width"], 2 * box["height"]), abs=1)
    page.keyboard.press("1")
    wait_for_step(page, "master")
    left, top = corner(page)
    shown = canvas_pixels(page, 500, 400, 32, 32)
    expected = master[400 - top : 432 - top, 500 - left : 532 - left]
    np.testing.assert_array_equal(shown, expected)


def test_full_screen_and_back(page: Page) -> None:
    page.locator(f"{STAGE} .viewer-canvas").hover()
    page.keyboard.press("f")
    wait_until_true(page, "document.fullscreenElement?.classList.contains('viewer')")
    page.keyboard.press("f")
    wait_until_true(page, "!document.fullscreenElement")
