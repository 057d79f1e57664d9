"""The Fine-tune tab in a real browser: a home with runs in three states, their curves and samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finetune.run_folder import RunFolder
from tests.browser.acting import Held, hold, until, wait_until_true
from tests.browser.finetune_home import DONE, STEPS
from tests.browser.studio_server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


def pick(page: Page, name: str) -> None:
    page.locator(f'.runs-row[data-key="{name}"]').click()
    wait_until_true(page, f"document.querySelector('.run h2').textContent === '{name}'")


def test_a_studio_without_runs_tells_how_a_training_begins(page: Page) -> None:
    page.get_by_role("tab", name="Fine-tune").click()
    page.get_by_role("region", name="How a training begins").wait_for()
    assert not page.locator(".run-head").is_visible()


def test_three_runs_in_their_true_states(finetune_tab: Page) -> None:
    states = {
        row.get_attribute("data-key"): row.get_attribute("data-state")
        for row in finetune_tab.locator(".runs-row").all()
    }
    assert states == {"oil": "done", "oil-more": "interrupted", "oil-live": "running"}
    more = finetune_tab.locator('.runs-row[data-key="oil-more"]')
    assert "from oil" in more.inner_text()
    assert "higher rate" in more.inner_text()


def test_a_running_run_shows_its_progress_and_its_buttons(finetune_tab: Page, live_run: RunFolder) -> None:
    pick(finetune_tab, "oil-live")
    assert (
        f"step {DONE} of {STEPS} · 2.1 s per step · {26 * 2.1:.0f} s left"
        == finetune_tab.locator(".run-progress").inner_text()
    )
    shown = [
        button.get_attribute("data-action") for button in finetune_tab.locator(".run-actions > button").all()
    ]
    assert shown == ["stop", "stop_now", "save", "sample", "duplicate"]
    assert not finetune_tab.get_by_role("region", name="How a training begins").is_visible()
    chips = finetune_tab.locator(".run-chips").inner_text()
    assert "RAM" in chips
    assert "disk" in chips
    assert "1.2 GiB" in chips
    finetune_tab.locator('.run-actions [data-action="save"]').click()
    until(finetune_tab, lambda: live_run.asked("SAVE"))
    finetune_tab.locator('.run-actions [data-action="stop"]').click()
    finetune_tab.wait_for_selector('.run[data-state="stopping"]')
    assert live_run.asked("STOP")
    live_run.granted("STOP")
    finetune_tab.wait_for_selector('.run[data-state="running"]')


def test_a_stop_that_comes_and_goes_between_two_looks_is_shown_as_gone(
    finetune_tab: Page, live_run: RunFolder
) -> None:
    """The version is then what it was before the press."""
    pick(finetune_tab, "oil-live")
    for _ in range(2):  # the second is asked once the page knows the answer to the first
        with finetune_tab.expect_request_finished(
            lambda asked: "runs_version" in (asked.post_data or "") and "oil-live" in (asked.post_data or "")
        ):
            pass
    held = hold(finetune_tab, "**/gradio_api/component_server/**")
    finetune_tab.locator('.run-actions [data-action="stop"]').click()
    finetune_tab.wait_for_selector('.run[data-state="stopping"]')
    live_run.granted("STOP")
    held.let_go()
    finetune_tab.wait_for_selector('.run[data-state="running"]')


def test_a_look_that_was_asked_before_a_press_does_not_stand_for_the_one_after_it(
    finetune_tab: Page, live_run: RunFolder
) -> None:
    pick(finetune_tab, "oil-live")
    finetune_tab.wait_for_selector('.run[data-state="running"]')
    held, early = Held(), []

    def take(route: Route) -> None:
        asked = route.request.post_data or ""
        if "runs_version" not in asked or "oil-live" not in asked:
            route.fallback()
        elif early:
            held.take(route)
        else:
            early.append((route, route.fetch()))

    finetune_tab.route("**/gradio_api/component_server/**", take)
    until(finetune_tab, lambda: bool(early))
    finetune_tab.locator('.run-actions [data-action="stop"]').click()
    finetune_tab.wait_for_selector('.run[data-state="stopping"]')
    route, answer = early[0]
    route.fulfill(response=answer)
    until(finetune_tab, lambda: bool(held.routes))
    live_run.granted("STOP")
    held.let_go()
    finetune_tab.wait_for_selector('.run[data-state="running"]')


def test_a_press_before_the_last_one_is_answered_counts_too(finetune_tab: Page, live_run: RunFolder) -> None:
    pick(finetune_tab, "oil-live")
    held = hold(finetune_tab, "**/gradio_api/queue/join*")
    finetune_tab.locator('.run-actions [data-action="save"]').click()
    finetune_tab.locator('.run-actions [data-action="stop"]').click()
    assert not live_run.asked("SAVE")
    held.let_go()
    until(finetune_tab, lambda: live_run.asked("SAVE") and live_run.asked("STOP"))


def test_curves_bands_and_validation_are_drawn(finetune_tab: Page) -> None:
    pick(finetune_tab, "oil-live")
    for name, lines in (("loss", 2), ("bands", 8), ("validation", 6)):
        wait_until_true(
            finetune_tab, f"document.querySelector('#ft-{name} .js-plotly-plot')?.data?.length === {lines}"
        )
    last = finetune_tab.evaluate(
        "Array.from(document.querySelector('#ft-loss .js-plotly-plot')?._fullData?.[0]?.x ?? []).at(-1)"
    )
    assert last == DONE
    finetune_tab.locator("#ft-log-scale input").check()
    wait_until_true(
        finetune_tab, "document.querySelector('#ft-loss .js-plotly-plot')?.layout.yaxis.type === 'log'"
    )
    finetune_tab.locator("#ft-log-scale input").uncheck()


def test_new_steps_arrive_by_themselves(finetune_tab: Page, live_run: RunFolder) -> None:
    pick(finetune_tab, "oil-live")
    live_run.append("steps.jsonl", {"step": DONE + 1, "loss": 0.3, "bands": {"ll": 0.3}, "seconds": 2.0})
    wait_until_true(
        finetune_tab,
        f"Array.from(document.querySelector('#ft-loss .js-plotly-plot')._fullData[0].x).at(-1) === {DONE + 1}",
    )


def test_restarts_and_other_runs_in_one_chart(finetune_tab: Page) -> None:
    pick(finetune_tab, "oil-more")
    wait_until_true(
        finetune_tab,
        "document.querySelector('#ft-loss .js-plotly-plot')?.layout.annotations?.[0]?.text === 'restarted'",
    )
    others = finetune_tab.locator("#ft-others input")
    others.click()
    finetune_tab.get_by_role("option", name="oil", exact=True).click()
    wait_until_true(
        finetune_tab,
        "document.querySelector('#ft-loss .js-plotly-plot')?.data?.map((t) => t.name).includes('oil')",
    )
    finetune_tab.keyboard.press("Escape")
    finetune_tab.locator(".run h2").click()
    assert "goes on from step 20" in finetune_tab.locator(".run-sentence").inner_text()
    assert finetune_tab.locator('.run-actions [data-action="resume"]').inner_text() == "Resume"
    assert finetune_tab.locator(".run-continue option").all_inner_texts() == ["step 20"]


def test_samples_walk_with_the_arrow_keys(finetune_tab: Page) -> None:
    pick(finetune_tab, "oil")
    finetune_tab.wait_for_selector(".samples-cell img")
    assert finetune_tab.locator(".samples-cell").count() == 8
    large = finetune_tab.locator(".samples-large")
    assert (large.get_attribute("data-step"), large.get_attribute("data-index")) == ("60", "0")
    finetune_tab.locator('.samples-cell[aria-selected="true"]').focus()
    finetune_tab.keyboard.press("ArrowDown")
    finetune_tab.keyboard.press("ArrowLeft")
    assert (large.get_attribute("data-step"), large.get_attribute("data-index")) == ("40", "1")
    wait_until_true(finetune_tab, "document.querySelector('.samples-large img').naturalWidth === 256")
    finetune_tab.keyboard.press("ArrowLeft")
    assert "OutOfMemoryError" in large.inner_text()


def test_two_runs_settings_side_by_side(finetune_tab: Page) -> None:
    pick(finetune_tab, "oil-more")
    finetune_tab.locator("#ft-compare input").click()
    finetune_tab.get_by_role("option", name="oil", exact=True).click()
    finetune_tab.wait_for_selector("#ft-settings .settings-differing tr")
    text = finetune_tab.locator("#ft-settings .settings-differing").inner_text()
    assert "optimizer.learning_rate" in text
    assert "0.001" in text


def test_notes_are_kept(finetune_tab: Page, server: Server) -> None:
    pick(finetune_tab, "oil")
    box = finetune_tab.locator("#ft-notes textarea")
    box.fill("the first one")
    box.blur()
    wait_until_true(
        finetune_tab,
        "document.querySelector('.runs-row[data-key=oil] .runs-note').textContent === 'the first one'",
    )
    pick(finetune_tab, "oil-more")
    wait_until_true(finetune_tab, "document.querySelector('#ft-notes textarea').value === 'higher rate'")
