"""`d4k probe` on tiny models: both families, every path a CPU has, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, T5Config, T5EncoderModel
from typer.testing import CliRunner

from finetune.backbones import random_pipeline as randoms
from finetune.backbones.autoencoder import is_f16
from finetune.backbones.full_size import FullSizeTransformer
from studio.cli.main import app
from studio.memory import probe_models
from studio.memory.probe import probe_rungs
from studio.memory_rungs import RUNGS
from studio.models.lookup import find_model

_CLIP = CLIPTextConfig(
    hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, projection_dim=16
)
_T5 = T5Config(d_model=32, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
TINY = {
    "sd3-medium": FullSizeTransformer(
        "sd3",
        {
            "num_layers": 1,
            "num_attention_heads": 2,
            "attention_head_dim": 16,
            "joint_attention_dim": 32,
            "caption_projection_dim": 32,
            "pooled_projection_dim": 32,
            "pos_embed_max_size": 32,
        },
        0,
    ),
    "flux.1-dev": FullSizeTransformer(
        "flux",
        {
            "num_layers": 1,
            "num_single_layers": 1,
            "num_attention_heads": 2,
            "attention_head_dim": 16,
            "joint_attention_dim": 32,
            "pooled_projection_dim": 16,
            "axes_dims_rope": (4, 6, 6),
            "guidance_embeds": True,
        },
        0,
    ),
}
ENCODERS = {
    "sd3": {
        "text_encoder": (CLIPTextModelWithProjection, _CLIP),
        "text_encoder_2": (CLIPTextModelWithProjection, _CLIP),
        "text_encoder_3": (T5EncoderModel, _T5),
    },
    "flux": {"text_encoder": (CLIPTextModel, _CLIP), "text_encoder_2": (T5EncoderModel, _T5)},
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published shapes, made small."""
    vae = {**randoms.FULL_SIZE_VAE, "block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4}
    for module in (randoms, probe_models):
        monkeypatch.setattr(module, "FULL_SIZE_TRANSFORMERS", TINY)
    monkeypatch.setattr(randoms, "FULL_SIZE_VAE", vae)
    monkeypatch.setattr(randoms, "TEXT_ENCODERS", ENCODERS)


def run(home: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["probe", *arguments, "--home", str(home)])


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_random_weights_of_a_published_shape(tiny: None, tmp_path: Path, family: str) -> None:
    done = run(tmp_path, "--family", family, "--size", "256x320", "--random-weights", "--json")
    assert done.exit_code == 0, done.output
    (told,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (told["model"], told["rung"], told["random_weights"]) == (
        {"sd3": "sd3-medium", "flux": "flux.1-dev"}[family],
        "resident",
        True,
    )
    assert [stage["name"] for stage in told["stages"]] == ["encode", "denoise", "decode"]
    assert told["seconds_per_step"] > 0
    assert all(stage["seconds"] > 0 and stage["forecast_bytes"] > 0 for stage in told["stages"])


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_training_of_a_published_shape(tiny: None, tmp_path: Path, kind: str) -> None:
    done = run(tmp_path, "--size", "256x256", "--random-weights", "--train", kind, "--steps", "1", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["train"] == kind
    assert (told["num_trained"] == told["num_parameters"]) == (kind == "full")
    assert told["stages"][0]["forecast_bytes"] > 4 * told["num_trained"]


def test_a_folder_is_measured_as_it_is(sd3_folder: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "--model", str(sd3_folder), "--size", "256x256")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "at 256 x 256, resident" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["stage", "encode", "denoise", "decode"]


def test_without_encoders_there_is_nothing_to_encode(tiny: None, tmp_path: Path) -> None:
    done = run(tmp_path, "--size", "256x256", "--random-weights", "--without-encoders", "--json")
    assert [stage["name"] for stage in json.loads(done.stdout)["stages"]] == ["denoise", "decode"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--family", "sdxl"), "--family is sd3 or flux"),
        (("--train", "half"), "--train is lora or full"),
        (("--model", "micro-4k", "--random-weights"), "has no published shape"),
        (("--model", "diffusion-4k-flux"), "add --random-weights to measure its size without it"),
        (("--model", "micro-4k", "--rung", "floor"), "the ladder is resident"),
    ],
)
def test_what_cannot_be_measured_is_said(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    done = run(tmp_path, *arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_random_pipelines_are_f16_and_finite(tiny: None) -> None:
    made = randoms.random_pipeline("sd3-medium", torch.device("cpu"))
    assert is_f16(made.vae)
    assert made.text_encoder.text_model.embeddings.position_ids.flatten()[:3].tolist() == [0, 1, 2]
    for part in (made.transformer, made.vae, made.text_encoder_3):
        assert all(torch.isfinite(weight).all() for weight in part.parameters())


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_every_rung_of_this_machine_is_probed(tiny: None, tmp_path: Path, family: str) -> None:
    done = run(
        tmp_path, "--family", family, "--size", "256x256", "--random-weights", "--rung", "all", "--json"
    )
    assert done.exit_code == 0, done.output
    told = {one["rung"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert list(told) == list(probe_rungs(torch.device("cpu"), random=True)) == ["resident", "int8"]
    assert all(len(one["stages"]) == 3 for one in told.values())


def test_smaller_weights_are_made_of_random_ones(tiny: None) -> None:
    source = probe_models.Source(find_model("sd3-medium"), True, False, torch.device("cpu"))
    transformer = source.pipeline("int8").transformer
    assert type(transformer.transformer_blocks[0].attn.to_q.weight).__name__ == "Int8Tensor"
    assert type(transformer.proj_out.weight) is torch.nn.Parameter
    with pytest.raises(ValueError, match="4-bit weights are made while a model is opened"):
        source.pipeline("nf4")


def test_a_gpu_is_probed_on_every_rung(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    gpu = torch.device("cuda")
    assert probe_rungs(gpu, random=False) == RUNGS
    assert probe_rungs(gpu, random=True) == tuple(rung for rung in RUNGS if rung != "nf4")


def test_fine_tuned_models_have_the_shape_of_their_origin() -> None:
    source = probe_models.Source(find_model("diffusion-4k-flux"), True, True, torch.device("cpu"))
    assert source._shape() == "flux.1-dev"
