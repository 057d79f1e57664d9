"""The Generate tab's handlers over plain values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from studio.pictures.gallery import Gallery
from studio.queue.job import Progress
from studio.queue.table import JobTable
from studio.ui.generate import handlers as handlers_module
from studio.ui.generate.controls import CONTROL_NAMES
from studio.ui.generate.handlers import GenerateHandlers
from studio.ui.generate.init_picture import InitContent
from studio.ui.generate.lora_stack import LoraContent
from studio.ui.generate.watching import Watch
from tests.studio.ui.conftest import add_picture, finish, submit

FORM: dict[str, Any] = {
    "prompt": "mountains at dusk",
    "as_list": False,
    "negative_prompt": "",
    "model": "micro-4k",
    "preset": "custom",
    "width_px": 512,
    "height_px": 256,
    "num_inference_steps": 8,
    "guidance_scale": 3.0,
    "coarse_first": 0.0,
    "seed": 7,
    "seed_mode": "fixed",
    "count": 1,
    "adapters": LoraContent(),
    "rope": "none",
    "speed": [],
    "memory": "auto",
    "init": InitContent(),
}


@pytest.fixture(autouse=True)
def every_model_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.models.admission.check_available", check_nothing)


def check_nothing(entry: object) -> None:
    return None


def press(handlers: GenerateHandlers, watch: dict[str, Any] | None = None, **changes: Any) -> tuple[Any, ...]:
    form = {**FORM, **changes}
    return handlers.submit(*(form[name] for name in CONTROL_NAMES), watch)


def event(**data: Any) -> gr.EventData:
    return gr.EventData(None, data)


def test_generate_writes_the_table_and_watches_the_job(handlers: GenerateHandlers, jobs: JobTable) -> None:
    seed, watch, scene, *_ = press(handlers)
    (job,) = jobs.jobs()
    assert (job.state, job.label) == ("queued", "mountains at dusk")
    assert (job.request["width_px"], job.request["height_px"], job.request["seed"]) == (512, 256, 7)
    assert (seed, watch["jobs"], scene.id) == (7, (job.id,), f"job-{job.id}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preset": "custom", "width": None}, "width is empty; enter 1024, say"),
        ({"preset": "custom", "height": None}, "height is empty; enter 1024, say"),
        ({"seed": None}, "seed is empty; enter 7, say"),
        ({"count": None}, "the number of pictures is empty; enter 1, say"),
        ({"steps": None}, "steps is empty; enter 28, say"),
        ({"seed": 1.5}, "seed must be a whole number, got 1.5; enter 7, say"),
    ],
    ids=str,
)
def test_an_empty_field_is_told(
    handlers: GenerateHandlers, jobs: JobTable, changes: dict[str, Any], words: str
) -> None:
    names = {"width": "width_px", "height": "height_px", "steps": "num_inference_steps"}
    with pytest.raises(ValueError, match=words):
        press(handlers, **{names.get(name, name): value for name, value in changes.items()})
    assert jobs.jobs() == []


def test_an_empty_seed_does_not_matter_where_it_is_random(handlers: GenerateHandlers, jobs: JobTable) -> None:
    press(handlers, seed=None, seed_mode="random")
    assert len(jobs.jobs()) == 1


def test_what_runs_stays_on_the_stage_when_more_is_asked_for(
    handlers: GenerateHandlers, jobs: JobTable
) -> None:
    _, watch, *_ = press(handlers)
    running = jobs.claim(1)
    assert running is not None
    jobs.report(running.id, Progress("denoising", 2, 9, None, None), None)
    _, watch, scene, status, *_ = press(handlers, watch, prompt="one more")
    assert len(watch["jobs"]) == 2
    assert scene.id == f"job-{running.id}"
    assert "step 2 of 9" in status.text
    jobs.fail(running.id, "out of memory")
    _, watch, scene, *_ = press(handlers, watch, prompt="a third")  # what has ended is let go
    assert running.id not in watch["jobs"]


def test_keys_on_the_stage(
    handlers: GenerateHandlers, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(gr, "Info", lambda text, **look: told.append(text))
    old, middle, new = (add_picture(gallery, name, seed=i) for i, name in enumerate(("old", "middle", "new")))

    def pressed(action: str, shown: str) -> str:
        _, scene, *_ = handlers.act_on_picture(None, event(action=action, picture=shown))
        return str(scene.picture)

    assert pressed("star", middle.id) == middle.id
    assert gallery.get(middle.id).starred
    assert pressed("trash", middle.id) == old.id
    assert pressed("trash", old.id) == new.id
    assert pressed("trash", new.id) == ""
    assert [pressed("undo", "") for _ in range(3)] == [new.id, old.id, middle.id]
    assert pressed("undo", middle.id) == middle.id
    assert told[:3] == ["In the trash. Ctrl+Z brings it back."] * 3
    assert told[3:] == ["The trash is empty, nothing to take back."]
    with pytest.raises(gr.Error, match="unknown action 'explode'"):
        pressed("explode", middle.id)


def test_a_preset_outweighs_the_two_fields(handlers: GenerateHandlers, jobs: JobTable) -> None:
    press(handlers, preset="3072x4096")
    assert (jobs.jobs()[0].request["width_px"], jobs.jobs()[0].request["height_px"]) == (3072, 4096)


def test_a_list_of_prompts_becomes_one_job_each(handlers: GenerateHandlers, jobs: JobTable) -> None:
    press(handlers, prompt="one\n\ntwo\n", as_list=True, count=2, seed_mode="walk")
    assert sorted(job.label for job in jobs.jobs()) == ["one", "one", "two", "two"]


def test_walking_leaves_the_next_seed_in_the_form(handlers: GenerateHandlers, jobs: JobTable) -> None:
    seed, *_ = press(handlers, seed_mode="walk", count=3)
    assert sorted(job.request["seed"] for job in jobs.jobs()) == [7, 8, 9]
    assert seed == 10


def test_a_random_seed_is_written_into_the_form(handlers: GenerateHandlers, jobs: JobTable) -> None:
    seed, *_ = press(handlers, seed_mode="random")
    assert seed == jobs.jobs()[0].request["seed"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt": "  "}, "prompt"),
        ({"width_px": 500}, "multiple of 32"),
        ({"width_px": 32}, "256"),
        ({"model": "no/such/model"}, "no/such/model"),
    ],
)
def test_bad_input_is_one_sentence_and_no_job(
    handlers: GenerateHandlers, jobs: JobTable, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        press(handlers, **changes)
    assert jobs.jobs() == []


def test_a_refusal_stands_at_the_button_and_moves_nothing(handlers: GenerateHandlers, jobs: JobTable) -> None:
    def generate(**changes: Any) -> tuple[Any, ...]:
        form = {**FORM, **changes}
        return handlers.generate(*(form[name] for name in CONTROL_NAMES), None)

    said, *rest = generate(prompt=" <b>", width_px=500)
    assert "role='alert'" in said
    assert "multiple of 32" in said
    assert rest == [gr.skip()] * len(rest)
    taken = generate()
    assert taken[0] == ""
    assert len(taken) == len(rest) + 1
    assert len(jobs.jobs()) == 1


def test_a_host_that_allows_less_says_so(handlers: GenerateHandlers, jobs: JobTable) -> None:
    with pytest.raises(ValueError, match="at most 1"):
        press(
            replace(handlers, settings=replace(handlers.settings, max_megapixels=1.0)),
            width_px=2048,
            height_px=2048,
        )
    assert jobs.jobs() == []


def test_a_tick_sends_nothing_while_nothing_changes(handlers: GenerateHandlers, jobs: JobTable) -> None:
    watch = press(handlers)[1]
    *_, seen = handlers.show(Watch.from_plain(watch))
    assert handlers.tick(watch, seen) == gr.skip()
    jobs.claim(1)
    assert handlers.tick(watch, seen) != gr.skip()


def test_what_changes_during_a_look_is_news_to_the_next(
    handlers: GenerateHandlers, jobs: JobTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = press(handlers)[1]
    usual = handlers_module.queue_rows

    def rows(*asked: Any) -> Any:
        read = usual(*asked)
        jobs.cancel_all()
        return read

    with monkeypatch.context() as during:
        during.setattr(handlers_module, "queue_rows", rows)
        _, _, shown, *_, seen = handlers.look(Watch.from_plain(watch))
    assert [row.state for row in shown.rows] == ["queued"]
    assert [row.state for row in handlers.tick(watch, seen)[2].rows] == ["cancelled"]


def test_queue_buttons(handlers: GenerateHandlers, jobs: JobTable) -> None:
    first, second, third = (submit(jobs, seed=seed) for seed in (1, 2, 3))
    handlers.act_on_job(None, event(action="front", id=third))
    assert [job.id for job in jobs.jobs()] == [third, first, second]
    handlers.act_on_job(None, event(action="down", id=third))
    assert [job.id for job in jobs.jobs()] == [first, third, second]
    handlers.act_on_job(None, event(action="cancel", id=first))
    assert jobs.get(first).state == "cancelled"
    watch, *_ = handlers.act_on_job(None, event(action="retry", id=first))
    assert jobs.get(watch["jobs"][0]).state == "queued"
    handlers.act_on_job(None, event(action="cancel_all", id=0))
    handlers.act_on_job(None, event(action="clear_finished", id=0))
    assert jobs.jobs() == []


def test_an_unknown_action_is_refused(handlers: GenerateHandlers) -> None:
    with pytest.raises(gr.Error, match="explode"):
        handlers.act_on_job(None, event(action="explode", id=1))


def test_opening_a_finished_job_pins_its_picture(
    handlers: GenerateHandlers, jobs: JobTable, gallery: Gallery
) -> None:
    submit(jobs)
    picture = add_picture(gallery)
    job = finish(jobs, picture)
    watch, scene, *_ = handlers.act_on_job(None, event(action="open", id=job))
    assert (watch["picture"], scene.id) == (picture.id, f"picture-{picture.id}")


def test_arrows_go_to_the_neighbours_and_stop_at_the_ends(
    handlers: GenerateHandlers, gallery: Gallery
) -> None:
    old, middle, new = (add_picture(gallery, name, seed=i) for i, name in enumerate(("old", "middle", "new")))

    def turned(watch: Any, shown: str, delta: int) -> tuple[Any, Any]:
        watch, scene, *_ = handlers.turn(watch, event(delta=delta, picture=shown))
        return watch, scene

    watch, scene = turned(None, new.id, 1)
    assert (scene.id, scene.picture) == (f"picture-{middle.id}", middle.id)
    watch, last = turned(watch, middle.id, 1)
    assert last.picture == old.id
    watch, again = turned(watch, old.id, 1)
    assert again.picture == old.id
    assert again.demand > last.demand > scene.demand  # each is an answer to a wish of its own
    assert turned(watch, old.id, -2)[1].picture == new.id
    assert turned(watch, old.id, -9)[1].picture == new.id
    # The browser's memory may lag behind the picture that it shows.
    assert turned(None, middle.id, 1)[1].picture == old.id
    assert turned(None, "", 1)[1].picture == new.id  # from a live render
