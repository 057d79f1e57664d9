"""What a model folder is: layouts, second copies of weights, what is missing. Loader and catalogue agree on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from finetune.backbones import FAMILIES, family_of
from finetune.backbones.autoencoder import is_f16, save_f16, use_f16
from finetune.model_folder import FAMILY_OF_CLASS, ModelFolder, missing_in, vae_facts
from finetune.weight_files import weights_hash
from studio.models.lookup import check_available, check_size, find_model
from studio.pipeline.opening import load_pipeline
from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline

SHARD = "600KB"


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return use_f16(tiny_sd3_pipeline())


@pytest.fixture(scope="module")
def plain(pipeline: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folders") / "plain"
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(plain: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    return Path(shutil.copytree(plain, tmp_path / "copy"))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_families_are_known_by_the_class_that_draws_them() -> None:
    assert {name: FAMILIES[family].pipeline_class.__name__ for name, family in FAMILY_OF_CLASS.items()} == {
        name: name for name in FAMILY_OF_CLASS
    }


def test_a_whole_folder(plain: Path) -> None:
    found = ModelFolder.open(plain)
    assert (found.family, found.variant, found.missing(), found.foreign_code) == ("sd3", None, [], [])
    assert (found.vae.is_f16, found.vae.alignment, found.vae.scale_factor) == (True, "exact", 16)


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("variant", ["fp16", "bf16"])
def test_a_folder_of_second_copies_alone_is_opened_as_they_are(
    pipeline: Any, tmp_path: Path, variant: str, sharded: bool
) -> None:
    folder = tmp_path / "half"
    pipeline.save_pretrained(folder, variant=variant, **({"max_shard_size": SHARD} if sharded else {}))
    assert not list((folder / "transformer").glob("*model.safetensors")), "the plain weights are there too"
    found = ModelFolder.open(folder)
    assert (found.variant, found.missing()) == (variant, [])
    check_available(find_model(str(folder)))
    opened = load_pipeline(find_model(str(folder)), dtype=torch.float32).pipeline
    for part in ("transformer", "vae", "text_encoder", "text_encoder_3"):
        ours, theirs = getattr(opened, part).state_dict(), getattr(pipeline, part).state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs), part


def test_a_second_copy_beside_the_plain_weights_changes_nothing(pipeline: Any, folder: Path) -> None:
    before = weights_hash(folder)
    pipeline.save_pretrained(folder, variant="fp16", max_shard_size=SHARD)
    found = ModelFolder.open(folder)
    assert (found.variant, found.missing(), weights_hash(folder)) == (None, [], before)


def test_a_missing_shard_of_a_second_copy_is_named(pipeline: Any, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path / "half", variant="fp16", max_shard_size=SHARD)
    shard = sorted((tmp_path / "half" / "transformer").glob("*-00001-of-*"))[0]
    shard.unlink()
    assert ModelFolder.open(tmp_path / "half").missing() == [f"transformer/{shard.name}"]


@pytest.mark.parametrize("part", ["tokenizer", "tokenizer_2", "tokenizer_3"])
def test_a_tokenizer_without_its_vocabulary_is_missing(folder: Path, part: str) -> None:
    """It opens all the same, with two tokens, and every prompt gives the same picture."""
    for file in (folder / part).iterdir():
        if file.name != "tokenizer_config.json":
            file.unlink()
    assert ModelFolder.open(folder).missing() == [f"{part}/tokenizer.json"]
    with pytest.raises(ValueError, match=f"is only half here.*lacks {part}/tokenizer.json"):
        check_available(find_model(str(folder)))
    with pytest.raises(ValueError, match=f"lacks {part}/tokenizer.json"):
        family_of(folder).load(folder)


@pytest.mark.parametrize("says_stride", [True, False])
def test_the_reference_code_s_own_class_is_f16_by_its_path_too(folder: Path, says_stride: bool) -> None:
    edit(folder / "model_index.json", lambda index: index.update(vae=["autoencoder_kl", "AutoencoderKL"]))
    if not says_stride:
        edit(folder / "vae" / "config.json", lambda config: config.pop("stride"))
    entry = find_model(str(folder))
    assert (entry.autoencoder, entry.default_size_px) == ("f16", (2048, 2048))
    opened, repairs = FAMILIES["sd3"].load(folder)
    assert is_f16(opened.vae)
    assert len(repairs) == (1 if says_stride else 2)


def test_a_snapshot_of_a_published_checkpoint_is_known_by_its_path(pipeline: Any, tmp_path: Path) -> None:
    """Saved with the stock class and a config that forgets: the path in the hub's cache still says which it is."""
    snapshot = tmp_path / "models--zhang0jhon--flux_wavelet_v2_sc" / "snapshots" / ("a" * 40)
    tiny_flux_pipeline().save_pretrained(snapshot)
    entry, known = find_model(str(snapshot)), find_model("diffusion-4k-flux-v2")
    assert (entry.autoencoder, entry.alignment, entry.default_steps) == (
        "f16",
        "reference",
        known.default_steps,
    )
    assert (entry.folder, entry.gated) == (snapshot, False)


@pytest.mark.parametrize(("positions", "reach_px"), [(192, 6144), (384, 8192), (64, 2048)])
def test_positions_end_before_a_size_does(folder: Path, positions: int, reach_px: int) -> None:
    edit(folder / "transformer" / "config.json", lambda config: config.update(pos_embed_max_size=positions))
    entry = find_model(str(folder))
    assert entry.max_side_px == reach_px
    check_size(entry, reach_px, reach_px)
    if reach_px < 8192:
        with pytest.raises(ValueError, match=f"draws up to {reach_px} px a side"):
            check_size(entry, reach_px + 32, 256)


@pytest.mark.parametrize(
    ("name", "reach_px"),
    [("sd3-medium", 6144), ("sd3.5-medium", 8192), ("sd3.5-large", 6144), ("flux.1-dev", 8192)],
)
def test_the_catalogue_s_models_reach_as_far_as_their_positions(name: str, reach_px: int) -> None:
    from finetune.backbones.full_size import FULL_SIZE_TRANSFORMERS

    assert find_model(name).max_side_px == reach_px
    settings = FULL_SIZE_TRANSFORMERS[name].config
    table = settings.get("pos_embed_max_size")
    assert table is None or min(table * settings.get("patch_size", 2) * 16, 8192) == reach_px


DAMAGE: dict[str, Callable[[Path], object]] = {
    "index cut off": lambda f: (f / "model_index.json").write_text('{"_class_name": "Sta'),
    "index a list": lambda f: (f / "model_index.json").write_text("[]"),
    "index null": lambda f: (f / "model_index.json").write_text("null"),
    "index bytes": lambda f: (f / "model_index.json").write_bytes(b"\xff\xfe\x00"),
    "index bottomless": lambda f: (f / "model_index.json").write_text("[" * 100_000),
    "index a folder": lambda f: ((f / "model_index.json").unlink(), (f / "model_index.json").mkdir()),
    "index gone": lambda f: (f / "model_index.json").unlink(),
    "class of another library": lambda f: edit(
        f / "model_index.json", lambda i: i.update(_class_name="Bark")
    ),
    "class null": lambda f: edit(f / "model_index.json", lambda i: i.update(_class_name=None)),
    "vae config cut off": lambda f: (f / "vae" / "config.json").write_text("{"),
    "vae stride a word": lambda f: edit(f / "vae" / "config.json", lambda c: c.update(stride="two")),
    "weights cut off": lambda f: (f / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(
        b"\x10" * 30
    ),
    "weights empty": lambda f: (f / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b""),
    "weights a folder": lambda f: (
        (f / "vae" / "diffusion_pytorch_model.safetensors").unlink(),
        (f / "vae" / "diffusion_pytorch_model.safetensors").mkdir(),
    ),
    "weights a link to nothing": lambda f: (
        (f / "vae" / "diffusion_pytorch_model.safetensors").unlink(),
        (f / "vae" / "diffusion_pytorch_model.safetensors").symlink_to(f / "gone"),
    ),
    "weights gone": lambda f: (f / "transformer" / "diffusion_pytorch_model.safetensors").unlink(),
    "part gone": lambda f: shutil.rmtree(f / "text_encoder_2"),
    "scheduler empty": lambda f: (f / "scheduler" / "scheduler_config.json").unlink(),
    "shard list a list": lambda f: (f / "transformer" / "a.safetensors.index.json").write_text("[]"),
    "shard list without a map": lambda f: (f / "transformer" / "a.safetensors.index.json").write_text("{}"),
    "tokenizer gone": lambda f: shutil.rmtree(f / "tokenizer"),
    "code of its own": lambda f: edit(f / "model_index.json", lambda i: i.update(scheduler=["mine", "S"])),
}


@pytest.mark.parametrize("spoil", DAMAGE.values(), ids=list(DAMAGE))
def test_a_spoilt_folder_is_refused_in_a_sentence_by_catalogue_and_loader(
    folder: Path, spoil: Callable[[Path], object]
) -> None:
    spoil(folder)
    with pytest.raises(ValueError, match=r"[a-z]") as refused:
        check_available(find_model(str(folder)))
    assert "Error" not in str(refused.value)
    with pytest.raises(ValueError, match=r"[a-z]"):
        load_pipeline(find_model(str(folder)))


def test_a_vae_alone(tmp_path: Path) -> None:
    save_f16(use_f16(tiny_sd3_pipeline(with_t5=False)).vae, tmp_path)
    assert vae_facts(tmp_path).is_f16
    assert missing_in(tmp_path) == []
    assert missing_in(tmp_path / "nowhere") == [""]


def test_pixels_are_those_of_the_plain_folder(pipeline: Any, plain: Path, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path / "half", variant="fp16")
    family = FAMILIES["sd3"]
    pictures = []
    for source in (plain, tmp_path / "half"):
        opened, _ = family.load(source)
        pictures.append(family.decode(opened, family.initial_latents(opened, 96, 64, seed=0), 96, 64).image)
    np.testing.assert_array_equal(*pictures)
