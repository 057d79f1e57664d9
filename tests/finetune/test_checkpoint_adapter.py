"""A checkpoint's LoRA against the one that the run itself would have written at that step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from finetune.checkpoint_adapter import adapter_path, adapter_steps, export_step
from finetune.checkpointing import TENSORS, save_checkpoint
from finetune.ema import Ema
from finetune.lora.files import save_adapter
from finetune.run_folder import RunFolder
from finetune.training_state import gather_state
from tests.finetune.lora.test_files import trained
from tests.finetune.training_runs import new_run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return new_run(tmp_path / "runs", tmp_path / "base", tmp_path / "pictures", method={"alpha": 12.0})


def checkpoint(run: RunFolder, step: int, *, ema: bool = False, times: float = 1.0) -> Any:
    """Of a tiny pipeline whose LoRA is random, `times` as strong; returns its transformer."""
    transformer = trained("sd3").transformer
    with torch.no_grad():
        for name, weight in transformer.named_parameters():
            if ".lora_B" in name:
                weight.mul_(times)
    parameters = {name: p for name, p in transformer.named_parameters() if ".lora_" in name}
    mean = Ema(parameters, 0.9) if ema else None
    if mean is not None:
        with torch.no_grad():
            for parameter in parameters.values():
                parameter.mul_(2)
    tensors, numbers = gather_state(parameters, torch.optim.AdamW(parameters.values()), mean)
    save_checkpoint(run.checkpoints, step, tensors=tensors, numbers=numbers)
    if mean is not None:
        with torch.no_grad():
            for parameter in parameters.values():
                parameter.div_(2)
    return transformer


@pytest.mark.parametrize("ema", [False, True])
def test_it_is_what_the_run_would_have_written(run: RunFolder, tmp_path: Path, ema: bool) -> None:
    """With a running mean: the mean, as the run's own result has it."""
    transformer = checkpoint(run, 4, ema=ema)
    wanted = load_file(save_adapter(transformer, tmp_path / "whole", family="sd3", metadata={}))
    found = load_file(export_step(run, 4, family="sd3"))
    assert found.keys() == wanted.keys()
    assert any(weights.abs().max() > 0 for weights in wanted.values())
    for name, weights in wanted.items():
        torch.testing.assert_close(found[name], weights, rtol=0, atol=0)


def test_the_header_says_what_it_was_made_for(run: RunFolder) -> None:
    checkpoint(run, 4)
    with safe_open(export_step(run, 4, family="sd3"), framework="pt") as file:
        about = file.metadata()
    assert {name: about[name] for name in ("family", "rank", "steps", "run")} == {
        "family": "sd3",
        "rank": "4",
        "steps": "4",
        "run": "run",
    }
    assert about["base"] == run.config().model.base


def test_a_step_that_was_passed_anew_is_written_anew_and_a_pruned_one_stays(run: RunFolder) -> None:
    checkpoint(run, 2)
    first = export_step(run, 2, family="sd3")
    before = first.read_bytes(), first.stat().st_mtime_ns
    assert export_step(run, 2, family="sd3").stat().st_mtime_ns == before[1], "it is not written twice"
    checkpoint(run, 2, ema=True)
    assert export_step(run, 2, family="sd3").read_bytes() != before[0]
    checkpoint(run, 4)
    assert adapter_steps(run) == (2, 4)
    for file in sorted((run.checkpoints / "step-000002").iterdir()):
        file.unlink()
    (run.checkpoints / "step-000002").rmdir()
    assert adapter_steps(run) == (2, 4)
    assert export_step(run, 2, family="sd3") == adapter_path(run, 2)


def test_refusals(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no checkpoint of step 9; it has none yet"):
        export_step(run, 9, family="sd3")
    checkpoint(run, 2)
    with pytest.raises(ValueError, match="no checkpoint of step 9; it has 2"):
        export_step(run, 9, family="sd3")
    state = run.checkpoints / "step-000002" / TENSORS
    content = state.read_bytes()
    state.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="checkpoint step-000002 is damaged"):
        export_step(run, 2, family="sd3")
    full = new_run(tmp_path / "runs", tmp_path / "base", tmp_path / "pictures", method={"kind": "full"})
    with pytest.raises(ValueError, match="trains every weight"):
        export_step(full, 2, family="sd3")
    nan = {"weight/a.lora_A.default.weight": torch.tensor([[float("nan")]])}
    save_checkpoint(run.checkpoints, 6, tensors=nan, numbers={})
    with pytest.raises(ValueError, match="NaN or infinity in a; choose an earlier"):
        export_step(run, 6, family="sd3")
    assert not adapter_path(run, 6).exists()
