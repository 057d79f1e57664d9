"""What goes wrong in a run and how it is told: a loss that is no number, full disks, too little memory, refusals."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors import safe_open

from finetune import checkpointing, train
from finetune.checkpointing import checkpoint_steps
from finetune.config.files import from_values
from finetune.run_folder import VERSION, RunFolder
from tests.finetune.training_runs import write_dataset
from tests.finetune.whole_runs import message, objective_that, trained


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
