"""Curves, samples and log of a run, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from finetune.config.run_config import FinetuneConfig
from finetune.run_folder import RunFolder, create_run
from studio.home.workspace import Workspace
from studio.training.curves import (
    MAX_POINTS,
    Curve,
    log_tail,
    read_curves,
    read_samples,
    sample_view,
    smoothed,
    thinned,
    written,
)


@pytest.fixture
def run(workspace: Workspace) -> RunFolder:
    return create_run(workspace.runs, FinetuneConfig())


def step(number: int, loss: float) -> dict[str, object]:
    bands = {"ll": loss, "hh": 2 * loss}
    return {
        "step": number,
        "loss": loss,
        "bands": bands,
        "grad_norm": 1.0,
        "learning_rate": 1e-3,
        "peak_bytes": 7,
    }


def test_a_run_without_a_step(run: RunFolder) -> None:
    curves = read_curves(run)
    assert len(curves.loss.steps) == len(curves.validation.steps) == 0
    assert (curves.bands, curves.restarts, curves.peak_bytes, curves.learning_rate) == ({}, (), None, None)
    assert read_samples(run).pictures == ()
    assert log_tail(run) == ""


def test_curves_of_a_restarted_run(run: RunFolder) -> None:
    for number in (1, 2, 3):
        run.append("steps.jsonl", step(number, float(number)))
    before = written(run)
    run.mark_restart(2)
    run.append("steps.jsonl", step(3, 9.0))
    assert written(run) != before
    curves = read_curves(run)
    assert curves.restarts == (2,)
    assert curves.loss.steps.tolist() == [1, 2, 3]
    assert curves.loss.values.tolist() == [1, 2, 9]
    assert curves.bands["hh"].values == pytest.approx(2 * curves.bands["ll"].values)
    assert (curves.peak_bytes, curves.learning_rate) == (7, 1e-3)


def test_validation_at_each_level(run: RunFolder) -> None:
    for number in (0, 10):
        levels = [{"sigma": 0.1, "loss": number + 1}, {"sigma": 0.9, "loss": number + 2}]
        run.append(
            "validation.jsonl", {"step": number, "loss": number + 1.5, "bands": {"ll": 3}, "sigmas": levels}
        )
    curves = read_curves(run)
    assert curves.validation.values.tolist() == [1.5, 11.5]
    assert {level: curve.values.tolist() for level, curve in curves.sigmas.items()} == {
        0.1: [1, 11],
        0.9: [2, 12],
    }


def test_the_running_mean() -> None:
    steps = np.arange(1.0, 6)
    flat = smoothed(Curve(steps, np.full(5, 3.0)), 5)
    assert flat.values == pytest.approx([3] * 5), "its start has no bias"
    rising = smoothed(Curve(steps[:2], np.array([0.0, 1.0])), 5)
    assert rising.values == pytest.approx([0, 0.2 / 0.36])
    holed = smoothed(Curve(steps[:3], np.array([1.0, np.nan, 1.0])), 5)
    assert holed.values == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("count", [1, MAX_POINTS, MAX_POINTS + 1, 1234, 10_000])
def test_thinning_keeps_the_mean_the_end_and_the_size(count: int) -> None:
    steps = np.arange(1.0, count + 1)
    thin = thinned(Curve(steps, 2 * steps))
    assert len(thin.steps) == min(count, MAX_POINTS)
    assert thin.values == pytest.approx(2 * thin.steps), "a straight line stays one"
    assert np.all(np.diff(thin.steps) > 0)
    assert (thin.steps[-1], thin.values[-1]) == (count, 2 * count)


def test_samples_by_prompt_and_step(run: RunFolder, workspace: Workspace) -> None:
    run.samples.mkdir()
    for number in (0, 5):
        for index in (0, 1):
            name = f"samples/{number:06d}-{index:02d}.png"
            Image.fromarray(np.full((300, 200, 3), 40 * index, np.uint8)).save(run.path / name)
            row = {
                "step": number,
                "index": index,
                "prompt": f"p{index}",
                "seed": 7,
                "file": name,
                "error": None,
            }
            run.append("samples.jsonl", row)
    bad = {"step": 9, "index": 1, "prompt": "p1", "seed": 7, "file": None, "error": "out of memory"}
    run.append("samples.jsonl", bad)
    run.append("samples.jsonl", {**bad, "step": 10, "file": "../config.json", "error": None})
    (run.samples / "000005-01.png").unlink()
    sheet = read_samples(run)
    assert (sheet.prompts, sheet.steps) == (("p0", "p1"), (0, 5, 9, 10))
    errors = {(one.step, one.index): one.error for one in sheet.pictures if one.file is None}
    assert errors == {(5, 1): "the picture is gone", (9, 1): "out of memory", (10, 1): "the picture is gone"}

    first = sheet.pictures[0].file
    assert first is not None
    view = sample_view(workspace, run, first, 192)
    assert workspace.looking in view.parents
    with Image.open(view) as image:
        assert image.size == (128, 192)
    made = view.stat().st_mtime_ns
    assert sample_view(workspace, run, first, 192).stat().st_mtime_ns == made


def test_the_end_of_a_long_log(run: RunFolder) -> None:
    (run.path / "console.txt").write_text("Traceback\n")
    assert log_tail(run) == "Traceback\n"
    lines = [f"12:00:00 line {i}" for i in range(2000)]
    run.log.write_text("\n".join(lines) + "\n")
    tail = log_tail(run).splitlines()
    assert tail == lines[-len(tail) :]
    assert 100 < len(tail) < 2000
