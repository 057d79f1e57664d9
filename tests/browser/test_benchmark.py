"""The benchmark in a real browser: the form queues what it says, table and files come, duels go by key alone."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from studio.benchmark.duels import judged_of
from studio.benchmark.folder import BenchmarkFolder
from studio.benchmark.progress import SCORE
from studio.benchmark.report import write_report
from studio.benchmark.scoring import measure_benchmark
from tests.benchmark_home import a_plan, drawn_benchmark, prompts
from tests.browser.acting import open_studio, settled, wait_until_true
from tests.browser.conftest import NewPage
from tests.browser.studio_server import Server, wait_until
from tests.browser.test_accessibility import findings
from tests.browser.test_keyboard import MOST_STOPS, walk

if TYPE_CHECKING:
    from playwright.sync_api import Page

STAGE, BAR = "#duel-stage .viewer", ".duel-bar"


@pytest.fixture
def measured(server: Server) -> BenchmarkFolder:
    """Two models on two prompts and two seeds, drawn and measured. Before the page is opened."""
    folder, found = drawn_benchmark(server.workspace, a_plan(prompts=prompts(2)))
    measure_benchmark(folder, found)
    write_report(folder, found)
    return folder


def open_view(page: Page) -> Page:
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("tab", name="Benchmark").click()
    return page


def open_form(page: Page) -> None:
    """It is folded where there is a benchmark already."""
    page.locator("#benchmark-new > button").click()


def add_model(page: Page, count: int) -> None:
    """The list has `count` models then."""
    page.locator(".contenders-add").select_option("micro-4k")
    expect(page.locator(".contender")).to_have_count(count)


def test_the_form_queues_every_picture_and_a_refusal_stands_at_the_button(page: Page, server: Server) -> None:
    server.brake.hold(0)
    open_view(page)
    page.locator("#benchmark-start").click()
    expect(page.locator("#benchmark-refused [role=alert]")).to_contain_text("add one from the list")

    expect(page.locator(".contenders-add option[value='micro-4k']")).to_be_attached()
    add_model(page, 1)
    expect(page.locator("#benchmark-refused p")).to_have_count(0)
    add_model(page, 2)
    page.locator(".contender-guidance").nth(1).fill("1.5")
    page.locator(".contender-steps").nth(1).fill("3")
    page.locator("#benchmark-limit input").fill("2")
    page.locator("#benchmark-size input").fill("256x256")
    page.keyboard.press("Tab")
    expect(page.locator(".contender-name").nth(1)).to_have_value("micro-4k, 3 steps, guidance 1.5")
    page.locator("#benchmark-start").click()
    expect(page.locator("#benchmark-known input")).to_have_value("benchmark 1")
    waiting = server.jobs.jobs(states=("queued", "running"))
    assert [job.kind for job in waiting] == ["render"] * 4 + [SCORE]
    assert [job.request["num_inference_steps"] for job in waiting[2:4]] == [3, 3]
    expect(page.locator(".bench-state")).to_have_attribute("data-going", "true")
    page.locator("#benchmark-stop").click()
    wait_until(lambda: not server.jobs.jobs(states=("queued",)))
    server.brake.release()
    expect(page.locator(".bench-state")).to_have_attribute("data-going", "false")
    expect(page.locator("#benchmark-go-on")).to_be_visible()


def test_generates_settings_are_taken_and_no_model_is_lost(page: Page) -> None:
    page.locator("#prompt textarea").fill("a hill")
    open_view(page)
    page.locator("#benchmark-from-generate").click()
    expect(page.locator(".contender")).to_have_count(1)
    name = page.locator(".contender-name").first
    name.fill("mine")
    name.press("Tab")
    page.locator("#benchmark-from-generate").click()
    expect(page.locator(".contender")).to_have_count(2)
    expect(name).to_have_value("mine")
    page.locator(".contender").first.get_by_role("button", name="Take this model away").click()
    expect(page.locator(".contender-name")).to_have_value("micro-4k")


def test_the_table_and_its_files(measured: BenchmarkFolder, page: Page, tmp_path: Path) -> None:
    open_view(page)
    table = page.locator("#benchmark-scores table").first
    expect(table.locator("tbody tr").first).to_contain_text("rough")
    expect(table.locator("td.best").first).to_be_visible()
    grey = page.locator("#benchmark-scores details").first
    grey.locator("summary").click()
    expect(grey).to_contain_text("SD3-F16-WLF")
    expect(grey).to_contain_text("256")
    for name in ("report-html", "table-csv", "table-json", "model-card-md"):
        with page.expect_download() as loading:
            page.locator(f"#benchmark-{name}").click()
        file = tmp_path / name
        loading.value.save_as(file)
        assert file.stat().st_size > 200
    lines = list(csv.DictReader((tmp_path / "table-csv").read_text(encoding="utf-8").splitlines()))
    assert {line["contender"] for line in lines} >= {"rough", "smooth"}
    expect(page.locator("#benchmark-votes-csv")).to_have_count(0)


def test_duels_by_key_stay_blind_to_the_end(measured: BenchmarkFolder, page: Page) -> None:
    open_view(page)
    page.get_by_role("tab", name="Blind duels").click()
    bar = page.locator(BAR)
    expect(bar).to_have_attribute("data-done", "0")
    wait_until_true(page, f"document.querySelector('{STAGE}').dataset.panes?.split(' ').length === 2")
    assert page.locator(STAGE).get_attribute("data-scale") == "1.0000"
    for done, key in enumerate(("a", "w", "d"), start=1):
        page.keyboard.press(key)
        expect(bar).to_have_attribute("data-done", str(done))
    assert [one.choice for one in judged_of(measured)] == ["left", "tie", "right"]
    blind = page.locator("#duel-stage, #duel-bar, #duel-verdict").all_inner_texts()
    assert not any("rough" in text or "smooth" in text for text in blind)
    expect(page.locator("#duel-verdict")).to_contain_text("SRCC")

    page.keyboard.press("u")
    expect(bar).to_have_attribute("data-done", "2")
    page.keyboard.press("x")
    expect(bar).to_have_attribute("data-done", "3")
    page.keyboard.press("n")
    expect(page.locator(".duel-names")).to_contain_text("Left:")
    page.keyboard.press("a")  # the names are in sight: no vote
    page.keyboard.press("n")
    expect(page.locator("#duel-verdict")).to_contain_text("rough")
    expect(bar).to_have_attribute("data-over", "true")
    assert [one.choice for one in judged_of(measured)] == ["left", "tie", "neither"]
    page.reload()
    open_view(page)
    page.get_by_role("tab", name="Blind duels").click()
    expect(page.locator("#duel-verdict")).to_contain_text("rough")
    expect(page.locator("#benchmark-votes-csv")).to_be_visible()


def test_a_letter_that_is_typed_is_no_vote(measured: BenchmarkFolder, page: Page) -> None:
    open_view(page)
    page.get_by_role("tab", name="Blind duels").click()
    expect(page.locator(BAR)).not_to_have_attribute("data-key", "")
    open_form(page)
    page.locator("#benchmark-name input").press_sequentially("add a wax")
    page.locator(f"{BAR} [data-choice=tie]").click()
    expect(page.locator(BAR)).to_have_attribute("data-done", "1")
    assert [one.choice for one in judged_of(measured)] == ["tie"]


@pytest.mark.parametrize("side", ["dark", "light"])
def test_axe_finds_nothing_serious(
    side: str, measured: BenchmarkFolder, new_page: NewPage, server: Server
) -> None:
    page = new_page(server.url, color_scheme=side)
    open_studio(page, server)
    open_view(page)
    open_form(page)
    page.locator("#benchmark-from-generate").click()
    expect(page.locator(".contender")).to_have_count(1)
    page.locator("#benchmark-scores details summary").first.click()
    settled(page)
    told = {"Table": findings(page)}
    page.get_by_role("tab", name="Blind duels").click()
    for done in ("1", "2", "3"):
        page.locator(f"{BAR} [data-choice=left]").click()
        expect(page.locator(BAR)).to_have_attribute("data-done", done)
    page.locator(f"{BAR} [data-act=end]").click()
    expect(page.locator("#duel-verdict")).to_contain_text("smooth")
    settled(page)
    told["Blind duels"] = findings(page)
    assert not any(told.values()), told


@pytest.mark.parametrize("view", ["Table", "Blind duels"])
def test_every_stop_is_named_and_seen(view: str, measured: BenchmarkFolder, page: Page) -> None:
    open_view(page)
    open_form(page)
    page.locator("#benchmark-from-generate").click()
    expect(page.locator(".contender")).to_have_count(1)
    page.get_by_role("tab", name=view).click()
    settled(page)
    page.get_by_role("tab", name="Benchmark").focus()
    page.keyboard.press("Tab")
    assert 12 < len(walk(page)) < MOST_STOPS
