"""The form of the Fine-tune tab in a real browser: fields, TOML, chart, checks, a run into the queue."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.acting import hold_event, until, wait_until_open, wait_until_true
from tests.browser.conftest import Guard
from tests.browser.studio_server import Server
from tests.browser.test_finetune import pick

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def test_a_change_of_the_form_reaches_chart_and_toml(finetune_tab: Page) -> None:
    finetune_tab.locator(".ft-step > button", has_text="3  Objective").click()
    finetune_tab.wait_for_selector("#ft-verdict :text('This is plain MSE of the velocity')")
    finetune_tab.wait_for_selector("#ft-weights .js-plotly-plot")
    assert finetune_tab.locator("#ft-objective-low_weight").is_hidden()
    finetune_tab.locator("#ft-objective-kind").get_by_label("wavelet", exact=True).check()
    finetune_tab.wait_for_selector("#ft-objective-low_weight", state="visible")
    finetune_tab.wait_for_selector("#ft-verdict :text('By Parseval')")
    finetune_tab.locator("#ft-objective-low_weight input").fill("0.25")
    finetune_tab.wait_for_selector("#ft-verdict :text('bands weigh differently')")
    wait_until_true(
        finetune_tab,
        "document.querySelector('#ft-weights .js-plotly-plot')._fullData"
        ".some((t) => t.name === 'll1' && t.y[5] === 0.25)",
    )
    finetune_tab.locator(".ft-step > button", has_text="As TOML").click()
    wait_until_true(
        finetune_tab,
        "document.querySelector('#ft-toml .cm-content')?.textContent.includes('low_weight = 0.25')",
    )


def test_a_wrong_value_is_told_beside_its_field(finetune_tab: Page) -> None:
    finetune_tab.locator(".ft-step > button", has_text="3  Objective").click()
    finetune_tab.locator("#ft-objective-kind").get_by_label("wavelet", exact=True).check()
    finetune_tab.wait_for_selector("#ft-verdict :text('By Parseval')")
    finetune_tab.locator("#ft-objective-low_weight input").fill("-1")
    wait_until_true(
        finetune_tab,
        "getComputedStyle(document.querySelector('#ft-objective-low_weight'), '::after')"
        ".content.includes('at least 0')",
    )
    assert "at least 0" in (finetune_tab.locator(".ft-problem").text_content() or "")
    finetune_tab.locator("#ft-objective-low_weight input").fill("1")
    wait_until_true(finetune_tab, "document.querySelector('.ft-problem').hidden")


def test_toml_fills_the_form(finetune_tab: Page, server: Server) -> None:
    source = server.workspace.datasets / "hills"
    finetune_tab.locator(".ft-step > button", has_text="3  Objective").click()
    toml_editor(finetune_tab).click()
    finetune_tab.keyboard.press("Control+A")
    finetune_tab.keyboard.insert_text(
        f'[objective]\nkind = "wlf"\n[data]\nsource = "{source}"\nresolution_px = 128\n'
    )
    finetune_tab.wait_for_selector("#ft-verdict :text('sigma^2-weighted')")
    assert finetune_tab.locator("#ft-objective-kind").get_by_label("wlf").is_checked()
    wait_until_true(finetune_tab, "document.querySelector('#dataset-resolution input').value === '128'")
    finetune_tab.keyboard.press("Control+End")
    finetune_tab.keyboard.insert_text("resolutoin = 3\n")
    wait_until_true(finetune_tab, "!document.querySelector('.ft-problem').hidden")
    assert "did you mean" in (finetune_tab.locator(".ft-problem").text_content() or "")
    assert finetune_tab.locator("#ft-objective-kind").get_by_label("wlf").is_checked()


def test_what_is_typed_while_the_room_follows_the_toml_stays(finetune_tab: Page, server: Server) -> None:
    source = server.workspace.datasets / "hills"
    finetune_tab.locator(".ft-step > button", has_text="3  Objective").click()
    following = hold_event(finetune_tab, "sourced")
    toml_editor(finetune_tab).click()
    finetune_tab.keyboard.press("Control+A")
    finetune_tab.keyboard.insert_text(f'[data]\nsource = "{source}"\nresolution_px = 128\n')
    until(finetune_tab, lambda: bool(following.routes))
    finetune_tab.keyboard.press("Control+End")
    finetune_tab.keyboard.insert_text("resolutoin = 3\n")
    wait_until_true(finetune_tab, "!document.querySelector('.ft-problem').hidden")
    with finetune_tab.expect_response(lambda answer: answer.request == following.routes[0].request):
        following.let_go()
    finetune_tab.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")
    assert "resolutoin" in (toml_editor(finetune_tab).text_content() or "")
    assert "did you mean" in (finetune_tab.locator(".ft-problem").text_content() or "")


def test_checks_then_a_run_into_the_queue_and_out(finetune_tab: Page, server: Server) -> None:
    (worker,) = server.workers()
    worker.suspend()  # so that the run waits
    try:
        in_and_out_of_the_queue(finetune_tab, server)
    finally:
        worker.resume()


def named(finetune_tab: Page, name: str) -> None:
    """Wait until TOML that was typed has reached the fields, which are what is started."""
    wait_until_true(
        finetune_tab, f"document.querySelector('#ft-output-name :is(textarea, input)').value === '{name}'"
    )


def in_and_out_of_the_queue(finetune_tab: Page, server: Server) -> None:
    toml_editor(finetune_tab).click()
    finetune_tab.keyboard.press("Control+A")
    source = server.workspace.datasets / "hills"
    finetune_tab.keyboard.insert_text(
        f'[data]\nsource = "{source}"\nresolution_px = 128\n[resources]\nprecision = "fp32"\n[output]\nname = "fresh"\n'
    )
    finetune_tab.wait_for_selector('#ft-checks li[data-level="ok"]:has-text("9 crops at 128 px")')
    assert finetune_tab.locator('#ft-checks li:not([data-level="ok"])').count() == 0
    named(finetune_tab, "fresh")
    finetune_tab.locator("#ft-start").click()
    finetune_tab.wait_for_selector('.run[data-state="waiting"]')
    assert finetune_tab.locator(".run h2").inner_text() == "fresh"
    finetune_tab.locator('.run-actions [data-action="stop"]').click()
    finetune_tab.wait_for_selector('.run[data-state="new"]')
    finetune_tab.locator('.run-actions [data-action="delete"]').click()
    finetune_tab.locator('.run-actions [data-action="delete"]').click()
    finetune_tab.wait_for_selector('.runs-row[data-key="fresh"]', state="detached")
    expect(finetune_tab.locator(".runs-trashed")).to_contain_text("fresh is in the trash")
    finetune_tab.locator(".runs-trashed button").click()
    finetune_tab.wait_for_selector('.runs-row[data-key="fresh"]')


def test_a_dataset_of_the_home_is_chosen_and_its_crops_are_shown(finetune_tab: Page, server: Server) -> None:
    toml_editor(finetune_tab).click()
    finetune_tab.keyboard.press("Control+A")
    finetune_tab.keyboard.insert_text("[data]\nresolution_px = 128\n")
    # The answer to what was typed names no dataset either: it must not come after the choice.
    wait_until_true(finetune_tab, "document.querySelector('#dataset-resolution input').value === '128'")
    finetune_tab.wait_for_selector('#ft-checks li[data-level="problem"]:has-text("no dataset is chosen")')
    finetune_tab.locator("#dataset-known input").click()
    finetune_tab.get_by_role("option", name="hills").click()
    finetune_tab.wait_for_selector(".dataset-card img[src]")
    expect(finetune_tab.locator(".dataset-card")).to_have_count(9)
    source = server.workspace.datasets / "hills"
    wait_until_true(
        finetune_tab, f"document.querySelector('#ft-toml .cm-content').textContent.includes('{source}')"
    )
    finetune_tab.wait_for_selector('#ft-checks li:has-text("crops at 128 px")')
    pick(finetune_tab, "oil")
    assert finetune_tab.locator(".run h2").is_visible()


def test_a_problem_is_told_and_nothing_started(finetune_tab: Page, server: Server) -> None:
    toml_editor(finetune_tab).click()
    finetune_tab.keyboard.press("Control+A")
    finetune_tab.keyboard.insert_text('[data]\nsource = "/no/such/folder"\n')
    finetune_tab.wait_for_selector('#ft-checks li[data-level="problem"]:has-text("/no/such/folder")')
    wait_until_true(
        finetune_tab, "document.querySelector('#dataset-folder input').value === '/no/such/folder'"
    )
    before = len(os.listdir(server.workspace.runs))
    finetune_tab.locator("#ft-start").click()
    finetune_tab.wait_for_selector(".toast-body:has-text('/no/such/folder')")
    assert len(os.listdir(server.workspace.runs)) == before


def toml_editor(finetune_tab: Page) -> Locator:
    """Opened if it is not; a page that was loaded anew has it closed."""
    editor = finetune_tab.locator("#ft-toml .cm-content")
    if editor.count() == 0:
        finetune_tab.locator(".ft-step > button", has_text="As TOML").click()
    editor.wait_for()
    return editor


def test_the_form_and_the_choice_survive_a_reload(finetune_tab: Page, guard: Guard) -> None:
    pick(finetune_tab, "oil-more")
    before = finetune_tab.evaluate("localStorage.getItem('d4k-finetune-form')")
    toml_editor(finetune_tab).click()
    finetune_tab.keyboard.press("Control+A")
    finetune_tab.keyboard.insert_text('[data]\nsource = "/kept/over/a/reload"\n')
    # What the browser keeps is encrypted: it has changed, more cannot be seen.
    wait_until_true(finetune_tab, f"localStorage.getItem('d4k-finetune-form') !== {json.dumps(before)}")
    finetune_tab.wait_for_selector('#ft-checks li[data-level="problem"]:has-text("/kept/over/a/reload")')
    finetune_tab.reload()
    wait_until_open(finetune_tab)
    guard.complaints.clear()  # of requests that were under way and the reload cut off
    finetune_tab.get_by_role("tab", name="Fine-tune").click()
    wait_until_true(finetune_tab, "document.querySelector('.run h2')?.textContent === 'oil-more'")
    wait_until_true(
        finetune_tab, "document.querySelector('#dataset-folder input').value === '/kept/over/a/reload'"
    )
    wait_until_true(finetune_tab, "document.querySelector('#ft-notes textarea').value === 'higher rate'")


def test_pasted_and_deleted_text_counts_at_once(finetune_tab: Page) -> None:
    """The field is not left, and no key that writes a letter is pressed: Gradio's own `input` would tell of nothing."""

    def toml_says(words: str) -> None:
        wait_until_true(
            finetune_tab,
            f"document.querySelector('#ft-toml .cm-content').textContent.includes({json.dumps(words)})",
        )

    toml_editor(finetune_tab)
    field = finetune_tab.locator("#ft-output-name textarea, #ft-output-name input").first
    field.click()
    field.press("Control+A")
    finetune_tab.keyboard.insert_text("pasted-name")
    toml_says('name = "pasted-name"')
    field.press("Backspace")
    toml_says('name = "pasted-nam"')
    assert field.evaluate("(field) => document.activeElement === field")
    assert field.input_value() == "pasted-nam"


def test_toml_that_is_typed_is_not_written_over_by_the_fields_that_it_fills(finetune_tab: Page) -> None:
    toml_editor(finetune_tab).click()
    finetune_tab.keyboard.press("Control+A")
    finetune_tab.keyboard.insert_text('# mine\n[output]\nname = "by-toml"\n')
    wait_until_true(
        finetune_tab, "document.querySelector('#ft-output-name :is(textarea, input)').value === 'by-toml'"
    )
    finetune_tab.wait_for_selector('#ft-checks li:has-text("runs/by-toml")')  # all answers to it have come
    assert "# mine" in (toml_editor(finetune_tab).text_content() or "")
