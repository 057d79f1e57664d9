"""Two processes take the same steps as one that accumulates two batches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from finetune import train
from tests.finetune.training_runs import new_run, write_dataset
from tests.tiny_models import tiny_sd3_pipeline

pytestmark = pytest.mark.process


def test_two_processes_equal_one_with_accumulation_two(tmp_path: Path) -> None:
    tiny_sd3_pipeline().save_pretrained(tmp_path / "sd3")
    pictures = write_dataset(tmp_path / "data")
    one, two = (
        new_run(
            tmp_path / "runs",
            tmp_path / "sd3",
            pictures,
            data={"cache": str(tmp_path / "cache")},
            method={"kind": "full"},
            optimizer={"learning_rate": 1e-3},
            resources={"accumulation": accumulation},
            validation={"every": 3, "num_examples": 2},
            output={"name": name},
        )
        for name, accumulation in (("one", 2), ("two", 1))
    )
    assert train.main([str(one.path)]) == 0
    root = Path(__file__).parents[2]
    done = subprocess.run(
        (
            *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu"),
            *("--num_processes", "2", "--num_machines", "1", "--main_process_port", "0"),
            *("--mixed_precision", "no", "--dynamo_backend", "no", "--num_cpu_threads_per_process", "1"),
            *("-m", "finetune.train", str(two.path)),
        ),
        env={**os.environ, "ACCELERATE_USE_CPU": "1", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for file_name in ("steps.jsonl", "validation.jsonl"):
        rows = [[(row["step"], row["loss"]) for row in run.rows(file_name)] for run in (one, two)]
        assert len(rows[0]) >= 3
        torch.testing.assert_close(torch.tensor(rows[0]), torch.tensor(rows[1]), atol=1e-5, rtol=1e-5)
    weights = [load_file(run.checkpoints / "step-000006" / "state.safetensors") for run in (one, two)]
    assert weights[0].keys() == weights[1].keys()
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], atol=1e-5, rtol=1e-5)
