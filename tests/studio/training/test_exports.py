"""A run's exports and uploads as jobs: asked for, done by the worker, told with what did not fit."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusion3Pipeline
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from finetune.backbones import FAMILIES
from finetune.config.files import from_values
from finetune.lora.files import save_adapter
from finetune.run_folder import RunFolder, create_run
from finetune.run_status import Status
from finetune.weight_files import read_header
from studio.home.workspace import Workspace
from studio.models.adapters import RUN_FILE
from studio.queue.job import Job
from studio.queue.table import JobTable
from studio.training.export_job import ExportJobs
from studio.training.export_request import ask_for_export, ask_for_push, results_of
from tests.a_hub import serving_hub

STRANGER = "lora_unet_no_such_layer"


@pytest.fixture
def run(workspace: Workspace, sd3_folder: Path) -> RunFolder:
    """A finished LoRA run of a tiny model; its LoRA also has a pair for a layer that the model lacks."""
    made = create_run(
        workspace.runs,
        from_values(
            {
                "model": {"base": str(sd3_folder)},
                "data": {"source": str(workspace.datasets)},
                "output": {"name": "oil"},
            }
        ),
    )
    transformer = StableDiffusion3Pipeline.from_pretrained(
        sd3_folder, text_encoder_3=None, tokenizer_3=None
    ).transformer
    transformer.add_adapter(LoraConfig(r=2, target_modules=list(FAMILIES["sd3"].lora_targets)))
    for name, weight in transformer.named_parameters():
        if ".lora_" in name:
            weight.data = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    file = save_adapter(transformer, made.path / "adapter", family="sd3", metadata={"base": str(sd3_folder)})
    state, metadata = load_file(file), dict(read_header(file).metadata)
    state[f"{STRANGER}.lora_down.weight"] = torch.zeros(2, 8)
    state[f"{STRANGER}.lora_up.weight"] = torch.zeros(8, 2)
    save_file(state, file, metadata)
    made.say(Status("done", step=10, num_steps=10))
    return made


@pytest.fixture
def exports(workspace: Workspace, jobs: JobTable) -> ExportJobs:
    return ExportJobs(workspace, jobs)


def claimed(jobs: JobTable) -> Job:
    job = jobs.claim(1)
    assert job is not None
    return job


@pytest.mark.parametrize(("kind", "start"), [("diffusers", "transformer."), ("comfyui", "lora_unet_")])
def test_a_lora_for_others_and_what_of_it_fits_nothing(
    run: RunFolder, jobs: JobTable, exports: ExportJobs, kind: str, start: str
) -> None:
    ask_for_export(jobs, run, kind=kind)
    assert exports.export(claimed(jobs))
    (result,) = results_of(jobs, "oil")
    assert result.path is not None
    assert all(key.startswith(start) for key in load_file(result.path))
    assert result.num_unused == 2
    assert result.unused[f"{STRANGER}.lora_up.weight"] == "The model has no such layer."
    assert "2 keys are not used" in result.words
    assert result.title == kind


def test_a_whole_model_with_the_lora_in_it(
    run: RunFolder, jobs: JobTable, exports: ExportJobs, sd3_folder: Path
) -> None:
    ask_for_export(jobs, run, kind="merged", weight=0.5)
    assert exports.export(claimed(jobs))
    (result,) = results_of(jobs, "oil")
    assert result.title == "merged, × 0.5"
    assert result.path is not None
    ours, base = (
        StableDiffusion3Pipeline.from_pretrained(
            folder, text_encoder_3=None, tokenizer_3=None
        ).transformer.state_dict()
        for folder in (result.path, sd3_folder)
    )
    assert any(not torch.equal(ours[name], base[name]) for name in base)


def test_what_cannot_be_exported_is_refused_before_or_named_after(
    run: RunFolder, jobs: JobTable, exports: ExportJobs
) -> None:
    with pytest.raises(ValueError, match="diffusers, comfyui, merged"):
        ask_for_export(jobs, run, kind="onnx")
    with pytest.raises(ValueError, match="strength must lie"):
        ask_for_export(jobs, run, kind="merged", weight=float("nan"))
    assert not jobs.jobs()
    first = ask_for_export(jobs, run, kind="comfyui", step=7)
    assert ask_for_export(jobs, run, kind="comfyui", step=7) == first, "one that waits is not asked for twice"
    with pytest.raises(ValueError, match="no checkpoint of step 7"):
        exports.export(claimed(jobs))
    shutil.rmtree(run.path / "adapter")
    ask_for_export(jobs, run, kind="diffusers")
    with pytest.raises(ValueError, match="has left no LoRA yet"):
        exports.export(claimed(jobs))
    shutil.rmtree(run.path)
    ask_for_export(jobs, run, kind="merged")
    with pytest.raises(ValueError, match="there is no run 'oil'"):
        exports.export(claimed(jobs))


def test_a_full_run_has_no_lora_to_take(run: RunFolder, jobs: JobTable) -> None:
    (run.path / "transformer").mkdir()
    (run.path / "transformer" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="choose the whole model"):
        ask_for_export(jobs, run, kind="diffusers")


def test_cancelled_before_it_began(run: RunFolder, jobs: JobTable, exports: ExportJobs) -> None:
    number = ask_for_export(jobs, run, kind="diffusers")
    job = claimed(jobs)
    jobs.cancel(number)
    assert not exports.export(job)
    (result,) = results_of(jobs, "oil")
    assert (result.job.state, result.path, result.words) == ("cancelled", None, "")


def test_an_upload_needs_a_token_and_an_id(run: RunFolder, jobs: JobTable) -> None:
    with pytest.raises(ValueError, match="only with a token"):
        ask_for_push(jobs, run, hub_id="ada/oil", public=False, environ={})
    with pytest.raises(ValueError, match="ACCOUNT/NAME"):
        ask_for_push(jobs, run, hub_id="oil", public=False, environ={"HF_TOKEN": "hf_x"})
    assert not jobs.jobs()


def test_results_of_a_damaged_row_are_empty(run: RunFolder, jobs: JobTable) -> None:
    ask_for_export(jobs, run, kind="diffusers")
    job = claimed(jobs)
    jobs.finish(job.id, {"path": 3, "unused": [1], "num_unused": "many"})
    (result,) = results_of(jobs, "oil")
    assert (result.path, dict(result.unused), result.num_unused) == (None, {}, 0)
    assert json.dumps(result.words) == '""'


def test_an_upload_arrives_whole_and_private(
    run: RunFolder, jobs: JobTable, exports: ExportJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_x")
        ask_for_push(jobs, run, hub_id="ada/hills", public=False, environ=os.environ)
        assert exports.push(claimed(jobs))
    (created,) = hub.created
    assert created.get("private", created.get("visibility") == "private") is True
    assert hub.files["pytorch_lora_weights.safetensors"] == (run.path / RUN_FILE).read_bytes()
    assert b"library_name" in hub.files["README.md"]
    assert set(hub.files) == {"pytorch_lora_weights.safetensors", "README.md", "recipe.toml"}
    assert hub.tokens == {"Bearer hf_x"}
    (result,) = results_of(jobs, "oil")
    assert result.words == f"{hub.url}/ada/hills"
    assert result.title == "to ada/hills, private"
