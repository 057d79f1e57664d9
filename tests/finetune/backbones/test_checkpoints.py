"""Opening folders: whole, with the two broken published layouts, and incomplete; nothing on disk changes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DiffusionPipeline
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from finetune.backbones import FAMILIES, Family, checkpoints, family_of
from finetune.backbones.autoencoder import alignment_of, is_f16, make_f16, save_f16, use_f16
from finetune.backbones.checkpoints import load_autoencoder
from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline, tiny_vae

MAKERS = {"sd3": tiny_sd3_pipeline, "flux": tiny_flux_pipeline}


@pytest.fixture(scope="module", params=["sd3", "flux"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Family, Path]:
    """An F16 pipeline as our exports write it."""
    folder = tmp_path_factory.mktemp(request.param)
    use_f16(MAKERS[request.param]()).save_pretrained(folder)
    return FAMILIES[request.param], folder


@pytest.fixture
def folder(saved: tuple[Family, Path], tmp_path: Path) -> Path:
    """A copy that a test may break: links to the weights, own JSON files."""
    for file in saved[1].rglob("*"):
        copy = tmp_path / file.relative_to(saved[1])
        if file.is_dir():
            copy.mkdir()
        elif file.suffix == ".json":
            copy.write_bytes(file.read_bytes())
        else:
            copy.symlink_to(file)
    return tmp_path


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def name_the_custom_class(folder: Path) -> None:
    """The layout that the reference code's own class is saved in."""
    edit(folder / "model_index.json", lambda index: index.update(vae=["autoencoder_kl", "AutoencoderKL"]))


def forget_the_stride(folder: Path) -> None:
    """The layout that the reference training scripts leave behind."""
    edit(folder / "vae" / "config.json", lambda config: config.pop("stride"))


def picture(family: Family, pipeline: DiffusionPipeline) -> np.ndarray:
    latents = family.initial_latents(pipeline, 96, 64, seed=0)
    return family.decode(pipeline, latents, 96, 64).image


def test_a_whole_folder_opens_with_nothing_to_repair(saved: tuple[Family, Path]) -> None:
    family, folder = saved
    pipeline, repairs = family.load(folder)
    assert repairs == ()
    assert is_f16(pipeline.vae)
    assert pipeline.vae_scale_factor == 16
    assert not pipeline.vae.training
    assert pipeline.dtype == torch.float32
    np.testing.assert_array_equal(picture(family, pipeline), picture(family, use_f16(MAKERS[family.name]())))
    images = pipeline("a", width=96, height=64, num_inference_steps=1, max_sequence_length=16).images
    assert images[0].size == (96, 64)


@pytest.mark.parametrize(
    ("breakages", "sentences"),
    [
        ([name_the_custom_class], ["class autoencoder_kl.AutoencoderKL"]),
        ([forget_the_stride], ["does not say `stride: 2`"]),
        ([name_the_custom_class, forget_the_stride], ["class autoencoder_kl.AutoencoderKL", "`stride: 2`"]),
    ],
)
def test_broken_published_layouts_are_repaired_and_told(
    saved: tuple[Family, Path], folder: Path, breakages: list[Any], sentences: list[str]
) -> None:
    family = saved[0]
    for breakage in breakages:
        breakage(folder)
    before = {file: file.read_bytes() for file in folder.rglob("*.json")}
    pipeline, repairs = family.load(folder, autoencoder="f16", alignment="reference")
    assert len(repairs) == len(sentences)
    for repair, sentence in zip(repairs, sentences, strict=True):
        assert sentence in repair
        assert repair.endswith(".")
    assert alignment_of(pipeline.vae) == "reference"
    expected = use_f16(MAKERS[family.name](), alignment="reference")
    np.testing.assert_array_equal(picture(family, pipeline), picture(family, expected))
    assert {file: file.read_bytes() for file in folder.rglob("*.json")} == before
    assert pipeline.name_or_path == str(folder)


def test_the_custom_class_stops_stock_diffusers(saved: tuple[Family, Path], folder: Path) -> None:
    """Why the repair exists: should this start to pass, the repair may go."""
    name_the_custom_class(folder)
    with pytest.raises((ImportError, ValueError)):
        saved[0].pipeline_class.from_pretrained(folder, local_files_only=True)


def test_a_class_named_in_the_vae_config_is_repaired(folder: Path) -> None:
    edit(folder / "vae" / "config.json", lambda config: config.update(_class_name="AutoencoderKLPartitioned"))
    vae, repairs = load_autoencoder(folder)
    assert is_f16(vae)
    assert len(repairs) == 1
    assert "'AutoencoderKLPartitioned'" in repairs[0]


def test_a_pipeline_without_t5_opens_again(tmp_path: Path) -> None:
    use_f16(tiny_sd3_pipeline(with_t5=False)).save_pretrained(tmp_path)
    pipeline, repairs = FAMILIES["sd3"].load(tmp_path)
    assert repairs == ()
    assert pipeline.text_encoder_3 is None
    assert pipeline.tokenizer_3 is None


def test_dtype_and_autoencoder_are_as_asked(tmp_path: Path) -> None:
    tiny_flux_pipeline().save_pretrained(tmp_path)
    pipeline, repairs = FAMILIES["flux"].load(tmp_path, dtype=torch.bfloat16)
    assert repairs == ()
    assert not is_f16(pipeline.vae)
    assert pipeline.vae_scale_factor == 8
    modules = (pipeline.vae, pipeline.transformer, pipeline.text_encoder, pipeline.text_encoder_2)
    assert {module.dtype for module in modules} == {torch.bfloat16}
    f16, repairs = FAMILIES["flux"].load(tmp_path, autoencoder="f16")
    assert is_f16(f16.vae)
    assert len(repairs) == 1


def test_a_vae_folder_alone_opens_and_keeps_its_alignment(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("diffusers"), "propagate", True)
    save_f16(make_f16(tiny_vae(), alignment="reference"), tmp_path)
    vae, repairs = load_autoencoder(tmp_path)
    assert alignment_of(vae) == "reference"
    assert repairs == ()
    assert "will be ignored" not in caplog.text
    AutoencoderKL.from_pretrained(tmp_path)  # stock code goes on saying that it ignores the key
    assert "'stride': 2" in caplog.text


def test_families_are_told_apart(saved: tuple[Family, Path]) -> None:
    family, folder = saved
    assert family_of(folder) is family
    other = FAMILIES["flux" if family.name == "sd3" else "sd3"]
    with pytest.raises(ValueError, match=f"is a {family.pipeline_class.__name__}; the family"):
        other.load(folder)


def test_an_unknown_pipeline_class_is_named(folder: Path) -> None:
    edit(folder / "model_index.json", lambda index: index.update(_class_name="KolorsPipeline"))
    with pytest.raises(
        ValueError,
        match="is a KolorsPipeline; the studio draws with StableDiffusion3Pipeline and FluxPipeline",
    ):
        family_of(folder)


def test_missing_files_are_named(saved: tuple[Family, Path], folder: Path) -> None:
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    for file in (folder / "tokenizer").iterdir():
        file.unlink()
    (folder / "tokenizer").rmdir()
    with pytest.raises(
        ValueError, match=r"lacks .*tokenizer/, .*vae/\*\.safetensors|lacks .*vae/\*\.safetensors"
    ):
        saved[0].load(folder)
    with pytest.raises(ValueError, match=r"vae is incomplete, it lacks \*\.safetensors"):
        load_autoencoder(folder)


def test_a_missing_shard_is_named(saved: tuple[Family, Path], folder: Path) -> None:
    shards = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(shards))
    (folder / "transformer" / "model-1.safetensors").touch()
    with pytest.raises(
        ValueError,
        match=r"lacks transformer/model-2.*, transformer/model-1.*; download",
    ):
        saved[0].load(folder)


@pytest.mark.parametrize(("content", "said"), [("{", "not readable JSON"), ("[]", "holds a list")])
def test_a_corrupt_config_is_explained(folder: Path, content: str, said: str) -> None:
    (folder / "vae" / "config.json").write_text(content)
    with pytest.raises(ValueError, match=said):
        load_autoencoder(folder)


def test_contradictions_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="not F8 as asked"):
        load_autoencoder(folder, autoencoder="f8")
    edit(folder / "vae" / "config.json", lambda config: config.update(stride=4))
    with pytest.raises(ValueError, match="says stride 4; F16 says 2"):
        load_autoencoder(folder)


def test_folders_of_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no model_index\.json"):
        FAMILIES["sd3"].load(tmp_path)
    with pytest.raises(ValueError, match="give a pipeline's or a VAE's folder"):
        load_autoencoder(tmp_path)
    with pytest.raises(ValueError, match="not a folder, nor a hub id"):
        FAMILIES["sd3"].load(tmp_path / "absent" / "deep")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (GatedRepoError, "accept its licence at https://huggingface.co/some/model"),
        (RepositoryNotFoundError, "neither a folder here nor a model on the hub"),
        (LocalEntryNotFoundError, "the hub cannot be reached"),
    ],
)
def test_hub_refusals_carry_their_remedy(
    error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise error.__new__(error)

    monkeypatch.setattr(checkpoints, "snapshot_download", refuse)
    with pytest.raises(ValueError, match=said):
        FAMILIES["flux"].load("some/model")


def test_a_hub_id_fetches_only_what_is_opened(
    saved: tuple[Family, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    family, folder = saved
    asked: list[list[str]] = []

    def hand_out(hub_id: str, *, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
        assert hub_id == "some/model"
        asked.append(allow_patterns)
        return str(folder)

    monkeypatch.setattr(checkpoints, "snapshot_download", hand_out)
    pipeline, repairs = family.load("some/model")
    assert repairs == ()
    assert pipeline.name_or_path == "some/model"
    assert asked[0] == ["model_index.json"]
    assert "vae/*.safetensors" in asked[1]
    assert not any(pattern.endswith((".bin", ".ckpt", "*")) for pattern in asked[1])
