"""`d4k benchmark` killed at any moment and started again: the table of a run that was let be, no picture twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from studio.benchmark.folder import create_benchmark
from studio.benchmark.plan import BenchmarkPlan
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from tests.benchmark_home import contender, prompts
from tests.studio.benchmark.conftest import NewPlan

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_kills_at_any_moment_give_the_table_of_an_undisturbed_run(
    tmp_path: Path, new_plan: NewPlan, kills: int
) -> None:
    plan = new_plan(
        contenders=(contender("rough", num_inference_steps=15), contender("smooth", num_inference_steps=3)),
        prompts=prompts(3),
        columns=("as-published/compression_ratio", "ours/compression_ratio_444"),
    )
    whole, broken = Workspace.open(tmp_path / "whole"), Workspace.open(tmp_path / "broken")
    codes, moments = lives(whole, plan, [0])
    assert codes == [0]
    # Each dies in the first sixth of what a whole run does, and the next goes on from there.
    lasts = [int(last) for last in np.random.default_rng(4).integers(1, moments // 6, kills)]
    codes, _ = lives(broken, plan, [*lasts, 0])
    assert codes == [*[-signal.SIGKILL] * kills, 0]
    assert len(Gallery(broken).pictures()) == len(list(broken.pictures.glob("*.png"))) == plan.num_cells
    for name in ("table.json", "table.csv", "model-card.md"):
        texts = [(home.root / "benchmarks" / plan.name / name).read_bytes() for home in (whole, broken)]
        assert texts[0] == texts[1], name


def lives(workspace: Workspace, plan: BenchmarkPlan, lasts: list[int]) -> tuple[list[int], int]:
    """(the exit code of each life, how many moments the last one had), see `tests.stand_in_benchmark`."""
    create_benchmark(workspace, plan)
    words = ",".join(map(str, lasts)), str(workspace.root), plan.name
    done = subprocess.run(
        (sys.executable, "-m", "tests.stand_in_benchmark", *words),
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    said = [line.split() for line in done.stdout.splitlines()]
    assert ["code", "0"] in said, done.stderr
    moments = [int(words[1]) for words in said if words[:1] == ["moments"]]
    return [int(words[1]) for words in said if words[:1] == ["ended"]], moments[-1]
