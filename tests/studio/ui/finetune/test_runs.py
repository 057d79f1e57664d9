"""The runs of the Fine-tune tab: only news is sent, and every button does what it says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import psutil
import pytest
from PIL import Image

from finetune.config.files import from_values
from finetune.run_folder import RunFolder, create_run
from finetune.run_status import Status
from studio.home.workspace import Workspace
from studio.models.adapters import RUN_FILE
from studio.training.curves import MAX_POINTS
from studio.training.runs import Trainings
from studio.ui.finetune import run_view
from studio.ui.finetune.run_samples import MAX_STEPS, shown_steps
from studio.ui.finetune.runs import RunsHandlers
from studio.ui.generate.lora_stack import strengths_of

SKIP = gr.skip()
PARTS = (
    "list",
    "view",
    "log",
    "samples",
    "loss",
    "bands",
    "validation",
    "others",
    "compare",
    "pulse",
    "seen",
)


def write_run(runs: Path, name: str, state: str, *, steps: int = 12, parent: str = "") -> RunFolder:
    values = {"output": {"name": name, "parent": parent}, "schedule": {"num_steps": 40}}
    run = create_run(runs, from_values({**values, "data": {"source": "x"}}))
    for step in range(1, steps + 1):
        run.append("steps.jsonl", a_step(step))
    levels = [{"sigma": 0.5, "loss": 0.2}]
    run.append("validation.jsonl", {"step": 0, "loss": 0.5, "bands": {"ll": 1}, "sigmas": levels})
    run.append("validation.jsonl", {"step": 10, "loss": 0.4, "bands": {"ll": 1}, "sigmas": levels})
    run.say(Status(state, step=steps, num_steps=40, message="as asked"))  # type: ignore[arg-type]
    run.log.write_text("12:00:00 begun\n")
    return run


def a_step(step: int) -> dict[str, Any]:
    bands = {"ll": 1.0, "lh": 1.0, "hl": 1.0, "hh": 2.0}
    return {"step": step, "loss": 1 / step, "bands": bands, "grad_norm": 1.0, "seconds": 2.0}


def look(runs_desk: RunsHandlers, chosen: str | None, seen: dict[str, str], **more: Any) -> dict[str, Any]:
    found = runs_desk.news(
        chosen, more.get("others", []), more.get("log", False), more.get("trashed", ""), seen
    )
    assert len(found) == len(PARTS)
    return dict(zip(PARTS, found, strict=True))


def event(**data: Any) -> gr.EventData:
    return gr.EventData(None, data)


def sent(found: dict[str, Any]) -> set[str]:
    return {part for part, value in found.items() if value != SKIP} - {"seen"}


def test_an_empty_home(runs_desk: RunsHandlers) -> None:
    found = look(runs_desk, None, {})
    assert found["list"].rows == ()
    assert found["view"].name == ""
    assert found["loss"]["visible"] is False


def test_only_news_is_sent(runs_desk: RunsHandlers, workspace: Workspace) -> None:
    run = write_run(workspace.runs, "oil", "running")
    first = look(runs_desk, "oil", {})
    assert sent(first) == set(PARTS) - {"seen"}
    assert sent(look(runs_desk, "oil", first["seen"])) <= {"view"}, "the machine's own numbers may change"
    run.append("steps.jsonl", a_step(13))
    news = look(runs_desk, "oil", first["seen"])
    assert {"list", "view", "loss", "bands", "validation"} <= sent(news)
    assert "samples" not in sent(news)
    assert news["loss"]["value"].data[0].x[-1] == 13
    logged = look(runs_desk, "oil", news["seen"], log=True)
    assert {"loss", "bands", "validation"} <= sent(logged)
    assert "list" not in sent(logged)


def test_the_version_follows_what_is_watched(runs_desk: RunsHandlers, workspace: Workspace) -> None:
    run = write_run(workspace.runs, "oil", "stopped")
    before = runs_desk.version(["oil"])
    assert runs_desk.version(["oil"]) == before
    run.append("steps.jsonl", a_step(13))
    assert runs_desk.version(["oil"]) != before
    before = runs_desk.version([])
    run.append("steps.jsonl", a_step(14))
    assert runs_desk.version([]) == before, "curves of a run that nobody looks at"
    run.say(Status("stopped", step=14, num_steps=40))
    assert runs_desk.version([]) != before
    assert "there is no run" in runs_desk.version(["gone"])


def test_a_death_without_a_word_is_news(runs_desk: RunsHandlers, workspace: Workspace) -> None:
    run = write_run(workspace.runs, "oil", "running")
    before = runs_desk.version(["oil"])
    content = json.loads((run.path / "status.json").read_text())
    (run.path / "status.json").write_text(json.dumps(content | {"pid_born": "long ago"}))
    assert runs_desk.version(["oil"]) != before
    assert look(runs_desk, "oil", {})["view"].state == "interrupted"


def test_the_view_in_words(runs_desk: RunsHandlers, workspace: Workspace) -> None:
    write_run(workspace.runs, "oil", "running", parent="root")
    found = look(runs_desk, "oil", {})["view"]
    assert found.progress == "step 12 of 40 · 2.0 s per step · 56 s left"
    assert (found.fraction, found.parent) == (pytest.approx(0.3), "root")
    chips = {chip.name: chip.value for chip in found.chips}
    assert chips["validation"] == "0.4"
    assert {"loss", "gradient", "RAM", "disk", "process"} <= chips.keys()
    used = psutil.Process().memory_info().rss / 2**30
    assert float(chips["process"].split()[0]) == pytest.approx(used, abs=0.3)
    assert found.actions == ("stop", "stop_now", "save", "duplicate")


def test_memory_of_the_graphics_card_is_shown_while_it_trains(
    runs_desk: RunsHandlers, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(workspace.runs, "oil", "running")
    write_run(workspace.runs, "ended", "done")
    monkeypatch.setattr(run_view, "graphics_card", lambda: ("Some Card", 10 * 2**30, 80 * 2**30))
    run_view._card.cache_clear()
    chips = {chip.name: chip for chip in look(runs_desk, "oil", {})["view"].chips}
    assert (chips["GPU"].value, chips["GPU"].hint) == ("70.0 GiB", "memory in use of 80.0 GiB, Some Card")
    assert "GPU" not in {chip.name for chip in look(runs_desk, "ended", {})["view"].chips}
    monkeypatch.setattr(run_view, "graphics_card", lambda: None)
    run_view._card.cache_clear()
    assert "GPU" not in {chip.name for chip in look(runs_desk, "oil", {})["view"].chips}
    run_view._card.cache_clear()


def test_bands_are_drawn_as_trained_and_as_validated(runs_desk: RunsHandlers, workspace: Workspace) -> None:
    write_run(workspace.runs, "oil", "done")
    traces = {trace.name: trace for trace in runs_desk.plots("oil", [], False)[1]["value"].data}
    assert list(traces) == ["LL", "LH", "HL", "HH", "LL validated"]
    assert (list(traces["LL validated"].x), list(traces["LL validated"].y)) == ([0, 10], [1, 1])


def test_curves_on_the_page_are_small(runs_desk: RunsHandlers, workspace: Workspace) -> None:
    run = write_run(workspace.runs, "oil", "stopped", steps=0)
    lines = "".join(json.dumps(a_step(step)) + "\n" for step in range(1, 3001))
    (run.path / "steps.jsonl").write_text(lines)
    for plot in runs_desk.plots("oil", [], False)[:2]:
        for trace in plot["value"].data:
            assert 100 < len(trace.x) <= MAX_POINTS or trace.name == "LL validated"


def test_restarts_and_other_runs_in_the_loss_chart(runs_desk: RunsHandlers, workspace: Workspace) -> None:
    from studio.ui.finetune.plots import loss_plot

    run = write_run(workspace.runs, "oil", "stopped")
    run.mark_restart(8)
    write_run(workspace.runs, "other", "done")
    main, other = (runs_desk.shelf.of(runs_desk.trainings, name) for name in ("oil", "other"))
    figure = loss_plot(main, [other], log=True)
    assert [trace.name for trace in figure.data] == ["each step", "oil", "other"]
    assert [shape.x0 for shape in figure.layout.shapes] == [8]
    assert figure.layout.yaxis.type == "log"
    np.testing.assert_allclose(figure.data[0].y, [1 / step for step in range(1, 9)])


def test_overlays_of_deleted_runs_are_let_go(runs_desk: RunsHandlers, workspace: Workspace) -> None:
    for name in ("a", "b"):
        write_run(workspace.runs, name, "done")
    found = look(runs_desk, "a", {}, others=["b", "gone", "a"])
    assert found["pulse"].runs == ("a", "b")
    assert found["others"]["value"] == ["b"]
    found = look(runs_desk, "gone", {}, others=["b"])
    assert found["view"].name == ""


def test_every_button(runs_desk: RunsHandlers, trainings: Trainings, workspace: Workspace) -> None:
    run = write_run(workspace.runs, "oil", "running")
    for action, request in (("save", "SAVE"), ("sample", "SAMPLE"), ("stop", "STOP")):
        assert runs_desk.act(event(action=action, name="oil", step=None), "") == ("oil", "")
        assert run.asked(request)  # type: ignore[arg-type]
    run.say(Status("stopped", step=12, num_steps=40))
    (run.checkpoints / "step-000010").mkdir(parents=True)
    runs_desk.act(event(action="continue", name="oil", step=10), "")
    assert trainings.jobs.jobs()[0].request == {"run": "oil", "from_step": 10}
    runs_desk.act(event(action="stop", name="oil", step=None), "")
    runs_desk.act(event(action="resume", name="oil", step=None), "")
    assert trainings.jobs.jobs(states=("queued",))[0].request == {"run": "oil", "from_step": None}
    with pytest.raises(gr.Error, match="stop it before"):
        runs_desk.act(event(action="delete", name="oil", step=None), "")
    runs_desk.act(event(action="stop", name="oil", step=None), "")
    chosen, trashed = runs_desk.act(event(action="delete", name="oil", step=None), "")
    assert chosen is None
    assert look(runs_desk, None, {}, trashed=trashed)["list"].trashed == trashed
    assert runs_desk.restore(event(name=trashed)) == ("oil", "")
    with pytest.raises(gr.Error, match="unknown action"):
        runs_desk.act(event(action="explode", name="oil", step=None), "")


def test_stop_now_is_wired(
    runs_desk: RunsHandlers, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr("studio.training.job.end_at_once", lambda pid, born: not ended.append(pid))
    write_run(workspace.runs, "oil", "running")
    runs_desk.act(event(action="stop_now", name="oil", step=None), "")
    assert ended == [os.getpid()]


def test_notes_are_written_once(runs_desk: RunsHandlers, trainings: Trainings, workspace: Workspace) -> None:
    run = write_run(workspace.runs, "oil", "done")
    runs_desk.write_notes("oil", "")
    assert not (run.path / "notes.txt").exists()
    runs_desk.write_notes("oil", "good")
    assert runs_desk.pick(event(name="oil"))[:2] == ("oil", "good")
    assert runs_desk.open_notes("gone") == ""
    runs_desk.write_notes(None, "lost")


def test_settings_beside_another_run(runs_desk: RunsHandlers, workspace: Workspace) -> None:
    write_run(workspace.runs, "a", "done")
    write_run(workspace.runs, "b", "done", parent="a")
    table = runs_desk.compare("a", "b")
    assert [(line.name, line.values) for line in table.lines if line.differs] == [
        ("output.name", ("a", "b")),
        ("output.parent", ("", "a")),
    ]
    assert runs_desk.compare("a", "a").place == "The settings are the same."
    assert runs_desk.compare(None, "a").lines == ()


def test_a_broken_sample_is_told_and_the_others_shown(runs_desk: RunsHandlers, workspace: Workspace) -> None:
    run = write_run(workspace.runs, "oil", "done")
    run.samples.mkdir()
    for index in (0, 1):
        name = f"samples/000010-{index:02d}.png"
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(run.path / name)
        row = {"step": 10, "index": index, "prompt": f"p{index}", "seed": 1, "file": name, "error": None}
        run.append("samples.jsonl", row)
    (run.samples / "000010-01.png").write_bytes(b"cut short")
    found = look(runs_desk, "oil", {})["samples"]
    good, bad = found.cells
    assert (good.error, bad.thumbnail) == ("", None)
    assert "cannot be read" in bad.error
    assert good.thumbnail is not None
    assert workspace.looking in Path(good.thumbnail.path).parents


def test_of_many_steps_the_first_and_the_last_are_shown() -> None:
    assert shown_steps((0, 5, 9)) == (0, 5, 9)
    steps = tuple(range(0, 1000, 10))
    assert len(shown_steps(steps)) == MAX_STEPS
    assert (shown_steps(steps)[0], shown_steps(steps)[-1]) == (0, 990)


def test_a_finished_lora_is_put_beside_its_base(runs_desk: RunsHandlers, workspace: Workspace) -> None:
    name = write_run(workspace.runs, "oil", "done").path.name
    event = gr.EventData(None, {"name": name})
    with pytest.raises(gr.Error, match="has left no LoRA yet"):
        runs_desk.draw_with(event)
    left = workspace.runs / name / RUN_FILE
    left.parent.mkdir()
    left.touch()
    tabs, stack = runs_desk.draw_with(event)
    assert tabs.selected == "generate"
    assert [(row.path, row.weight, row.on) for row in stack.rows] == [(f"runs/{name}/{RUN_FILE}", 1.0, True)]
    assert strengths_of(stack.strengths) == (0.0, 1.0)
