"""A whole run in this process: what it leaves, what it says, and what is asked of it on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline, SD3Transformer2DModel, StableDiffusion3Pipeline
from safetensors import safe_open

from finetune.checkpointing import checkpoint_steps
from finetune.config.files import parse_toml
from finetune.run_folder import RunFolder
from tests.finetune.whole_runs import message, objective_that, trained

SAMPLES = {"prompts": ["a hill"], "width_px": 64, "height_px": 64, "num_inference_steps": 2}


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_a_lora_loads_with_the_stock_call_and_changes_the_picture(
    new: Callable[..., RunFolder], home: Path, family: str
) -> None:
    run = trained(
        new(
            family,
            optimizer={"learning_rate": 0.1},
            output={"name": f"stock-{family}", "trigger": "redhill"},
        )
    )
    pipeline = (StableDiffusion3Pipeline if family == "sd3" else FluxPipeline).from_pretrained(home / family)
    pipeline.set_progress_bar_config(disable=True)

    def draw() -> np.ndarray:
        generator = torch.Generator().manual_seed(1)
        arguments = {"width": 64, "height": 64, "num_inference_steps": 2, "max_sequence_length": 16}
        return np.asarray(pipeline("a red hill", generator=generator, output_type="np", **arguments).images)

    plain = draw()
    pipeline.load_lora_weights(run.path / "adapter")
    assert np.abs(draw() - plain).max() > 1e-3
    with safe_open(run.path / "adapter" / "pytorch_lora_weights.safetensors", "pt") as file:
        about = file.metadata()
    assert about["base"] == str(home / family)
    assert about["trigger"] == "redhill"
    assert about["rank"] == "4"
    assert about["dataset"] == json.loads((run.path / "prepared.json").read_text())["digest"]
    assert parse_toml(about["recipe"]) == run.config()


def test_a_full_run_leaves_a_transformer_that_stock_diffusers_opens(
    new: Callable[..., RunFolder], home: Path
) -> None:
    run = trained(new(method={"kind": "full"}, optimizer={"learning_rate": 1e-2}))
    made = SD3Transformer2DModel.from_pretrained(run.path / "transformer").state_dict()
    base = SD3Transformer2DModel.from_pretrained(home / "sd3" / "transformer").state_dict()
    assert made.keys() == base.keys()
    moved = [name for name in made if not torch.equal(made[name], base[name])]
    assert len(moved) > 0.9 * len(
        dict(
            SD3Transformer2DModel.from_config(
                SD3Transformer2DModel.load_config(home / "sd3" / "transformer")
            ).named_parameters()
        )
    )


def test_each_step_is_told(new: Callable[..., RunFolder]) -> None:
    run = trained(new(optimizer={"warmup_steps": 2, "schedule": "linear"}))
    rows = run.rows()
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    for row in rows:  # velocity MSE is the mean of its bands (Parseval)
        assert row["loss"] == pytest.approx(np.mean(list(row["bands"].values())), rel=1e-5)
        assert row["grad_norm"] > 0
        assert row["peak_bytes"] > 0
        assert 0 < row["sigma"] <= 1
    assert [row["learning_rate"] for row in rows] == pytest.approx(
        [0.5e-4, 1e-4, 1e-4, 0.75e-4, 0.5e-4, 0.25e-4]
    )
    assert run.state().state == "done"
    assert run.state().checkpoint_step == 6


def test_validation_falls_where_the_same_pictures_are_learnt(new: Callable[..., RunFolder]) -> None:
    run = trained(
        new(
            "flux",
            method={"kind": "full"},
            optimizer={"learning_rate": 3e-3},
            resources={"batch_size": 2},
            schedule={"num_steps": 60, "checkpoint_every": 60},
            validation={"every": 30, "num_examples": 2, "sigmas": [0.5, 0.8]},
            data={"caption_dropout": 0.0},
        )
    )
    rows = run.rows("validation.jsonl")
    assert [row["step"] for row in rows] == [0, 30, 60]
    losses = [row["loss"] for row in rows]
    assert losses[2] < 0.95 * losses[0], losses
    assert [each["sigma"] for each in rows[0]["sigmas"]] == [0.5, 0.8]
    assert rows[0]["loss"] == pytest.approx(np.mean(list(rows[0]["bands"].values())))


def test_samples_are_drawn_at_fixed_seeds_and_a_failing_one_stops_nothing(
    new: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(new(samples={"every": 3, **SAMPLES}, optimizer={"learning_rate": 0.1}))
    rows = run.rows("samples.jsonl")
    assert [(row["step"], row["error"]) for row in rows] == [(0, None), (3, None), (6, None)]
    pictures = [(run.path / row["file"]).read_bytes() for row in rows]
    assert pictures[0] != pictures[2]

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no picture today")

    monkeypatch.setattr("finetune.samples._denoise", refuse)
    failing = trained(new(samples={"every": 3, **SAMPLES}))
    assert failing.state().state == "done"
    assert [row["error"] for row in failing.rows("samples.jsonl")] == ["RuntimeError: no picture today"] * 3
    assert [row["loss"] for row in failing.rows()][:1] == [row["loss"] for row in run.rows()][:1]


def test_requests_are_granted_after_the_step(
    new: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new(schedule={"num_steps": 9, "checkpoint_every": 9}, samples=SAMPLES)

    def ask(losses: torch.Tensor) -> torch.Tensor:
        run.ask("SAVE")
        run.ask("SAMPLE")
        return losses

    objective_that(monkeypatch, 2, ask)

    def stop(losses: torch.Tensor) -> torch.Tensor:
        run.ask("STOP")
        return losses

    objective_that(monkeypatch, 4, stop)
    trained(run)
    assert run.state().state == "stopped"
    assert message(run) == "stopped after step 4 of 9; resume it to go on"
    assert checkpoint_steps(run.checkpoints) == (2, 4)
    assert [row["step"] for row in run.rows("samples.jsonl")] == [2]
    assert (run.path / "adapter").is_dir(), "what was learnt so far can be drawn with"
    monkeypatch.undo()
    assert trained(run).state().state == "done"


def test_a_dry_run_measures_and_changes_nothing(new: Callable[..., RunFolder]) -> None:
    run = trained(new(), "--dry-run")
    found = json.loads((run.path / "dry_run.json").read_text())
    assert found["num_steps"] == 6
    assert found["seconds_per_step"] > 0
    assert found["seconds_forecast"] == pytest.approx(6 * found["seconds_per_step"])
    assert (
        found["num_trained"] * 4 * 3 * 4 == found["bytes_forecast"]
    )  # weights, two moments; three kept and one more
    assert not run.checkpoints.exists()
    assert run.rows() == []
    assert run.state().state == "new"
    assert "s a step" in message(run)


def test_a_full_run_is_exported_as_a_whole_pipeline(new: Callable[..., RunFolder], home: Path) -> None:
    from typer.testing import CliRunner

    from studio.cli.main import app

    run = trained(new(method={"kind": "full"}, optimizer={"learning_rate": 1e-2}))
    runner = CliRunner()
    done = runner.invoke(app, ["export", str(run.path), "--format", "merged", "--out", str(home / "merged")])
    assert done.exit_code == 0, done.output
    pipeline = StableDiffusion3Pipeline.from_pretrained(home / "merged")
    made = SD3Transformer2DModel.from_pretrained(run.path / "transformer").state_dict()
    assert all(torch.equal(tensor, made[name]) for name, tensor in pipeline.transformer.state_dict().items())
    refused = runner.invoke(app, ["export", str(run.path), "--format", "comfyui"])
    assert refused.exit_code == 2
    assert "ask for --format merged" in refused.output
