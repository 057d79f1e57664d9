"""A whole run in this process: what it leaves, what it survives, what it says."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from diffusers import FluxPipeline, SD3Transformer2DModel, StableDiffusion3Pipeline
from safetensors import safe_open

from finetune import checkpointing, loop, train
from finetune.checkpointing import checkpoint_steps
from finetune.config.files import from_values, parse_toml
from finetune.objectives.losses import Prediction
from finetune.run_folder import VERSION, RunFolder
from tests.finetune.training_runs import new_run, write_dataset
from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline

SAMPLES = {"prompts": ["a hill"], "width_px": 64, "height_px": 64, "num_inference_steps": 2}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    tiny_sd3_pipeline().save_pretrained(folder / "sd3")
    tiny_flux_pipeline().save_pretrained(folder / "flux")
    write_dataset(folder / "data")
    return folder


@pytest.fixture
def new(home: Path, request: pytest.FixtureRequest) -> Callable[..., RunFolder]:
    """Makes a run of SD3, or of the family given; the cache is shared."""

    def make(family: str = "sd3", **sections: Any) -> RunFolder:
        data = {"cache": str(home / "cache" / family), **sections.pop("data", {})}
        name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
        sections = {"output": {"name": name}, **sections}
        return new_run(home / "runs", home / family, home / "data", data=data, **sections)

    return make


def trained(run: RunFolder, *flags: str) -> RunFolder:
    assert train.main([str(run.path), *flags]) == 0, run.log.read_text()
    return run


def message(run: RunFolder) -> str:
    return str(json.loads((run.path / "status.json").read_text())["message"])


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


def objective_that(
    monkeypatch: pytest.MonkeyPatch, at_call: int, then: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Replace the loss of one call."""
    made, calls = vars(loop)["make_objective"], 0  # it may be replaced already

    def make(*given: Any, **named: Any) -> Callable[[Prediction], torch.Tensor]:
        objective = made(*given, **named)

        def watched(prediction: Prediction) -> torch.Tensor:
            nonlocal calls
            calls += 1
            losses = objective(prediction)
            return then(losses) if calls == at_call else losses

        return watched

    monkeypatch.setattr(loop, "make_objective", make)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(
    new: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    objective_that(monkeypatch, 5, lambda losses: losses * float("nan"))
    run = new(schedule={"num_steps": 6, "checkpoint_every": 2})
    assert train.main([str(run.path)]) == 1
    assert run.state().state == "failed"
    assert "the loss is nan at step 5 (sigma 0." in message(run)
    assert "the checkpoint of step 4 stands" in message(run)
    assert checkpoint_steps(run.checkpoints) == (2, 4)
    with safe_open(run.checkpoints / "step-000004" / "state.safetensors", "pt") as file:
        assert all(torch.isfinite(file.get_tensor(key)).all() for key in file.keys())  # noqa: SIM118
    monkeypatch.undo()
    assert trained(run).state().step == 6


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


def test_a_full_disk_amid_a_checkpoint_loses_nothing(
    new: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, whole, writes = new(), safetensors.torch.save_file, 0

    def full(tensors: Any, path: Path, *rest: Any) -> None:
        nonlocal writes
        writes += 1
        if writes == 2:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(tensors, path, *rest)

    monkeypatch.setattr(checkpointing, "save_file", full)
    assert train.main([str(run.path)]) == 1
    assert "the checkpoint of step 4 cannot be written" in message(run)
    assert "that of step 2 stands; free space on this disk, then resume" in message(run)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step-000002"]
    trained(run)


def test_a_disk_that_is_full_amid_a_line_is_told(
    new: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, append = new(), RunFolder.append

    def full(self: RunFolder, file_name: str, row: dict[str, Any]) -> None:
        if row.get("step") == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, file_name, row)

    monkeypatch.setattr(RunFolder, "append", full)
    assert train.main([str(run.path)]) == 1
    assert message(run).startswith("the disk is full; free some space, then resume")
    monkeypatch.undo()
    assert [row["step"] for row in trained(run).rows() if "step" in row] == [1, 2, 3, 4, 5, 6]


def test_what_to_change_where_memory_ran_out_is_what_goes_together(
    new: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(_: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    objective_that(monkeypatch, 1, out_of_memory)
    run = new(resources={"batch_size": 2})
    assert train.main([str(run.path)]) == 1
    assert message(run) == (
        "memory ran out; change, in this order: resources.gradient_checkpointing = true; "
        "resources.batch_size = 1 with more accumulation; resources.precision = 'bf16'; data.resolution_px below 64; "
        "then duplicate the run and begin again"
    )
    gpu = {"device": "auto", "gradient_checkpointing": True, "precision": "bf16"}
    values = {"data": {"resolution_px": 4096}, "method": {"kind": "lora"}}
    found = train._in_words(MemoryError(), from_values({**values, "resources": gpu}))
    assert "optimizer.kind = 'adamw8bit'; method.quantise_base = 'nf4'; resources.cpu_offload = true" in found
    divided = train._in_words(
        MemoryError(), from_values({**values, "resources": {**gpu, "cpu_offload": True}})
    )
    assert not [name for name in ("adamw8bit", "nf4") if name in divided], (
        "they do not go with a divided model"
    )


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


def test_what_cannot_be_trained_is_refused_in_words(
    new: Callable[..., RunFolder], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = new()
    content = json.loads(newer.config_file.read_text())
    newer.config_file.write_text(json.dumps(content | {"version": VERSION + 1}))
    assert train.main([str(newer.path)]) == 1
    assert "update the studio" in capsys.readouterr().err
    held = new()
    with held.held():
        assert train.main([str(held.path)]) == 1
    assert "is being trained by another process" in capsys.readouterr().err
    empty = home / "empty"
    empty.mkdir()
    for sections, words in (
        ({"data": {"source": str(empty)}}, "holds no pictures"),
        ({"validation": {"num_examples": 6, "every": 1}}, "validation.num_examples keeps 6"),
        ({"method": {"targets": ["attn.to_w"]}}, "did you mean attn.to_"),
        ({"model": {"base": str(empty)}}, "has no model_index.json"),
    ):
        run = new(**sections)
        assert train.main([str(run.path)]) == 1
        assert run.state().state == "failed"
        assert words in message(run)


def test_a_changed_dataset_is_noticed_where_the_cache_is_gone(
    new: Callable[..., RunFolder], home: Path
) -> None:
    pictures = write_dataset(home / "changing")
    cache = home / "changing-cache"
    run = trained(new(data={"source": str(pictures), "cache": str(cache)}))
    for file in (cache / "text").iterdir():
        file.unlink()
    (pictures / "1.txt").write_text("a blue sea")
    assert train.main([str(run.path)]) == 1
    assert "the dataset is not the one this run began with" in message(run)


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
