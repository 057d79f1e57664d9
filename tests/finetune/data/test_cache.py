"""The cache gives what encoding at once gives, bit for bit, and encodes nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from finetune.backbones import FAMILIES, family_of
from finetune.backbones.autoencoder import use_f16
from finetune.backbones.decoding import encode_image
from finetune.backbones.text_embeddings import encode_caption
from finetune.data import cache
from finetune.data.buckets import Crop, cut
from finetune.data.cache import CachedDataset, CacheStopped, build_cache, open_cache
from finetune.data.cache_space import cache_bytes, clear_cache
from finetune.data.captions import CaptionStore
from finetune.data.dataset import open_dataset
from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline

MAKERS = {"sd3": tiny_sd3_pipeline, "flux": tiny_flux_pipeline}
CROPS = [
    Crop("a.png", (0, 0, 128, 128), (64, 64)),
    Crop("b.png", (16, 0, 112, 64), (96, 64)),
    Crop("c.png", (0, 0, 64, 64), (64, 64)),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for seed, name in enumerate("abc"):
        pixels = np.random.default_rng(seed).integers(0, 256, (128, 128, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "a.txt").write_text("a red hill")
    (folder / "b.txt").write_text("a red hill")
    return folder


@pytest.fixture(scope="module", params=["sd3", "sd3-f16", "flux", "flux-f16"])
def opened(request: pytest.FixtureRequest) -> Iterator[tuple[str, DiffusionPipeline]]:
    name, _, f16 = request.param.partition("-")
    pipeline = MAKERS[name]()
    return name, use_f16(pipeline) if f16 else pipeline


def build(
    opened: tuple[str, DiffusionPipeline], root: Path, crops: list[Crop] = CROPS, **given: Any
) -> CachedDataset:
    name, pipeline = opened
    given = {"model_digest": "m", "max_sequence_length": 16} | given
    return build_cache(pipeline, FAMILIES[name], open_dataset(root), crops, root.parent / "cache", **given)


def flow_matching_loss(pipeline: DiffusionPipeline, latents: torch.Tensor, embeds: torch.Tensor) -> float:
    """A loss that every number of the example enters."""
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    return float(((noise - latents.float()) * embeds.float().mean()).square().mean())


def test_what_is_read_is_what_encoding_at_once_gives(
    opened: tuple[str, DiffusionPipeline], root: Path
) -> None:
    name, pipeline = opened
    cached = build(opened, root)
    factor = 16 if pipeline.vae.config.get("stride") == 2 else 8
    captions = ["a red hill", "a red hill", ""]
    for index, (crop, caption) in enumerate(zip(CROPS, captions, strict=True)):
        pixels = np.asarray(Image.open(root / crop.file_name))
        at_once = encode_image(pipeline.vae, cut(pixels, crop)).latents[0].float()
        text = encode_caption(pipeline, FAMILIES[name], caption, max_sequence_length=16)
        item = cached.item(index)
        assert item.latents.shape == (16, crop.size_px[1] // factor, crop.size_px[0] // factor)
        assert item.latents.dtype == torch.float32
        assert item.size_px == cached.sizes_px[index] == crop.size_px
        assert torch.equal(item.latents, at_once)
        assert torch.equal(item.prompt_embeds, text.prompt_embeds)
        assert torch.equal(item.pooled_prompt_embeds, text.pooled_prompt_embeds)
        losses = [flow_matching_loss(pipeline, *pair) for pair in ((at_once, text[0]), item[:2])]
        assert losses[0] == losses[1] != 0
    assert torch.equal(cached.empty_text.prompt_embeds, cached.item(2).prompt_embeds)


def test_captions_are_encoded_as_the_stock_pipeline_does(opened: tuple[str, DiffusionPipeline]) -> None:
    """Caught on their way into the transformer, during a stock call."""
    name, pipeline = opened
    caught: list[dict[str, Any]] = []
    hook = pipeline.transformer.register_forward_pre_hook(lambda _, __, k: caught.append(k), with_kwargs=True)
    arguments = FAMILIES[name].prompt_arguments(
        pipeline, prompt="a hill", negative_prompt="", guidance_scale=1.0
    )
    pipeline(**arguments, height=64, width=64, num_inference_steps=1, output_type="latent")
    hook.remove()
    text = encode_caption(pipeline, FAMILIES[name], "a hill")
    assert torch.equal(text.prompt_embeds, caught[0]["encoder_hidden_states"][0])
    assert torch.equal(text.pooled_prompt_embeds, caught[0]["pooled_projections"][0])


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[tuple[str, DiffusionPipeline], list[str]]]:
    """An opened model, and a list of what was encoded."""
    encoded: list[str] = []

    def text(pipeline: Any, family: Any, caption: str, **kwargs: Any) -> Any:
        encoded.append(caption)
        return encode_caption(pipeline, family, caption, **kwargs)

    def picture(pipeline: Any, root: Path, crop: Crop, **settings: Any) -> Any:
        encoded.append(crop.file_name)
        return _encode(pipeline, root, crop, **settings)

    _encode = cache._encode
    monkeypatch.setattr(cache, "encode_caption", text)
    monkeypatch.setattr(cache, "_encode", picture)
    return ("sd3", tiny_sd3_pipeline()), encoded


def test_pictures_that_memory_does_not_hold_whole_are_told_of(
    opened: tuple[str, DiffusionPipeline], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, whole, failures = opened[1], opened[1].vae.encode, iter([True])

    def encode(pixels: torch.Tensor) -> Any:
        if next(failures, False):
            raise torch.OutOfMemoryError("full")
        return whole(pixels)

    monkeypatch.setattr(pipeline.vae, "encode", encode)
    told = list[str]()
    build(opened, root, model_digest="tiles", on_progress=lambda what, *_: told.append(what) is None)
    assert told.count("pictures") == 1  # before the first
    assert told[-3:] == ["pictures, 1 of them in tiles: memory was too short"] * 3


def test_only_what_changed_is_encoded(tiny: Any, root: Path) -> None:
    opened, encoded = tiny
    first = build(opened, root)
    assert encoded == ["", "a red hill", "a.png", "b.png", "c.png"]  # one caption of two pictures: once
    encoded.clear()
    assert build(opened, root).digest == first.digest
    assert encoded == []
    (root / "a.png").touch()  # another time, the same content
    assert build(opened, root).digest == first.digest
    assert encoded == []
    CaptionStore(root).write_by_hand([("b.png", "a blue hill")])
    changed = build(opened, root)
    assert encoded == ["a blue hill"]
    assert changed.digest != first.digest
    encoded.clear()
    Image.fromarray(np.zeros((128, 128, 3), np.uint8)).save(root / "a.png")
    build(opened, root, [CROPS[0], CROPS[1], Crop("c.png", (0, 0, 128, 128), (64, 64))])
    assert encoded == ["a.png", "c.png"]
    encoded.clear()
    build(opened, root, model_digest="another")
    assert len(encoded) == 6
    encoded.clear()
    build(opened, root, model_digest="another", max_sequence_length=20)
    assert encoded == ["", "a blue hill", "a red hill"]
    encoded.clear()
    use_f16(opened[1])
    build(opened, root, model_digest="another", max_sequence_length=20)
    assert encoded == ["a.png", "b.png", "c.png"]


def test_stopped_and_gone_on(tiny: Any, root: Path) -> None:
    opened, encoded = tiny
    with pytest.raises(CacheStopped):
        build(opened, root, on_progress=lambda what, done, _: not (what == "pictures" and done == 2))
    assert encoded == ["", "a red hill", "a.png", "b.png"]
    with pytest.raises(ValueError, match="no finished cache"):
        open_cache(root.parent / "cache")
    build(opened, root)
    assert encoded[4:] == ["c.png"]


def test_a_damaged_file_is_named_and_mended_by_building_again(tiny: Any, root: Path) -> None:
    opened, encoded = tiny
    cached = build(opened, root)
    path = cached.folder / "latents" / cached.entries[1][1]
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="damaged or gone"):
        cached.item(1)
    encoded.clear()
    build(opened, root).item(1)
    assert encoded == ["b.png"]
    path.unlink()
    with pytest.raises(ValueError, match="1 of 3 examples are gone"):
        open_cache(cached.folder)


def test_size_and_clearing(tiny: Any, root: Path) -> None:
    opened, _ = tiny
    folder = build(opened, root).folder
    (folder / "latents" / "mine.txt").write_text("not ours")
    whole = cache_bytes(folder)
    assert whole == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) - 8
    build(opened, root, CROPS[:1])
    freed = clear_cache(folder, keep_current=True)
    assert 0 < freed < whole
    assert len(open_cache(folder)) == 1
    open_cache(folder).item(0)
    assert clear_cache(folder) == pytest.approx(whole - freed, abs=600)  # the index is shorter
    assert [p.name for p in folder.rglob("*") if p.is_file()] == ["mine.txt"]


def test_bad_input(tiny: Any, root: Path) -> None:
    opened, _ = tiny
    with pytest.raises(ValueError, match="no picture is left"):
        build(opened, root, [])
    with pytest.raises(ValueError, match=r"gone\.png is no longer in"):
        build(opened, root, [Crop("gone.png", (0, 0, 64, 64), (64, 64))])
    build(opened, root)
    index = root.parent / "cache" / "index.json"
    index.write_text(index.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(ValueError, match="by a newer studio"):
        open_cache(index.parent)


def test_the_bundled_model(root: Path) -> None:
    folder = Path(__file__).parents[3] / "assets" / "micro-4k"
    family = family_of(folder)
    pipeline, _ = family.load(folder)
    cached = build(
        ("sd3", pipeline), root, [Crop("a.png", (0, 0, 128, 128), (128, 128))], max_sequence_length=None
    )
    item = cached.item(0)
    assert item.latents.shape == (16, 8, 8)
    assert item.prompt_embeds.shape == (32 + 8, 256)
    assert not torch.equal(item.prompt_embeds, cached.empty_text.prompt_embeds)
