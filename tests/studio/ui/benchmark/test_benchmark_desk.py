"""What the Benchmark view does: what is refused, what is queued, what the page is told, and duels that stay blind."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.benchmark.folder import BenchmarkFolder
from studio.benchmark.progress import SCORE, Standings
from studio.benchmark.report import write_report
from studio.benchmark.scoring import measure_benchmark
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from studio.ui.benchmark.contenders import ContenderContent, ContenderRow, WornLora, options
from studio.ui.benchmark.form import add_setting
from studio.ui.benchmark.handlers import FILES, BenchmarkHandlers, parse_limit, parse_seeds
from studio.ui.generate.init_picture import InitContent
from studio.ui.generate.lora_stack import LoraContent, LoraRow
from tests.benchmark_home import TWO, start_benchmark

SKIPPED = gr.skip()


def test_start_queues_every_picture_and_then_the_measuring(
    benches: BenchmarkHandlers, jobs: JobTable
) -> None:
    folder, left_out = start_benchmark(benches)
    queued = jobs.jobs(states=("queued",))
    assert [job.kind for job in queued] == ["render"] * 12 + [SCORE]
    assert {(job.request["guidance_scale"], job.request["seed"]) for job in queued[:-1]} == {
        (guidance, seed) for guidance in (2.0, 5.0) for seed in (0, 1)
    }
    assert (folder.name, left_out) == ("mine", ())
    start_benchmark(benches)
    assert len(jobs.jobs(states=("queued",))) == 13, "the very same again asks for nothing twice"
    assert start_benchmark(benches, name=" ")[0].name == "benchmark 1"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"contenders": ContenderContent()}, "add one from the list"),
        ({"contenders": ContenderContent(rows=(TWO.rows[0], TWO.rows[0]))}, "named twice"),
        ({"contenders": ContenderContent(rows=(ContenderRow(name="x", model="nothing-here"),))}, "no model"),
        ({"prompts": "/nowhere/at/all"}, "nowhere"),
        ({"prompts": None}, "no prompts are named"),
        ({"limit": "0"}, "whole number"),
        ({"limit": "many"}, "whole number"),
        ({"seeds": "one"}, "seeds are whole numbers"),
        ({"seeds": ""}, "seeds are whole numbers"),
        ({"seeds": "4, 4"}, "named twice"),
        ({"size": "large"}, "size"),
        ({"size": "40 × 40"}, "256"),
        ({"columns": []}, "at least one column"),
        ({"name": "../out"}, "a benchmark's name"),
        (
            {"contenders": ContenderContent(rows=(TWO.rows[0].model_copy(update={"steps": 0}),))},
            "steps must lie",
        ),
        (
            {
                "contenders": ContenderContent(
                    rows=(TWO.rows[0].model_copy(update={"loras": (WornLora(path="loras/no.safetensors"),)}),)
                )
            },
            "base: .*no.safetensors",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_queued(
    benches: BenchmarkHandlers, jobs: JobTable, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=f"(?i){said}"):
        start_benchmark(benches, **changes)
    assert not jobs.jobs()


def test_a_public_host_reads_its_own_prompts_alone(
    jobs: JobTable, gallery: Gallery, settings: Settings, tmp_path: Path
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("a hill")
    hosted = BenchmarkHandlers(jobs, gallery, replace(settings, hosted=True), tmp_path / "looking")
    with pytest.raises(ValueError, match="own datasets"):
        start_benchmark(hosted, prompts=str(words))
    assert not jobs.jobs()


def test_another_plan_of_the_same_name_is_refused(benches: BenchmarkHandlers) -> None:
    start_benchmark(benches)
    with pytest.raises(ValueError, match="choose another name"):
        start_benchmark(benches, seeds="5")


def test_stopped_and_gone_on_with(benches: BenchmarkHandlers, jobs: JobTable) -> None:
    jobs.submit("render", {"prompt": "somebody else's"}, label="another")
    start_benchmark(benches)
    benches.stop("mine")
    assert [job.label for job in jobs.jobs(states=("queued",))] == ["another"]
    state = benches.news("mine", {})[0]
    assert "12 cancelled" in state
    assert 'data-going="false"' in state
    benches.go_on("mine")
    assert len(jobs.jobs(states=("queued",))) == 14
    with pytest.raises(gr.Error, match="no benchmark is chosen"):
        benches.go_on(None)


def test_the_page_is_told_only_what_is_new(
    benches: BenchmarkHandlers, drawn: tuple[BenchmarkFolder, Standings], gallery: Gallery
) -> None:
    folder, found = drawn
    first = benches.news("first", {})
    assert "8 of 8 drawn" in first[0]
    assert "nothing is drawn yet" not in first[1]
    seen = first[-1]
    again = benches.news("first", seen)
    assert all(part == SKIPPED for part in again[:-1])
    version = benches.version(["first"])
    measure_benchmark(folder, found)
    write_report(folder, found)
    assert benches.version(["first"]) != version
    state, scores, going, stopping, *files, _ = benches.news("first", seen)
    assert (state, going, stopping) == (SKIPPED,) * 3
    assert scores.count("<h2>") == 2, "a table each protocol"
    shown = {name: button["value"] for name, button in zip(FILES, files, strict=True) if button["visible"]}
    assert set(shown) == {"report.html", "table.csv", "table.json", "model-card.md"}
    assert json.loads(Path(shown["table.json"]).read_text())["counts"] == {"done": 8}
    assert all(Path(value).is_relative_to(benches.looking) for value in shown.values())


def test_a_benchmark_that_is_gone_or_damaged_is_named(
    benches: BenchmarkHandlers, workspace: Workspace
) -> None:
    assert "there is no benchmark" in benches.news("gone", {})[0]
    start_benchmark(benches)
    (workspace.root / "benchmarks" / "mine" / "plan.json").write_text("{")
    assert "cannot be read" in benches.news("mine", {})[0]
    known, _ = benches.offer(None)
    assert known["value"] == "mine", "it is listed, so that what is wrong with it can be read"
    assert "No benchmark yet" in benches.news(None, {})[0]


def test_a_benchmark_that_is_chosen_is_not_chosen_again(benches: BenchmarkHandlers) -> None:
    first, _ = start_benchmark(benches, name="first")
    start_benchmark(benches, name="second")
    os.utime(first.path / "plan.json", (0, 0))
    for chosen in (None, "gone"):
        assert benches.offer(chosen)[0]["value"] == "second", "the last made"
    known, _ = benches.offer("first")
    assert known["choices"] == ["second", "first"]
    assert "value" not in known, "a late answer would undo what was chosen since"


def test_left_out_prompts_are_named(benches: BenchmarkHandlers, tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "hills"
    folder.mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (64, 64)).save(folder / f"{name}.png")
    (folder / "a.txt").write_text("a green hill")
    made, left_out = start_benchmark(benches, prompts=str(folder), limit="")
    assert [prompt.text for prompt in made.plan().prompts] == ["a green hill"]
    assert any("b.png" in sentence for sentence in left_out)


def test_generates_settings_become_a_model() -> None:
    stack = LoraContent(
        rows=(LoraRow(path="loras/a.safetensors", weight=0.5), LoraRow(path="loras/b.safetensors", on=False))
    )
    content = add_setting(TWO, "micro-4k", 9, 3.5, 0.3, "blur", stack, "none", ["cache:0.1"], InitContent())
    row = content.rows[-1]
    assert (row.id, row.name, row.steps, row.guidance, row.coarse_first) == (3, "", 9, 3.5, 0.3)
    assert [(worn.path, worn.weight) for worn in row.loras] == [("loras/a.safetensors", 0.5)]
    assert (row.negative_prompt, row.speed) == ("blur", "cache:0.1")


@pytest.mark.parametrize(("init", "told"), [(InitContent(), 0), (InitContent(id="one", title="hill.png"), 1)])
def test_a_picture_to_begin_from_is_left_out_and_that_is_told(
    init: InitContent, told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Info", lambda message, **_named: said.append(message))
    content = add_setting(ContenderContent(), "micro-4k", 9, 3.5, 0.3, "", LoraContent(), "none", None, init)
    assert len(content.rows) == 1
    assert len(said) == told
    assert all("hill.png is left out" in sentence for sentence in said)


def test_what_can_be_added(workspace: Workspace) -> None:
    offered = options(workspace)
    micro = next(one for one in offered["models"] if one["id"] == "micro-4k")
    assert micro["steps"] > 0
    assert offered["loras"] == []


@pytest.mark.parametrize(("text", "value"), [("", None), ("all", None), (" 12 ", 12)])
def test_limits(text: str, value: int | None) -> None:
    assert parse_limit(text) == value


def test_seeds() -> None:
    assert parse_seeds("3, 1,") == (3, 1)
