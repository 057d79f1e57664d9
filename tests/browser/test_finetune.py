"""The Fine-tune tab in a real browser: a home with runs in three states, the form, its TOML, its chart."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from finetune.run_folder import RunFolder
from tests.browser.conftest import Guard, Server, hold, until, wait_until_open
from tests.browser.finetune_home import DONE, STEPS, fill_home, keep_alive

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


@pytest.fixture(autouse=True)
def home(server: Server) -> Iterator[RunFolder]:
    """Runs in three states; the one that lives."""
    live = fill_home(server.workspace.runs, server.workspace.datasets)
    ended = threading.Event()
    thread = threading.Thread(target=keep_alive, args=(live, ended))
    thread.start()
    yield live
    ended.set()
    thread.join()


@pytest.fixture
def tab(home: RunFolder, page: Page) -> Page:
    page.get_by_role("tab", name="Fine-tune").click()
    page.wait_for_selector(".runs-row")
    return page


def pick(page: Page, name: str) -> None:
    page.locator(f'.runs-row[data-key="{name}"]').click()
    page.wait_for_function(f"document.querySelector('.run h2').textContent === '{name}'")


def test_three_runs_in_their_true_states(tab: Page) -> None:
    states = {
        row.get_attribute("data-key"): row.get_attribute("data-state")
        for row in tab.locator(".runs-row").all()
    }
    assert states == {"oil": "done", "oil-more": "interrupted", "oil-live": "running"}
    more = tab.locator('.runs-row[data-key="oil-more"]')
    assert "from oil" in more.inner_text()
    assert "higher rate" in more.inner_text()


def test_a_running_run_shows_its_progress_and_its_buttons(tab: Page, home: RunFolder) -> None:
    pick(tab, "oil-live")
    assert (
        f"step {DONE} of {STEPS} · 2.1 s per step · {26 * 2.1:.0f} s left"
        == tab.locator(".run-progress").inner_text()
    )
    shown = [button.get_attribute("data-action") for button in tab.locator(".run-actions > button").all()]
    assert shown == ["stop", "stop_now", "save", "sample", "duplicate"]
    chips = tab.locator(".run-chips").inner_text()
    assert "RAM" in chips
    assert "disk" in chips
    assert "1.2 GiB" in chips
    tab.locator('.run-actions [data-action="save"]').click()
    until(tab, lambda: home.asked("SAVE"))
    tab.locator('.run-actions [data-action="stop"]').click()
    tab.wait_for_selector('.run[data-state="stopping"]')
    assert home.asked("STOP")
    home.granted("STOP")
    tab.wait_for_selector('.run[data-state="running"]')


def test_a_press_before_the_last_one_is_answered_counts_too(tab: Page, home: RunFolder) -> None:
    pick(tab, "oil-live")
    held = hold(tab, "**/gradio_api/queue/join*")
    tab.locator('.run-actions [data-action="save"]').click()
    tab.locator('.run-actions [data-action="stop"]').click()
    assert not home.asked("SAVE")
    held.let_go()
    until(tab, lambda: home.asked("SAVE") and home.asked("STOP"))


def test_curves_bands_and_validation_are_drawn(tab: Page) -> None:
    pick(tab, "oil-live")
    for name, lines in (("loss", 2), ("bands", 8), ("validation", 6)):
        tab.wait_for_function(
            f"document.querySelector('#ft-{name} .js-plotly-plot')?.data?.length === {lines}"
        )
    last = tab.evaluate(
        "Array.from(document.querySelector('#ft-loss .js-plotly-plot')?._fullData?.[0]?.x ?? []).at(-1)"
    )
    assert last == DONE
    tab.locator("#ft-log-scale input").check()
    tab.wait_for_function("document.querySelector('#ft-loss .js-plotly-plot')?.layout.yaxis.type === 'log'")
    tab.locator("#ft-log-scale input").uncheck()


def test_new_steps_arrive_by_themselves(tab: Page, home: RunFolder) -> None:
    pick(tab, "oil-live")
    home.append("steps.jsonl", {"step": DONE + 1, "loss": 0.3, "bands": {"ll": 0.3}, "seconds": 2.0})
    tab.wait_for_function(
        f"Array.from(document.querySelector('#ft-loss .js-plotly-plot')?._fullData?.[0]?.x ?? []).at(-1) === {DONE + 1}"
    )


def test_restarts_and_other_runs_in_one_chart(tab: Page) -> None:
    pick(tab, "oil-more")
    tab.wait_for_function(
        "document.querySelector('#ft-loss .js-plotly-plot')?.layout.annotations?.[0]?.text === 'restarted'"
    )
    others = tab.locator("#ft-others input")
    others.click()
    tab.get_by_role("option", name="oil", exact=True).click()
    tab.wait_for_function(
        "document.querySelector('#ft-loss .js-plotly-plot')?.data?.map((t) => t.name).includes('oil')"
    )
    tab.keyboard.press("Escape")
    tab.locator(".run h2").click()
    assert "goes on from step 20" in tab.locator(".run-sentence").inner_text()
    assert tab.locator('.run-actions [data-action="resume"]').inner_text() == "Resume"
    assert tab.locator(".run-continue option").all_inner_texts() == ["step 20"]


def test_samples_walk_with_the_arrow_keys(tab: Page) -> None:
    pick(tab, "oil")
    tab.wait_for_selector(".samples-cell img")
    assert tab.locator(".samples-cell").count() == 8
    large = tab.locator(".samples-large")
    assert (large.get_attribute("data-step"), large.get_attribute("data-index")) == ("60", "0")
    tab.locator('.samples-cell[aria-selected="true"]').focus()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowLeft")
    assert (large.get_attribute("data-step"), large.get_attribute("data-index")) == ("40", "1")
    tab.wait_for_function("document.querySelector('.samples-large img').naturalWidth === 256")
    tab.keyboard.press("ArrowLeft")
    assert "OutOfMemoryError" in large.inner_text()


def test_two_runs_settings_side_by_side(tab: Page) -> None:
    pick(tab, "oil-more")
    tab.locator("#ft-compare input").click()
    tab.get_by_role("option", name="oil", exact=True).click()
    tab.wait_for_selector("#ft-settings .settings-differing tr")
    text = tab.locator("#ft-settings .settings-differing").inner_text()
    assert "optimizer.learning_rate" in text
    assert "0.001" in text


def test_notes_are_kept(tab: Page, server: Server) -> None:
    pick(tab, "oil")
    box = tab.locator("#ft-notes textarea")
    box.fill("the first one")
    box.blur()
    tab.wait_for_function(
        "document.querySelector('.runs-row[data-key=oil] .runs-note').textContent === 'the first one'"
    )
    pick(tab, "oil-more")
    tab.wait_for_function("document.querySelector('#ft-notes textarea').value === 'higher rate'")


def test_a_change_of_the_form_reaches_chart_and_toml(tab: Page) -> None:
    tab.locator(".ft-step > button", has_text="3  Objective").click()
    tab.wait_for_selector("#ft-verdict :text('This is plain MSE of the velocity')")
    tab.wait_for_selector("#ft-weights .js-plotly-plot")
    assert tab.locator("#ft-objective-low_weight").is_hidden()
    tab.locator("#ft-objective-kind").get_by_label("wavelet", exact=True).check(force=True)
    tab.wait_for_selector("#ft-objective-low_weight", state="visible")
    tab.wait_for_selector("#ft-verdict :text('By Parseval')")
    tab.locator("#ft-objective-low_weight input").fill("0.25")
    tab.wait_for_selector("#ft-verdict :text('bands weigh differently')")
    tab.wait_for_function(
        "document.querySelector('#ft-weights .js-plotly-plot')._fullData"
        ".some((t) => t.name === 'll1' && t.y[5] === 0.25)"
    )
    tab.locator(".ft-step > button", has_text="As TOML").click()
    tab.wait_for_function(
        "document.querySelector('#ft-toml .cm-content')?.textContent.includes('low_weight = 0.25')"
    )


def test_a_wrong_value_is_told_beside_its_field(tab: Page) -> None:
    tab.locator(".ft-step > button", has_text="3  Objective").click()
    tab.locator("#ft-objective-kind").get_by_label("wavelet", exact=True).check(force=True)
    tab.wait_for_selector("#ft-verdict :text('By Parseval')")
    tab.locator("#ft-objective-low_weight input").fill("-1")
    tab.wait_for_function(
        "getComputedStyle(document.querySelector('#ft-objective-low_weight'), '::after').content.includes('at least 0')"
    )
    assert "at least 0" in (tab.locator(".ft-problem").text_content() or "")
    tab.locator("#ft-objective-low_weight input").fill("1")
    tab.wait_for_function("document.querySelector('.ft-problem').hidden")


def test_toml_fills_the_form(tab: Page, server: Server) -> None:
    source = server.workspace.datasets / "hills"
    tab.locator(".ft-step > button", has_text="3  Objective").click()
    toml_editor(tab).click()
    tab.keyboard.press("Control+A")
    tab.keyboard.insert_text(f'[objective]\nkind = "wlf"\n[data]\nsource = "{source}"\nresolution_px = 128\n')
    tab.wait_for_selector("#ft-verdict :text('sigma^2-weighted')")
    assert tab.locator("#ft-objective-kind").get_by_label("wlf").is_checked()
    tab.wait_for_function("document.querySelector('#dataset-resolution input').value === '128'")
    tab.keyboard.press("Control+End")
    tab.keyboard.insert_text("resolutoin = 3\n")
    tab.wait_for_function("!document.querySelector('.ft-problem').hidden")
    assert "did you mean" in (tab.locator(".ft-problem").text_content() or "")
    assert tab.locator("#ft-objective-kind").get_by_label("wlf").is_checked()


def test_checks_then_a_run_into_the_queue_and_out(tab: Page, server: Server) -> None:
    (worker,) = server.workers()
    worker.suspend()  # so that the run waits
    try:
        in_and_out_of_the_queue(tab, server)
    finally:
        worker.resume()


def named(tab: Page, name: str) -> None:
    """Wait until TOML that was typed has reached the fields, which are what is started."""
    tab.wait_for_function(
        f"document.querySelector('#ft-output-name :is(textarea, input)').value === '{name}'"
    )


def in_and_out_of_the_queue(tab: Page, server: Server) -> None:
    toml_editor(tab).click()
    tab.keyboard.press("Control+A")
    source = server.workspace.datasets / "hills"
    tab.keyboard.insert_text(
        f'[data]\nsource = "{source}"\nresolution_px = 128\n[resources]\nprecision = "fp32"\n[output]\nname = "fresh"\n'
    )
    tab.wait_for_selector('#ft-checks li[data-level="ok"]:has-text("9 crops at 128 px")')
    assert tab.locator('#ft-checks li:not([data-level="ok"])').count() == 0
    named(tab, "fresh")
    tab.locator("#ft-start").click()
    tab.wait_for_selector('.run[data-state="waiting"]')
    assert tab.locator(".run h2").inner_text() == "fresh"
    tab.locator('.run-actions [data-action="stop"]').click()
    tab.wait_for_selector('.run[data-state="new"]')
    tab.locator('.run-actions [data-action="delete"]').click()
    tab.locator('.run-actions [data-action="delete"]').click()
    tab.wait_for_selector('.runs-row[data-key="fresh"]', state="detached")
    expect(tab.locator(".runs-trashed")).to_contain_text("fresh is in the trash")
    tab.locator(".runs-trashed button").click()
    tab.wait_for_selector('.runs-row[data-key="fresh"]')


def test_a_dataset_of_the_home_is_chosen_and_its_crops_are_shown(tab: Page, server: Server) -> None:
    toml_editor(tab).click()
    tab.keyboard.press("Control+A")
    tab.keyboard.insert_text("[data]\nresolution_px = 128\n")
    tab.wait_for_selector('#ft-checks li[data-level="problem"]:has-text("no dataset is chosen")')
    tab.locator("#dataset-known input").click()
    tab.get_by_role("option", name="hills").click()
    tab.wait_for_selector(".dataset-card img[src]")
    expect(tab.locator(".dataset-card")).to_have_count(9)
    source = server.workspace.datasets / "hills"
    tab.wait_for_function(f"document.querySelector('#ft-toml .cm-content').textContent.includes('{source}')")
    tab.wait_for_selector('#ft-checks li:has-text("crops at 128 px")')
    pick(tab, "oil")
    assert tab.locator(".run h2").is_visible()


def test_a_problem_is_told_and_nothing_started(tab: Page, server: Server) -> None:
    toml_editor(tab).click()
    tab.keyboard.press("Control+A")
    tab.keyboard.insert_text('[data]\nsource = "/no/such/folder"\n')
    tab.wait_for_selector('#ft-checks li[data-level="problem"]:has-text("/no/such/folder")')
    tab.wait_for_function("document.querySelector('#dataset-folder input').value === '/no/such/folder'")
    before = len(os.listdir(server.workspace.runs))
    tab.locator("#ft-start").click()
    tab.wait_for_selector(".toast-body:has-text('/no/such/folder')")
    assert len(os.listdir(server.workspace.runs)) == before


def toml_editor(tab: Page) -> Locator:
    """Opened if it is not; a page that was loaded anew has it closed."""
    editor = tab.locator("#ft-toml .cm-content")
    if editor.count() == 0:
        tab.locator(".ft-step > button", has_text="As TOML").click()
    editor.wait_for()
    return editor


def test_the_form_and_the_choice_survive_a_reload(tab: Page, guard: Guard) -> None:
    pick(tab, "oil-more")
    before = tab.evaluate("localStorage.getItem('d4k-finetune-form')")
    toml_editor(tab).click()
    tab.keyboard.press("Control+A")
    tab.keyboard.insert_text('[data]\nsource = "/kept/over/a/reload"\n')
    # What the browser keeps is encrypted: it has changed, more cannot be seen.
    tab.wait_for_function(f"localStorage.getItem('d4k-finetune-form') !== {json.dumps(before)}")
    tab.wait_for_selector('#ft-checks li[data-level="problem"]:has-text("/kept/over/a/reload")')
    tab.reload()
    wait_until_open(tab)
    guard.complaints.clear()  # of requests that were under way and the reload cut off
    tab.get_by_role("tab", name="Fine-tune").click()
    tab.wait_for_function("document.querySelector('.run h2')?.textContent === 'oil-more'")
    tab.wait_for_function("document.querySelector('#dataset-folder input').value === '/kept/over/a/reload'")
    tab.wait_for_function("document.querySelector('#ft-notes textarea').value === 'higher rate'")


def test_pasted_and_deleted_text_counts_at_once(tab: Page) -> None:
    """The field is not left, and no key that writes a letter is pressed: Gradio's own `input` would tell of nothing."""

    def toml_says(words: str) -> None:
        tab.wait_for_function(
            f"document.querySelector('#ft-toml .cm-content').textContent.includes({json.dumps(words)})"
        )

    toml_editor(tab)
    field = tab.locator("#ft-output-name textarea, #ft-output-name input").first
    field.click()
    field.press("Control+A")
    tab.keyboard.insert_text("pasted-name")
    toml_says('name = "pasted-name"')
    field.press("Backspace")
    toml_says('name = "pasted-nam"')
    assert field.evaluate("(field) => document.activeElement === field")
    assert field.input_value() == "pasted-nam"


def test_toml_that_is_typed_is_not_written_over_by_the_fields_that_it_fills(tab: Page) -> None:
    toml_editor(tab).click()
    tab.keyboard.press("Control+A")
    tab.keyboard.insert_text('# mine\n[output]\nname = "by-toml"\n')
    tab.wait_for_function(
        "document.querySelector('#ft-output-name :is(textarea, input)').value === 'by-toml'"
    )
    tab.wait_for_selector('#ft-checks li:has-text("runs/by-toml")')  # all answers to it have come
    assert "# mine" in (toml_editor(tab).text_content() or "")
