"""Two processes of a launcher give the table of one, and draw nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]
LAUNCH = (
    *("-m", "accelerate.commands.accelerate_cli", "launch", "--cpu", "--num_machines", "1"),
    *("--num_processes", "2", "--main_process_port", "0", "--mixed_precision", "no"),
    *("--dynamo_backend", "no", "--num_cpu_threads_per_process", "1"),
)
COLUMNS = ("as-published/glcm_score", "as-published/compression_ratio", "ours/glcm_entropy")


def test_two_processes_give_the_table_of_one(tmp_path: Path, sd3_folder: Path) -> None:
    """Three prompts, so that each process draws for both contenders."""
    one, two = (table(tmp_path / name, sd3_folder, before) for name, before in (("one", ()), ("two", LAUNCH)))
    assert one == two
    assert one["counts"] == {"done": 6}
    assert all(cell["pictures"] == 3 for row in one["rows"] for cell in row["cells"].values())
    assert one["rows"][0]["cells"] != one["rows"][1]["cells"]


def table(home: Path, other_model: Path, before: tuple[str, ...]) -> Any:
    """What `d4k benchmark` printed, with `before` it on the command line."""
    done = subprocess.run(
        (
            *(sys.executable, *before, "-m", "studio.cli.main", "benchmark", "pair", "--json"),
            *("--model", "micro=micro-4k", "--model", f"tiny={other_model}", "--limit", "3"),
            *(
                "--steps",
                "4",
                "--size",
                "256x256",
                *(word for column in COLUMNS for word in ("--column", column)),
            ),
            *("--device", "cpu", "--home", str(home)),
        ),
        cwd=ROOT,
        env={**os.environ, "ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(Gallery(Workspace.open(home)).pictures()) == 6
    told = json.loads(done.stdout[done.stdout.index("{") :])
    assert json.loads((home / "benchmarks" / "pair" / "table.json").read_text(encoding="utf-8")) == told
    return told
