"""The catalogue, finding models, and what keeps one from running."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from finetune.model_folder import ModelFolder
from finetune.weight_files import weights_hash
from studio.models import lookup as models
from studio.models.catalogue import CATALOGUE
from studio.models.lookup import check_available, check_size, find_model
from studio.render_request import RenderRequest


@pytest.fixture
def folder(sd3_folder: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    return Path(shutil.copytree(sd3_folder, tmp_path / "tiny"))


def test_the_catalogue_is_consistent() -> None:
    assert CATALOGUE[0].id == "micro-4k"
    assert len({entry.id for entry in CATALOGUE}) == len(CATALOGUE) >= 8
    for entry in CATALOGUE:
        width_px, height_px = entry.default_size_px
        RenderRequest(
            prompt="sea",
            model=entry.id,
            width_px=width_px,
            height_px=height_px,
            num_inference_steps=entry.default_steps,
            guidance_scale=entry.default_guidance_scale,
            seed=0,
        )
        check_size(entry, width_px, height_px)
        assert entry.gated == (entry.gate_url is not None)


def test_the_bundled_model_is_looked_for_beside_the_studio(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model("micro-4k").folder == Path(models.__file__).resolve().parents[2] / "assets" / "micro-4k"


@pytest.mark.parametrize("name", ["flux.1-dev", " FLUX.1-dev", "black-forest-labs/FLUX.1-dev"])
def test_found_by_id_and_by_hub_id(name: str) -> None:
    assert find_model(name).id == "flux.1-dev"


def test_found_by_folder(sd3_folder: Path, flux_folder: Path) -> None:
    sd3, flux = find_model(str(sd3_folder)), find_model(str(flux_folder))
    assert (sd3.family, sd3.autoencoder, sd3.alignment) == ("sd3", "f16", "exact")
    assert (flux.family, flux.autoencoder, flux.cpu_dtype) == ("flux", "f8", "float32")
    assert sd3.folder == sd3_folder
    check_available(sd3)
    check_available(flux)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("micro4k", "no model 'micro4k'; did you mean micro-4k"),
        ("", "no model ''"),
        ("/no/such/folder", "no model '/no/such/folder'"),
        (
            "someone/something",
            "is not in the catalogue; download it with `d4k models pull someone/something`",
        ),
    ],
)
def test_unknown_models_are_refused(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        find_model(name)


def test_a_folder_that_is_no_pipeline(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no model_index.json; give the folder of a whole"):
        find_model(str(tmp_path))
    (tmp_path / "model_index.json").write_text('{"_class_name": "PixArtSigmaPipeline"}')
    with pytest.raises(
        ValueError, match="is a PixArtSigmaPipeline; the studio draws with StableDiffusion3Pipeline"
    ):
        find_model(str(tmp_path))
    (tmp_path / "model_index.json").write_text("{half")
    with pytest.raises(ValueError, match="not readable JSON"):
        find_model(str(tmp_path))


def test_half_a_model_names_what_it_lacks(folder: Path) -> None:
    entry = find_model(str(folder))
    (folder / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    shutil.rmtree(folder / "tokenizer_2")
    with pytest.raises(
        ValueError, match=r"lacks .*tokenizer_2/, .*transformer/\*.safetensors.*download it again"
    ):
        check_available(entry)


def test_a_cut_off_weight_file_is_noticed(folder: Path) -> None:
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"lacks vae/diffusion_pytorch_model.safetensors"):
        check_available(find_model(str(folder)))
    weights.write_bytes(b"\xff" * 20)
    assert ModelFolder.open(folder).missing() == ["vae/diffusion_pytorch_model.safetensors"]


def test_a_link_whose_target_is_gone_is_half_a_model(folder: Path, tmp_path: Path) -> None:
    """As in a hub cache that was cleaned by hand."""
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    weights.symlink_to(tmp_path / "blobs" / "gone")
    entry = find_model(str(folder))
    assert ModelFolder.open(folder).missing() == ["vae/diffusion_pytorch_model.safetensors"]
    with pytest.raises(ValueError, match="is only half here"):
        check_available(entry)
    assert weights_hash(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "text_encoder" / "model.safetensors.index.json").write_text(json.dumps(index))
    assert ModelFolder.open(folder).missing() == [
        "text_encoder/model-1.safetensors",
        "text_encoder/model-2.safetensors",
    ]


def test_the_bundled_folder_gone(tmp_path: Path) -> None:
    entry = replace(CATALOGUE[0], source=str(tmp_path / "micro"))
    with pytest.raises(ValueError, match="not where it should be"):
        check_available(entry)


def test_a_gated_model_names_page_and_place_of_the_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(models, "cached_folder", lambda hub_id: None)
    nobody = {"HF_HOME": str(tmp_path)}
    with pytest.raises(
        ValueError,
        match=r"accept its licence at https://huggingface.co/black-forest-labs/FLUX.1-dev .*HF_TOKEN",
    ):
        check_available(find_model("flux.1-dev"), environ=nobody)
    check_available(find_model("flux.1-dev"), environ=nobody | {"HF_TOKEN": "hf_x"})
    (tmp_path / "token").write_text("hf_x")
    check_available(find_model("flux.1-dev"), environ=nobody)
    check_available(find_model("diffusion-4k-flux"), environ={})


def test_a_model_that_must_be_fetched_and_may_not(monkeypatch: pytest.MonkeyPatch, flux_folder: Path) -> None:
    offline = {"HF_HUB_OFFLINE": "1"}
    monkeypatch.setattr(models, "cached_folder", lambda hub_id: None)
    with pytest.raises(ValueError, match=r"not on this machine .* HF_HUB_OFFLINE forbids"):
        check_available(find_model("diffusion-4k-flux"), environ=offline)
    monkeypatch.setattr(models, "cached_folder", lambda hub_id: flux_folder)
    check_available(find_model("flux.1-dev"), environ=offline)


def test_sizes_beyond_the_model() -> None:
    check_size(CATALOGUE[0], 4096, 4096)
    with pytest.raises(ValueError, match="up to 4096 px a side, got 4128 x 512"):
        check_size(CATALOGUE[0], 4128, 512)


def test_the_hash_tells_weights_apart(folder: Path) -> None:
    before = weights_hash(folder)
    assert before == weights_hash(folder)
    assert len(before) == 16
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1  # one bit of one weight, header and size unchanged
    weights.write_bytes(bytes(content))
    assert weights_hash(folder) != before


def test_the_hash_goes_with_the_files_not_with_the_folder(folder: Path, sd3_folder: Path) -> None:
    assert weights_hash(folder) == weights_hash(sd3_folder)


def test_no_weights_no_hash(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no safetensors"):
        weights_hash(tmp_path)
