"""A benchmark's report, opened from disk: it asks nobody, fits a phone and a sheet of paper, and is not too large."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.benchmark_report import LORA, NUM_PICTURES, a_long_report

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import NewPage

MAX_BYTES = 30e6
PAPER_PX = round((297 - 20) / 25.4 * 96)
"""A4 across, less its margins, in the pixels of CSS."""

# Tables and plots that reach beyond the page, and are in no box of their own that scrolls.
TOO_WIDE = """() => [...document.querySelectorAll("table, .js-plotly-plot .main-svg, img, pre, p, h3")]
    .filter(one => one.checkVisibility())
    .filter(one => ![one.closest(".scroll")].some(box => box && getComputedStyle(box).overflowX == "auto"))
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1
        || (one.tagName == "PRE" && one.scrollWidth > one.clientWidth + 1))
    .map(one => one.tagName + " " + one.textContent.slice(0, 60))"""
FITS = "() => document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_long_report(tmp_path_factory.mktemp("report") / "home")


def opened(new_page: NewPage, report: Path, **look: object) -> Page:
    """The guard lets the file itself and data in it through, and nothing else."""
    page = new_page(report.as_uri(), **look)
    page.goto(report.as_uri())
    page.wait_for_selector(".js-plotly-plot .main-svg")
    return page


def test_two_hundred_pictures_stay_small(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert text.count("data:image/jpeg") == NUM_PICTURES + 12
    assert len(text.encode()) < MAX_BYTES


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_window_and_wide_tables_scroll_in_their_own_box(
    new_page: NewPage, report: Path, width: int, scheme: str
) -> None:
    page = opened(new_page, report, viewport={"width": width, "height": 844}, color_scheme=scheme)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate(FITS)
    assert page.evaluate(TOO_WIDE) == []
    broken = "() => [...document.images].filter(image => image.naturalWidth == 0).length"
    assert page.evaluate(broken) == 0
    box = page.locator(".scroll", has_text="Effective resolution").first
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    seen = (
        box.locator("tbody tr")
        .first.locator("td")
        .nth(1)
        .evaluate("(cell) => cell.getBoundingClientRect().right <= innerWidth")
    )
    assert seen, "the first number is in sight beside the names"
    box.evaluate("box => box.scrollLeft = 10000")
    assert box.locator("tbody tr td").first.evaluate("cell => cell.getBoundingClientRect().left >= 0"), (
        "names stay in sight"
    )
    ink, paper = page.evaluate(
        "() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert (sum(brightness(ink)) > sum(brightness(paper))) == (scheme == "dark")


def brightness(colour: str) -> list[int]:
    return [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]


def test_on_paper_nothing_is_cut_and_nothing_is_folded_away(new_page: NewPage, report: Path) -> None:
    page = opened(new_page, report, viewport={"width": PAPER_PX, "height": 700}, color_scheme="dark")
    sheets = page.pdf(prefer_css_page_size=True)
    assert sheets.startswith(b"%PDF")
    assert b"/MediaBox [0 0 841" in sheets, "A4 across"
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(FITS)
    assert page.evaluate(TOO_WIDE) == []
    assert all(card.is_visible() for card in page.locator("details.card dl").all())
    assert page.locator("pre").is_visible()
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("details:not([open]) summary:visible").count() == 0


def test_it_says_what_was_drawn_with_what_and_measured_how(new_page: NewPage, report: Path) -> None:
    page = opened(new_page, report)
    made = page.locator("table.words")
    for words in (
        "5c3a9d0e1f2b4a68",
        LORA,
        "e3b0c44298fc1c14",
        "at 0.8",
        "NVIDIA H100",
        "bfloat16",
        "torch 2.8.0",
    ):
        assert words in made.inner_text()
    whole = page.locator("body").inner_text()
    for words in (
        "Protocol as-published, version 1",
        "Protocol ours, version 1",
        "scikit-image",
        "Without a number",
    ):
        assert words in whole
    cards = page.locator("details.card")
    assert cards.count() == 19 + 1, "a definition each column, and the settings"
    cards.first.locator("summary").click()
    assert "definition" in cards.first.inner_text()
    cards.last.locator("summary").click()
    assert '"guidance_scale": 3.0' in page.locator("pre").inner_text()
    others = page.locator("details", has_text="published rows that do not compare").first
    others.locator("summary").click()
    assert "at 4096 x 4096 px; yours are 256 x 256 px" in others.inner_text()
