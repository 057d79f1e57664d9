"""Blind duels on the page: no names until they are asked for, one vote a pair, undo."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import gradio as gr

from studio.benchmark.duels import judged_of
from studio.benchmark.folder import BenchmarkFolder, find_benchmark
from studio.benchmark.plan import all_columns
from studio.benchmark.progress import Standings
from studio.benchmark.scoring import measure_benchmark
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.ui.benchmark.duels import DuelHandlers
from studio.ui.benchmark.handlers import BenchmarkHandlers
from tests.benchmark_home import a_plan, contender, drawn_benchmark, pretend, prompts, start_benchmark

SKIPPED = gr.skip()


def event(**values: str) -> gr.EventData:
    return gr.EventData(None, values)


def test_duels_tell_no_names_until_they_are_asked_for(
    judge: DuelHandlers, drawn: tuple[BenchmarkFolder, Standings]
) -> None:
    folder, found = drawn
    measure_benchmark(folder, found)
    board, bar, said = judge.show("first", "differ")
    told: list[Any] = [board.model_dump_json(), bar.model_dump_json(), said]
    assert (bar.done, bar.total) == (0, 4)
    assert len(board.panes) == 2
    assert board.view.endswith(",1"), "one pixel of the picture on one of the screen"
    for choice in ("left", "right", "tie"):
        before = bar.key
        board, bar, said = judge.vote(event(key=before, choice=choice), "first", "random")
        assert bar.key != before
        told += [board.model_dump_json(), bar.model_dump_json(), said]
    assert not any("rough" in text or "smooth" in text for text in told)
    assert "ours/glcm_entropy" in said, "how far metrics agree is told while judging goes on"
    kept, again, _ = judge.vote(event(key=before, choice="neither"), "first", "random")
    assert (again.key, again.done) == (bar.key, 3), "a second vote on a pair, from another page, is none"
    assert [one.choice for one in judged_of(folder)] == ["left", "right", "tie"]
    assert kept.panes
    _, ended, verdict = judge.act(event(what="end", key=bar.key), "first", "random")
    assert ended.ended
    assert "rough" in verdict
    assert "smooth" in verdict


def test_shown_names_void_a_pair_and_undo_brings_one_back(
    judge: DuelHandlers, drawn: tuple[BenchmarkFolder, Standings], benches: BenchmarkHandlers
) -> None:
    folder, _ = drawn
    _, first, _ = judge.show("first", "random")
    _, second, _ = judge.vote(event(key=first.key, choice="left"), "first", "random")
    board, back, _ = judge.act(event(what="undo", key=second.key), "first", "random")
    assert back.key == first.key
    assert back.done == 0
    assert board.panes
    _, named, _ = judge.act(event(what="reveal", key=first.key), "first", "random")
    assert sorted(named.names) == ["rough", "smooth"]
    _, after, _ = judge.vote(event(key=first.key, choice="left"), "first", "random")
    assert (after.done, after.total) == (0, 3)
    assert judged_of(folder) == []
    judge.vote(event(key=after.key, choice="neither"), "first", "random")
    votes = benches.news("first", {})[-2]
    lines = list(csv.DictReader(Path(votes["value"]).read_text().splitlines()))
    assert [line["choice"] for line in lines] == ["neither"]


def test_the_last_vote_ends_it_and_too_little_is_said(
    judge: DuelHandlers, workspace: Workspace, gallery: Gallery, benches: BenchmarkHandlers
) -> None:
    plan = a_plan(name="small", prompts=prompts(1), seeds=(1,))
    start_benchmark(benches)
    board, bar, _ = judge.show("mine", "differ")
    assert (bar.key, bar.total) == ("", 0)
    assert "nothing to judge yet" in board.message
    drawn_benchmark(workspace, plan)
    _, bar, _ = judge.show("small", "differ")
    _, over, said = judge.vote(event(key=bar.key, choice="right"), "small", "differ")
    assert (over.ended, over.key) == (True, "")
    assert "rough" in said
    drawn_benchmark(workspace, a_plan(name="alone", contenders=(contender("rough"),)))
    board, _, _ = judge.show("alone", "differ")
    assert "two models" in board.message
    assert judge.show(None, "differ")[1].key == ""


def test_a_first_pair_comes_by_itself_and_one_that_is_judged_stays(
    judge: DuelHandlers, benches: BenchmarkHandlers, gallery: Gallery
) -> None:
    folder, _ = start_benchmark(benches, limit="1", seeds="0", columns=all_columns())
    _, bar, _ = judge.show("mine", "random")
    assert judge.look("mine", "random", bar) == (SKIPPED,) * 3
    for cell in folder.plan().cells():
        pretend(gallery, cell)
    _, came, _ = judge.look("mine", "random", bar)
    assert came.key
    assert judge.look("mine", "random", came) == (SKIPPED,) * 3
    assert find_benchmark(gallery.workspace, "mine").votes() == []
