"""Merged folders open in stock diffusers, draw as with the adapter, stay F16, and keep what was not touched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file

from finetune.backbones import FAMILIES, FamilyName, family_of
from finetune.backbones.autoencoder import is_f16
from finetune.lora.files import layer_shapes, save_adapter
from finetune.lora.keys import LowRank
from finetune.lora.merge import folder_shapes, merge_adapters, merged
from tests.finetune.lora.test_files import picture, trained


@pytest.fixture(params=["sd3", "flux"])
def family(request: pytest.FixtureRequest) -> FamilyName:
    return request.param


def test_the_merged_folder_draws_as_with_the_adapter(family: FamilyName, tmp_path: Path) -> None:
    pipeline = trained(family)
    with_adapter = picture(family, pipeline)
    adapter = save_adapter(pipeline.transformer, tmp_path / "lora", family=family, metadata={})
    pipeline.unload_lora_weights()
    base, target = tmp_path / "base", tmp_path / "merged"
    pipeline.save_pretrained(base, max_shard_size="100KB")
    without = picture(family, pipeline)
    assert len(list((base / "transformer").glob("*.safetensors"))) > 1
    (report,) = merge_adapters(base, [(adapter, 1.0)], target)
    assert report.unmatched == {}
    opened, _ = family_of(target).load(target)
    assert is_f16(opened.vae)
    assert np.abs(picture(family, opened) - with_adapter).max() <= 1
    assert np.abs(without - with_adapter).max() > 5
    stock = DiffusionPipeline.from_pretrained(target)
    for name, weight in stock.transformer.state_dict().items():
        assert torch.equal(weight, opened.transformer.state_dict()[name])
    assert stock.vae.config["stride"] == 2
    for path in base.rglob("*"):
        relative = path.relative_to(base)
        if path.is_file() and not (relative.parts[0] == "transformer" and path.suffix == ".safetensors"):
            assert (target / relative).read_bytes() == path.read_bytes()
    assert json.loads((target / "merged_adapters.json").read_text())["adapters"] == [
        {"file": adapter.name, "weight": 1.0}
    ]
    assert folder_shapes(base) == layer_shapes(stock.transformer)


def test_opposite_weights_give_the_base_back(tmp_path: Path) -> None:
    pipeline = trained("sd3")
    adapter = save_adapter(pipeline.transformer, tmp_path / "lora", family="sd3", metadata={})
    pipeline.unload_lora_weights()
    pipeline.save_pretrained(tmp_path / "base")
    merge_adapters(tmp_path / "base", [(adapter, 0.7), (adapter, -0.7)], tmp_path / "merged")
    name = Path("transformer") / "diffusion_pytorch_model.safetensors"
    before, after = load_file(tmp_path / "base" / name), load_file(tmp_path / "merged" / name)
    assert before.keys() == after.keys()
    for key, weight in before.items():
        torch.testing.assert_close(after[key], weight, rtol=0, atol=2e-7 * 10)


def test_one_weight_by_hand_in_its_own_dtype() -> None:
    pair = LowRank(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]]))
    weight = torch.tensor([[1.0, 1.0], [1.0, 1.0]], dtype=torch.bfloat16)
    found = merged(weight, [(0.5, pair), (1.0, pair)])
    assert found.dtype == torch.bfloat16
    # 1 + 1.5 * [[3, 6], [4, 8]]
    assert found.tolist() == [[5.5, 10.0], [7.0, 13.0]]


def test_a_convolution_is_merged_too() -> None:
    pair = LowRank(torch.ones(1, 3, 2, 2), torch.full((5, 1, 1, 1), 2.0))
    assert torch.equal(merged(torch.zeros(5, 3, 2, 2), [(1.0, pair)]), torch.full((5, 3, 2, 2), 2.0))


def test_published_layouts_are_mended_in_the_copy(tmp_path: Path) -> None:
    pipeline = trained("sd3")
    adapter = save_adapter(pipeline.transformer, tmp_path / "lora", family="sd3", metadata={})
    pipeline.unload_lora_weights()
    base, target = tmp_path / "base", tmp_path / "merged"
    pipeline.save_pretrained(base)
    index = json.loads((base / "model_index.json").read_text())
    (base / "model_index.json").write_text(json.dumps(index | {"vae": ["autoencoder_kl", "AutoencoderKL"]}))
    merge_adapters(base, [(adapter, 1.0)], target)
    DiffusionPipeline.from_pretrained(target)
    assert is_f16(FAMILIES["sd3"].load(target)[0].vae)


def test_refusals_leave_nothing_behind(tmp_path: Path) -> None:
    pipeline = trained("sd3")
    flux = trained("flux")
    foreign = save_adapter(flux.transformer, tmp_path / "lora", family="flux", metadata={})
    pipeline.unload_lora_weights()
    pipeline.save_pretrained(tmp_path / "base")
    with pytest.raises(ValueError, match="exists already"):
        merge_adapters(tmp_path / "base", [(foreign, 1.0)], tmp_path / "lora")
    with pytest.raises(ValueError, match="no adapter was given"):
        merge_adapters(tmp_path / "base", [], tmp_path / "new")
    with pytest.raises(ValueError, match="is missing"):
        merge_adapters(tmp_path / "base", [(tmp_path / "none", 1.0)], tmp_path / "new")
    (tmp_path / "base" / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ValueError, match="incomplete"):
        merge_adapters(tmp_path / "base", [(foreign, 1.0)], tmp_path / "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base", "lora"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = trained("sd3")
    adapter = save_adapter(pipeline.transformer, tmp_path / "lora", family="sd3", metadata={})
    pipeline.unload_lora_weights()
    pipeline.save_pretrained(tmp_path / "base")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("finetune.lora.merge.save_file", full)
    with pytest.raises(ValueError, match="No space left on device"):
        merge_adapters(tmp_path / "base", [(adapter, 1.0)], tmp_path / "merged")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base", "lora"]
