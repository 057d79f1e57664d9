"""What is wrong with some pictures, prompts or models is named, and all the rest is drawn, measured and told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.benchmark.folder import BenchmarkFolder, create_benchmark
from studio.benchmark.plan import Prompt
from studio.benchmark.progress import standings
from studio.benchmark.scoring import measure_benchmark
from studio.benchmark.table import benchmark_table
from studio.cli.shared import SKIPPED_EXIT_CODE
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from tests.benchmark_home import pretend
from tests.studio.benchmark.conftest import NewPlan

ROOT = Path(__file__).parents[3]


def a_picture(path: Path, width: int, height: int) -> Path:
    rng = np.random.default_rng(len(path.name))
    Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return path


@pytest.mark.process
def test_a_dataset_with_everything_wrong_is_drawn_and_measured_as_far_as_it_goes(tmp_path: Path) -> None:
    """Two captions are the same, one cannot be drawn, a real picture is damaged, none is a square."""
    data, home = tmp_path / "data", tmp_path / "home"
    (data / "sub").mkdir(parents=True)
    captions = {
        "0.png": "a hill",
        "1.png": "a hill",
        "2.png": "an impossible hill",
        "3.png": "a sea of grass",
        "sub/0.png": "a forest in the rain",
        "gone.png": "nothing",
    }
    lines = [{"file_name": name, "text": text} for name, text in captions.items()]
    lines.append({"file_name": "0.png", "text": "again"})
    (data / "metadata.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    for name in ("0.png", "1.png", "2.png", "3.png", "4.png", "sub/0.png"):
        a_picture(data / name, 320, 288)
    (data / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    (data / "Thumbs.db").write_bytes(b"stray")
    done = subprocess.run(
        (
            *(sys.executable, "-m", "tests.stand_in_benchmark", "0", str(home)),
            *("troubled", "--model", "micro-4k", "--prompts", str(data), "--size", "256x320"),
            *("--column", "as-published/compression_ratio", "--column", "ours/texture_frechet"),
        ),
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert f"code {SKIPPED_EXIT_CODE}" in done.stdout, done.stderr
    for words in (
        "left out: 4.png has no caption",
        "left out: gone.png has a caption and no picture",
        "0.png was listed before",
        "left out: Thumbs.db is neither a picture nor a caption",
        "an impossible hill', seed 0: no model draws that",
    ):
        assert words in done.stderr
    table = json.loads((home / "benchmarks" / "troubled" / "table.json").read_text(encoding="utf-8"))
    assert table["counts"] == {"done": 4, "absent": 1}
    assert table["troubles"] == [
        "micro-4k, prompt 2.png, seed 0: no model draws that; ask for something else"
    ]
    (row,) = table["rows"]
    assert row["cells"]["as-published/compression_ratio"]["prompts"] == 4
    assert row["cells"]["ours/texture_frechet"]["mean"] > 0
    assert any("3.png" in note and "left out" in note for note in row["notes"])
    assert len(Gallery(Workspace.open(home)).pictures()) == 3, "the same caption is drawn once"
    page = (home / "benchmarks" / "troubled" / "report.html").read_text(encoding="utf-8")
    assert "no model draws that" in page
    assert "3.png" in page


def test_a_real_picture_that_is_gone_is_named_and_the_others_compare(
    workspace: Workspace, new_plan: NewPlan, jobs: JobTable, gallery: Gallery, tmp_path: Path
) -> None:
    listed = tuple(
        Prompt(
            name=str(i), text=f"a hill, number {i}", reference=str(a_picture(tmp_path / f"{i}.png", 300, 256))
        )
        for i in range(3)
    )
    plan = new_plan(columns=("ours/texture_frechet",), prompts=listed)
    folder = create_benchmark(workspace, plan)
    for cell in plan.cells():
        pretend(gallery, cell)
    (tmp_path / "1.png").unlink()
    found = standings(plan, jobs=jobs, gallery=gallery)
    assert measure_benchmark(folder, found)
    for row in benchmark_table(folder, found).rows:
        assert row.cells["ours/texture_frechet"].mean is not None
        assert f"left out: {tmp_path / '1.png'} is no longer there" in row.notes


def test_why_a_cell_could_not_be_drawn_is_kept_until_it_is(
    folder: BenchmarkFolder, jobs: JobTable, gallery: Gallery
) -> None:
    plan = folder.plan()
    first = plan.cells()[0]
    folder.add_failure(first.contender, first.prompt, first.seed, "no memory")
    folder.add_failure(first.contender, first.prompt, first.seed, "no memory; choose a smaller size")
    with (folder.path / "failures.jsonl").open("ab") as file:
        file.write(b'null\n{"contender": "rough"}\n{"contender": "rough", "pro')
    found = standings(plan, jobs=jobs, gallery=gallery)
    assert benchmark_table(folder, found).troubles == (
        "rough, prompt 0, seed 1: no memory; choose a smaller size",
    )
    pretend(gallery, first)
    found = standings(plan, jobs=jobs, gallery=gallery)
    assert benchmark_table(folder, found).troubles == ()
